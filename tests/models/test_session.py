"""Sessions give what `predict` gives, however the sequences are cut."""

import pickle  # noqa: TID251 (what a snapshot is for)

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers, ops
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.registry import LAYERS

B, T, D = 3, 11, 4


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """Bit for bit holds for the kernels; the reference keeps more digits of the states inside a call than between two."""
    monkeypatch.setattr(config.settings, "device", "auto")


class Leaky(layers.Layer):
    """A cell of the user's own."""

    state_size = output_size = 5

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 5), name="w")

    def call(self, inputs, states):
        h = 0.5 * states[0] + ops.matmul(inputs, self.w)
        return ops.tanh(h), [h]


class Trained(layers.Layer):
    """A layer that trains unless it is told not to."""

    def call(self, x, training=True):
        return x * 3.0 if training else x


def functional():
    x = Input((None, D))
    a = layers.LSTM(6, return_sequences=True)(x)
    b = layers.GRU(6, return_sequences=True)(ops.tanh(x) * 2.0)
    y = layers.Concatenate()([layers.Add()([a, b]), x])
    last, h, c = layers.LSTM(5, return_state=True)(y)
    return Model(x, [layers.Dense(2)(y), last, layers.Multiply()([h, c])])


def shared():
    x = Input((None, D))
    lstm = layers.LSTM(D, return_sequences=True, name="twice")
    return Model(x, lstm(lstm(x)))


def nested_twice():
    inner = Sequential([Input((None, D)), layers.LSTM(D, return_sequences=True)], name="inner")
    x = Input((None, D))
    return Model(x, layers.Add()([inner(inner(x)), inner(x * 2.0)]))


def recorded_training():
    x = Input((None, D))
    y = Trained()(layers.Dropout(0.5)(x, training=True))
    return Model(x, layers.Dense(3)(layers.Dropout(0.5)(layers.LSTM(5, dropout=0.5)(y, training=True), training=True)))


def nested():
    inner = Sequential([Input((None, D)), layers.Dense(5, "relu"), layers.GRU(5, return_sequences=True)], name="inner")
    x = Input((None, D))
    return Model(x, layers.SimpleRNN(3)(inner(x)))


def last_step():
    x = Input((None, D))
    return Model(x, layers.Dense(2)(layers.LSTM(5, return_sequences=True)(x)[:, -1]))


def sequential(*rest):
    return lambda: Sequential([Input((None, D)), *(make() for make in rest)])


L = layers
MODELS = {
    "lstm": sequential(lambda: L.LSTM(7)),
    "gru": sequential(lambda: L.GRU(7, return_sequences=True)),
    "gru before": sequential(lambda: L.GRU(7, reset_after=False)),
    "simple": sequential(lambda: L.SimpleRNN(7, return_sequences=True), lambda: L.SimpleRNN(3)),
    "float64": sequential(lambda: L.LSTM(7, dtype="float64"), lambda: L.Dense(2, dtype="float64")),
    "mixed": sequential(lambda: L.RNN(L.LSTMCell(4, dtype="float64"), return_sequences=True), lambda: L.LSTM(3)),
    "stacked cells": sequential(lambda: L.RNN([L.LSTMCell(4), L.GRUCell(5)], return_sequences=True), lambda: L.LSTM(3)),
    "own cell": sequential(lambda: L.RNN(Leaky(), return_sequences=True), lambda: L.Dense(2)),
    # A Python function for an activation runs on the reference.
    "odd activation": sequential(lambda: L.LSTM(5, activation=lambda x: ops.tanh(x) * 0.5), lambda: L.Dense(2)),
    "dense and norms": sequential(
        lambda: L.Dense(6, "relu"), L.LayerNormalization, L.BatchNormalization,
        lambda: L.LSTM(5, return_sequences=True),
        lambda: L.Dropout(0.5), lambda: L.TimeDistributed(L.Dense(3)), L.Softmax, lambda: L.Activation("tanh"),
    ),
    "masking": sequential(L.Masking, lambda: L.LSTM(5, return_sequences=True), lambda: L.GRU(4)),
    "masked sequences": sequential(L.Masking, lambda: L.GRU(5, return_sequences=True), lambda: L.Dense(2)),
    "masked zeros": sequential(L.Masking, lambda: L.RNN(L.LSTMCell(5), return_sequences=True, zero_output_for_mask=True)),
    "masked own cell": sequential(L.Masking, lambda: L.RNN(Leaky(), return_sequences=True), lambda: L.RNN(Leaky())),
    "then a decoder": sequential(lambda: L.LSTM(5), lambda: L.RepeatVector(3), lambda: L.GRU(4, return_sequences=True)),
    "stateful": lambda: Sequential([Input(batch_shape=(B, None, D)), L.LSTM(4, stateful=True, return_sequences=True)]),
    "functional": functional, "shared": shared, "nested": nested, "last step": last_step,
    "nested twice": nested_twice, "recorded training": recorded_training,
}  # fmt: skip


def flat(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def predicted(model, x):
    model.reset_states() if hasattr(model, "reset_states") else None
    y = flat(model.predict_on_batch(x))
    model.reset_states() if hasattr(model, "reset_states") else None
    return y


def cuts(rng, T):
    inner = np.sort(rng.choice(np.arange(1, T), rng.integers(0, T - 1), replace=False)) if T > 1 else []
    return list(zip([0, *inner], [*inner, T], strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_any_cut_gives_what_predict_gives(name, rng):
    model = MODELS[name]()
    for weight in model.weights:
        weight.assign(
            np.abs(rng.standard_normal(weight.shape))
            if "var" in weight.name
            else rng.standard_normal(weight.shape) * 0.6
        )
    x = rng.standard_normal((B, T, D)).astype("float32")
    if "mask" in name:
        x[rng.random((B, T)) < 0.5] = 0
        x[1] = 0  # a row that never begins
    session = model.stream(batch=B)
    for _ in range(4):  # and all is forgotten between
        session.reset()
        for start, end in cuts(rng, T):
            whole = [np.asarray(y) for y in predicted(model, x[:, :end])]
            piece = x[:, start] if end == start + 1 and rng.random() < 0.5 else x[:, start:end]
            for y, want in zip(flat(session.step(piece)), whole, strict=True):
                along = want.ndim == 3 and want.shape[1] == end and name != "then a decoder"
                part = want[:, start:end] if along else want
                part = part[:, 0] if along and piece.ndim == 2 else part
                np.testing.assert_allclose(y, part, rtol=0, atol=1e-6 if name == "odd activation" else 0)


# Every class of layer before and behind a recurrent one: what makes it, or why no session runs it.
NOT_ALONG = {
    "Bidirectional",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Permute",
    "RepeatVector",
    "Reshape",
}
ONE = {
    "Activation": lambda: L.Activation("tanh"), "BatchNormalization": L.BatchNormalization, "Dense": lambda: L.Dense(D),
    "Dropout": lambda: L.Dropout(0.5), "ELU": L.ELU, "GRU": lambda: L.GRU(D, return_sequences=True),
    "GaussianDropout": lambda: L.GaussianDropout(0.5), "GaussianNoise": lambda: L.GaussianNoise(0.5),
    "LSTM": lambda: L.LSTM(D, return_sequences=True), "LayerNormalization": L.LayerNormalization, "LeakyReLU": L.LeakyReLU,
    "Masking": L.Masking, "ReLU": L.ReLU, "RNN": lambda: L.RNN(L.GRUCell(D), return_sequences=True),
    "Sequential": lambda: Sequential([Input((None, D)), L.Dense(D)]), "SimpleRNN": lambda: L.SimpleRNN(D, return_sequences=True),
    "Softmax": L.Softmax, "SpatialDropout1D": lambda: L.SpatialDropout1D(0.5),
    "TimeDistributed": lambda: L.TimeDistributed(L.Dense(D)),
}  # fmt: skip
MERGES = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"}
ELSEWHERE = {"Embedding", "Functional", "InputLayer", "GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}


def test_every_class_of_layer_is_tried():
    assert set(LAYERS) == NOT_ALONG | set(ONE) | MERGES | ELSEWHERE


@pytest.mark.parametrize("name", sorted(set(ONE) | MERGES))
def test_every_layer_takes_pieces(name, rng):
    x = Input((None, D))
    y = L.LSTM(D, return_sequences=True)(x)
    model = Model(x, L.GRU(3, return_sequences=True)(ONE[name]()(y) if name in ONE else getattr(L, name)()([x, y])))
    for weight in model.weights:
        weight.assign(np.abs(rng.standard_normal(weight.shape)) + 0.1)
    data = rng.standard_normal((B, T, D)).astype("float32")
    session, want = model.stream(B), model.predict_on_batch(data)
    for start, end in cuts(rng, T):
        np.testing.assert_array_equal(session.step(data[:, start:end]), want[:, start:end])


def test_tokens(rng):
    model = Sequential([Input((None,)), L.Embedding(7, 4, mask_zero=True), L.LSTM(5), L.Dense(3)])
    ids = rng.integers(0, 7, (B, T))
    session = model.stream(B)
    for t in range(T):
        np.testing.assert_array_equal(session.step(ids[:, t]), model.predict_on_batch(ids[:, : t + 1]))


def test_encoder_and_decoder(rng):
    """What is given runs once; its states and its outputs may serve every step."""
    source, target = Input((None, D), name="source"), Input((None, D), name="target")
    encoded, *states = L.LSTM(6, return_state=True)(source)
    y = L.LSTM(6, return_sequences=True)(target, initial_state=states)
    context = L.RepeatVector(1)(encoded)
    model = Model([source, target], L.Dense(2)(y * context))
    a, b = (rng.standard_normal((B, n, D)).astype("float32") for n in (5, T))
    want = model.predict_on_batch([a, b])
    session = model.stream(B, given={"source": a})
    np.testing.assert_array_equal(session.step(b[:, :4]), want[:, :4])
    np.testing.assert_array_equal(session.step({"target": b[:, 4]}), want[:, 4])
    session.reset([1])
    y = session.step(b[:, 0])
    np.testing.assert_array_equal(y[1], want[1, 0])
    with pytest.raises(ValueError, match="no input of model"):
        model.stream(B, given={"sauce": a})
    with pytest.raises(ShapeError, match="given input 'source'"):
        model.stream(2, given={"source": a})


def test_states_are_kept_and_taken_elsewhere(rng):
    model = MODELS["masking"]()
    x = rng.standard_normal((B, T, D)).astype("float32")
    one, other = model.stream(B), model.stream(B)
    one.step(x[:, :5])
    snapshot = pickle.loads(pickle.dumps(one.state))
    want = one.step(x[:, 5:]).copy()
    other.step(x[:, 3:7])
    other.restore(snapshot)
    np.testing.assert_array_equal(other.step(x[:, 5:]), want)
    one.restore(snapshot)
    np.testing.assert_array_equal(one.step(x[:, 5:]), want)
    snapshot["another"] = snapshot.pop(next(iter(snapshot)))
    with pytest.raises(ValueError, match="of another model"):
        one.restore(snapshot)
    name = next(iter(one.state))
    with pytest.raises(ShapeError, match=f"layer '{name}' has other arrays"):
        one.restore({k: [a[:2] for a in v] for k, v in one.state.items()})


def test_states_of_ones_own(rng):
    model = Sequential([Input((None, D)), L.LSTM(5, name="only")])
    h, c = (rng.standard_normal((B, 5)).astype("float32") for _ in range(2))
    session = model.stream(B)
    session.restore({"only": [h, c]})
    x = rng.standard_normal((B, 1, D)).astype("float32")
    np.testing.assert_array_equal(session.step(x), model.layers[0](x, initial_state=[h, c]))


def test_rows_are_reset_alone(rng):
    model = MODELS["functional"]()
    x = rng.standard_normal((B, T, D)).astype("float32")
    session = model.stream(B)
    session.step(x[:, :6])
    session.reset(rows=[1])
    got = [np.array(y) for y in session.step(x[:, 6:])]
    alone = predicted(model, x[1:2, 6:])
    for y, want, first in zip(got, predicted(model, x), alone, strict=True):
        rest = want[:, 6:] if want.ndim == 3 else want
        np.testing.assert_array_equal(y[[0, 2]], rest[[0, 2]])
        np.testing.assert_array_equal(y[1:2], first)
    with pytest.raises(IndexError):
        session.reset(rows=[3])


def test_out_belongs_to_the_caller(rng):
    model = MODELS["gru"]()
    x = rng.standard_normal((B, 2, D)).astype("float32")
    session, out = model.stream(B), np.empty((B, 7), "float32")
    assert session.step(x[:, 0], out=out) is out
    first = out.copy()
    inside = session.step(x[:, 1])
    np.testing.assert_array_equal(out, first)
    assert not np.array_equal(inside, first)
    with pytest.raises(ShapeError, match="`out` has the wrong shape"):
        session.step(x[:, 0], out=np.empty((B, 8), "float32"))


def test_new_weights_count_from_the_next_step(rng):
    model = MODELS["lstm"]()
    x = rng.standard_normal((B, 2, D)).astype("float32")
    session = model.stream(B)
    session.step(x[:, 0])
    states = session.state["lstm" if "lstm" in session.state else next(iter(session.state))][:2]
    model.set_weights([w * 2 for w in model.get_weights()])
    np.testing.assert_array_equal(session.step(x[:, 1]), model.layers[0](x[:, 1:], initial_state=states))


REFUSED = {
    "Bidirectional": sequential(lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)), lambda: L.LSTM(3)),
    "GlobalMaxPooling1D": sequential(lambda: L.LSTM(3, return_sequences=True), L.GlobalMaxPooling1D),
    "GlobalAveragePooling1D": sequential(lambda: L.LSTM(3, return_sequences=True), L.GlobalAveragePooling1D),
    "go_backwards": sequential(lambda: L.LSTM(3, go_backwards=True)),
    "Flatten": lambda: Sequential([Input((T, D)), L.LSTM(3, return_sequences=True), L.Flatten()]),
    "Permute": lambda: Sequential([Input((D, D)), L.Permute((2, 1)), L.LSTM(3)]),
    "get_item": lambda: Model(x := Input((None, D)), L.LSTM(3, return_sequences=True)(x)[:, -9:]),
    "get_item, the first": lambda: Model(x := Input((None, D)), L.LSTM(3, return_sequences=True)(x)[:, :9]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_whole_sequence_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"({name.split(',')[0]}).*(whole sequence|begins at the end|does not know)"):
        REFUSED[name]().stream()


def test_a_sum_of_steps_and_the_end_is_refused():
    x = Input((None, D))
    y = L.LSTM(D, return_sequences=True)(x)
    model = Model(x, y + L.RepeatVector(1)(L.LSTM(D)(x)))
    with pytest.raises(ValueError, match="joins what a sequence gives at its end"):
        model.stream()


def test_what_no_session_is_made_of():
    class Own(Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="a `call` of its own"):
        Own().stream()
    with pytest.raises(ValueError, match="no recurrent layer"):
        Sequential([Input((None, D)), L.Dense(2)]).stream()
    with pytest.raises(ValueError, match="no input shape yet"):
        Sequential([L.LSTM(2)]).stream()
    with pytest.raises(ValueError, match=r"RepeatVector.*needs the whole sequence"):
        Sequential([Input((D,)), L.RepeatVector(3), L.LSTM(2)]).stream()
    with pytest.raises(ValueError, match="has no steps"):
        Model(x := Input(batch_shape=(None,)), L.LSTM(2)(ops.reshape(x, (-1, 1, 1)))).stream()
    for batch in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="`batch` must be a whole number"):
            MODELS["lstm"]().stream(batch)


def test_pieces_that_do_not_fit():
    session = MODELS["lstm"]().stream(2)
    for shape in ((2,), (3, D), (2, D + 1), (2, 0, D), (2, 1, D, 1), (1, 1, D)):
        with pytest.raises(ShapeError, match=r"Expected: a frame \(2, 4\)"):
            session.step(np.zeros(shape, "float32"))
    with pytest.raises(DTypeError, match="must be numbers"):
        session.step(np.full((2, D), "a"))
    session.step(np.ones((2, D), int))
