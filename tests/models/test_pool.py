"""Streams that come and go give what each would give alone."""

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers
from numba_rnn.errors import ShapeError
from numba_rnn.models.pool import SESSIONS

D = 4


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")


def make():
    return Sequential(
        [Input((None, D)), layers.Masking(), layers.LSTM(6, return_sequences=True), layers.GRU(5), layers.Dense(3)]
    )


def test_any_subset_any_time(rng):
    model, N = make(), 40
    pool = model.streams(capacity=N)
    alone, live = {}, []
    for _ in range(300):
        if live and rng.random() < 0.1:
            gone = live.pop(rng.integers(len(live)))
            pool.close(gone)
            del alone[gone]
        while len(live) < N and rng.random() < 0.5:
            live.append(pool.open())
            alone[live[-1]] = model.stream(1)
        assert len(pool) == len(live)
        chosen = [s for s in live if rng.random() < 0.7]
        shape = (D,) if rng.random() < 0.7 else (rng.integers(1, 4), D)
        frames = {s: rng.standard_normal(shape).astype("float32") * (rng.random() < 0.8) for s in chosen}
        if live and rng.random() < 0.1:
            pool.reset(live[0])
            alone[live[0]].reset()
        got = pool.step(frames)
        assert list(got) == chosen
        for s, y in got.items():
            np.testing.assert_array_equal(y, alone[s].step(frames[s][None])[0])
    assert len(pool._sessions) <= SESSIONS


def test_the_same_streams_again_move_nothing(rng, monkeypatch):
    pool = make().streams(8)
    ids = [pool.open() for _ in range(5)]
    frames = {s: rng.standard_normal(D).astype("float32") for s in ids}
    pool.step(frames)

    def moved(*_):
        raise AssertionError("states were moved")

    monkeypatch.setattr(pool, "_gather", moved)
    pool.step(frames)
    with pytest.raises(AssertionError):
        pool.step({s: frames[s] for s in ids[:4]})


def test_results_belong_to_the_caller(rng):
    pool = make().streams(2)
    one = pool.open()
    first = pool.step({one: np.ones(D, "float32")})[one]
    kept = first.copy()
    pool.step({one: np.full(D, 5, "float32")})
    np.testing.assert_array_equal(first, kept)


def test_states_go_from_stream_to_session_and_back(rng):
    model = make()
    pool, session = model.streams(3), model.stream(1)
    a, b = pool.open("a"), pool.open()
    x = rng.standard_normal((6, D)).astype("float32")
    pool.step({a: x[:3], b: -x[:3]})
    session.restore(pool.state(a))
    want = session.step(x[None, 3:])[0].copy()
    pool.restore(b, pool.state(a))
    got = pool.step({a: x[3:], b: x[3:]})
    np.testing.assert_array_equal(got[a], want)
    np.testing.assert_array_equal(got[b], want)
    before = pool.state(a)
    with pytest.raises(ValueError, match="of another model"):
        pool.restore(a, {"other": []})
    for name, arrays in pool.state(a).items():
        for now, then in zip(arrays, before[name], strict=True):
            np.testing.assert_array_equal(now, then)


def test_what_is_added_to_a_model_is_not_in_its_pools(rng):
    model = Sequential([Input((None, D)), layers.LSTM(6)])
    pool, x = model.streams(2), rng.standard_normal(D).astype("float32")
    a, b = pool.open(), pool.open()
    want = pool.step({a: x})[a]
    model.add(layers.Dense(3))
    pool.reset(a)
    for y in pool.step({a: x, b: x}).values():  # by a session that is made now
        np.testing.assert_array_equal(y, want)


def test_layers_called_twice_keep_streams_apart(rng):
    """By a model inside the model, too: each call has states of its own."""
    inner = Sequential([Input((None, D)), layers.LSTM(D, return_sequences=True)])
    x = Input((None, D))
    model = Model(x, inner(inner(x)))
    pool, alone = model.streams(3), [model.stream() for _ in range(3)]
    ids = [pool.open() for _ in alone]
    for chosen in ([0, 1], [0, 2], [1], [2, 1], [0, 1]):
        frames = rng.standard_normal((3, D)).astype("float32")
        got = pool.step({ids[n]: frames[n] for n in chosen})
        for n in chosen:
            np.testing.assert_array_equal(got[ids[n]], alone[n].step(frames[n][None])[0])


def test_several_outputs_and_tokens(rng):
    x = Input((None,))
    y, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(layers.Embedding(9, 3)(x))
    model = Model(x, {"y": layers.Dense(2)(y), "states": [h, c]})
    pool = model.streams(4)
    ids = [pool.open() for _ in range(3)]
    sessions = [model.stream(1) for _ in ids]
    for _ in range(3):
        got = pool.step({s: n + 1 for n, s in enumerate(ids)})
        for n, (s, session) in enumerate(zip(ids, sessions, strict=True)):
            want = session.step(np.array([n + 1]))
            np.testing.assert_array_equal(got[s]["y"], want["y"][0])
            for a, b in zip(got[s]["states"], want["states"], strict=True):
                np.testing.assert_array_equal(a, b[0])


def test_what_is_refused_changes_nothing(rng):
    model = make()
    pool = model.streams(2)
    one, two = pool.open(), pool.open()
    x = rng.standard_normal(D).astype("float32")
    pool.step({one: x, two: x})
    before = pool.state(one)
    with pytest.raises(ValueError, match="All 2 streams"):
        pool.open()
    with pytest.raises(KeyError, match="No stream 'three'"):
        pool.step({one: x, "three": x})
    with pytest.raises(KeyError, match="No stream"):
        pool.close("three")
    for frames in (
        {one: x, two: x[:2]},
        {one: x, two: np.ones((2, D))},
        {one: x[:2], two: x[:2]},
        {one: np.float32(1)},
    ):
        with pytest.raises(ShapeError, match="does not fit"):
            pool.step(frames)
    for name, arrays in pool.state(one).items():
        for now, then in zip(arrays, before[name], strict=True):
            np.testing.assert_array_equal(now, then)
    pool.close(two)
    assert two not in pool
    with pytest.raises(ValueError, match="open already"):
        pool.open(one)
    assert pool.open("named") == "named"
    assert pool.step({}) == {}


def test_what_no_pool_is_made_of():
    for capacity in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="`capacity` must be a whole number"):
            make().streams(capacity)
    a, b = Input((None, D)), Input((None, D))
    model = Model([a, b], layers.LSTM(2)(layers.Add()([a, b])))
    with pytest.raises(ValueError, match="Streams have one input"):
        model.streams(2)
    with pytest.raises(ValueError, match="whole sequence"):
        Sequential([Input((None, D)), layers.Bidirectional(layers.LSTM(2))]).streams(2)
