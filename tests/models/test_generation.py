"""Models that read what they write."""

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers

V, B = 9, 3


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")


@pytest.fixture
def words(rng):
    model = Sequential(
        [Input((None,)), layers.Embedding(V, 5), layers.GRU(12, return_sequences=True), layers.Dense(V, "softmax")]
    )
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def test_greedy_words_are_those_of_the_whole_sequence(words):
    """Teacher-forced on what it has written, the model would write the same."""
    start = np.arange(B)
    made = words.stream(B).generate(start, 20)
    assert made.shape == (B, 20)
    read = np.concatenate([start[:, None], made[:, :-1]], 1)
    np.testing.assert_array_equal(words.predict_on_batch(read).argmax(-1), made)
    prompt = read[:, :6]
    np.testing.assert_array_equal(words.stream(B).generate(prompt, 15), made[:, 5:])


def test_an_encoder_and_a_decoder(rng):
    source, target = Input((None, 4), name="source"), Input((None, V), name="target")
    _, *states = layers.LSTM(8, return_state=True)(source)
    y = layers.Dense(V, "softmax")(layers.LSTM(8, return_sequences=True)(target, initial_state=states))
    model = Model([source, target], y)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    x, start = rng.standard_normal((B, 5, 4)).astype("float32"), np.eye(V, dtype="float32")[[0, 0, 1]]
    made = model.stream(B, given={"source": x}).generate(start, 12)
    read = np.concatenate([start[:, None], np.eye(V, dtype="float32")[made[:, :-1]]], 1)
    np.testing.assert_array_equal(model.predict_on_batch([x, read]).argmax(-1), made)


def test_sampling_follows_the_probabilities(rng):
    model = Sequential([Input((None,)), layers.Embedding(V, 5), layers.SimpleRNN(4), layers.Dense(4, "softmax")])
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    rows, start = 20_000, np.full(20_000, 2)
    p = model.predict_on_batch(start[:1, None])[0].astype(float)
    for temperature in (1.0, 0.5, 3.0):
        drawn = model.stream(rows).generate(start, 1, "sample", temperature=temperature, seed=1)[:, 0]
        share = p ** (1 / temperature)
        share /= share.sum()
        error = np.abs(np.bincount(drawn, minlength=4) / rows - share)
        assert (error < 5 * np.sqrt(share / rows) + 1e-9).all()
    again = [model.stream(5).generate(start[:5], 8, "sample", seed=3) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_rows_stop_by_themselves(words):
    start = np.arange(B)
    free = words.stream(B).generate(start, 30)
    end = free[0, 3]
    made = words.stream(B).generate(start, 30, stop=end)
    for row, all_of_it in zip(made, free, strict=True):
        n = int((all_of_it == end).argmax()) + 1 if (all_of_it == end).any() else 30
        np.testing.assert_array_equal(row[:n], all_of_it[:n])
        assert (row[n:] == end).all()
    counted = iter(range(100))
    assert words.stream(B).generate(start, 30, stop=lambda choice: np.full(B, next(counted) == 4)).shape == (B, 5)


def test_functions_of_ones_own(rng):
    """A forecast: numbers are fed back as they are, or as `feed` makes them."""
    model = Sequential([Input((None, 1)), layers.LSTM(6), layers.Dense(1)])
    start = rng.standard_normal((B, 1)).astype("float32")
    session, x, want = model.stream(B), start, []
    for _ in range(5):
        x = session.step(x).copy()
        want.append(x)
    np.testing.assert_array_equal(model.stream(B).generate(start, 5, lambda y: y.copy()), np.stack(want, 1))
    fed = []
    model.stream(B).generate(
        start, 3, lambda y: y[:, 0] > 0, feed=lambda up: fed.append(up) or np.where(up, 1, -1)[:, None]
    )
    assert [f.shape for f in fed] == [(B,)] * 3


def test_outputs_that_are_fed_back_as_they_are(rng):
    """They lie in the session's own array, which the next step writes over."""
    model = Sequential([Input((None, 4)), layers.LSTM(4)])
    start = rng.standard_normal((B, 4)).astype("float32")
    want, x, session = [], start, model.stream(B)
    for _ in range(4):
        x = session.step(x).copy()
        want.append(x)
    np.testing.assert_array_equal(model.stream(B).generate(start, 4, lambda y: y), np.stack(want, 1))


def test_the_coldest_sample_is_the_greedy_one(words):
    start = np.arange(B)
    want = words.stream(B).generate(start, 9)
    np.testing.assert_array_equal(words.stream(B).generate(start, 9, "sample", temperature=1e-320, seed=0), want)


def test_arguments_that_make_no_sense(words):
    session = words.stream(B)
    start = np.arange(B)
    for arguments, message in [
        ({"steps": 0}, "`steps` must be"),
        ({"steps": 2, "choose": "best"}, "`choose` is 'greedy', 'sample'"),
        ({"steps": 2, "temperature": 0}, "`temperature` must be above 0"),
        ({"steps": 2, "temperature": np.inf}, "`temperature` must be above 0, and finite"),
        ({"steps": 2, "choose": lambda y: y[:1, 0, 0] if y.ndim == 3 else y[:1, 0]}, "a choice for each row"),
    ]:
        with pytest.raises(ValueError, match=message):
            session.generate(start, **arguments)
    logits = Sequential([Input((None,)), layers.Embedding(V, 5), layers.GRU(4), layers.Dense(V)])
    x = Input((None, 4))
    several = Model(x, [layers.GRU(2)(x), layers.LSTM(2)(x)])
    with pytest.raises(ValueError, match=r"a model with one output. Received: 2.*Pass a function"):
        several.stream().generate(np.ones((1, 4)), 2)
    with pytest.raises(ValueError, match="drawn from probabilities"):
        logits.stream(B).generate(start, 5, "sample")
