"""One user's NaN is that user's: in models, sessions and pools it reaches no other row, and no one who comes after.

Seen to fail where a reset or a stream's new owner gets its states by a product with zero instead of zeros.
"""

import numpy as np
import pytest

from numba_rnn import Input, Sequential, config, layers

B, T, D = 6, 7, 4
L = layers
HOSTILE = [np.nan, np.inf, -np.inf, 1e-40, 3e38]


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")


@pytest.fixture
def quiet():
    """The row itself may well overflow, and NumPy, which runs what is no kernel, says so."""
    with np.errstate(all="ignore"):
        yield


MODELS = {
    "lstm": [lambda: L.LSTM(7, return_sequences=True), lambda: L.Dense(3, "softmax")],
    "masked": [L.Masking, lambda: L.LSTM(6, return_sequences=True), lambda: L.GRU(5), lambda: L.Dense(2)],
    "norms": [
        L.LayerNormalization, lambda: L.GRU(5, return_sequences=True), L.BatchNormalization,
        lambda: L.TimeDistributed(L.Dense(3, "relu")), lambda: L.SimpleRNN(4),
    ],
    "both ways": [lambda: L.Bidirectional(L.LSTM(5, return_sequences=True)), L.GlobalAveragePooling1D],
}  # fmt: skip


def make(name):
    return Sequential([Input((None, D)), *(layer() for layer in MODELS[name])])


def others(y, odd):
    return np.delete(np.asarray(y), odd, axis=0).tobytes()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", MODELS)
def test_predict(name, value, rng):
    model = make(name)
    x = rng.standard_normal((B, T, D)).astype("float32")
    x[rng.random((B, T)) < 0.3] = 0
    want = model.predict_on_batch(x)
    for odd in range(B):
        own = x.copy()
        own[odd, rng.integers(T), rng.integers(D)] = value
        assert others(model.predict_on_batch(own), odd) == others(want, odd)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", [name for name in MODELS if name != "both ways"])
def test_sessions(name, value, rng):
    model, odd = make(name), 2
    x = rng.standard_normal((T, B, D)).astype("float32")
    one, other = model.stream(B), model.stream(B)
    own = x.copy()
    own[1, odd, 0] = value
    for t in range(T):
        want = others(one.step(x[t]), odd)
        assert others(other.step(own[t]), odd) == want
    one.reset()
    other.reset([odd])
    fresh = model.stream(B)
    for t in range(T):
        want = fresh.step(x[t])[odd].tobytes()
        assert other.step(x[t])[odd].tobytes() == want  # nothing of it is left
    assert one.step(x[0]).tobytes() == model.stream(B).step(x[0]).tobytes()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("value", HOSTILE)
def test_pools(value, rng):
    model = make("masked")
    pool, alone = model.streams(B), [model.stream(1) for _ in range(B)]
    ids = [pool.open(n) for n in range(B)]
    x = rng.standard_normal((T, B, D)).astype("float32")
    for t in range(T):
        frames = {n: x[t, n] for n in ids if n == 0 or rng.random() < 0.8}
        if t == 1:
            frames[0] = np.full(D, value, "float32")
        for n, y in pool.step(frames).items():
            assert n == 0 or y.tobytes() == alone[n].step(frames[n][None])[0].tobytes()
    pool.close(0)
    assert pool.open("another") == "another"  # gets the place that is free
    fresh = model.stream(1)
    for t in range(T):
        assert pool.step({"another": x[t, 0], 1: x[t, 1]})["another"].tobytes() == fresh.step(x[t, :1])[0].tobytes()
    pool.step({"another": np.full(D, value, "float32")})
    pool.reset("another")
    fresh.reset()
    assert pool.step({"another": x[0, 0]})["another"].tobytes() == fresh.step(x[0, :1])[0].tobytes()
