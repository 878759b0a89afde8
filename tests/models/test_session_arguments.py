"""What a session takes: rows, masks, states, given inputs, lists; what it cannot take is said, not guessed."""

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers, ops
from numba_rnn.errors import ShapeError

B, T, D = 3, 11, 4
L = layers


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")


class Leaky(layers.Layer):
    """A cell of the user's own."""

    state_size = output_size = 5

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 5), name="w")

    def call(self, inputs, states):
        h = 0.5 * states[0] + ops.matmul(inputs, self.w)
        return ops.tanh(h), [h]


def lstm():
    return Sequential([Input((None, D)), L.LSTM(7)])


def test_no_row_may_be_reset(rng):
    session, x = lstm().stream(B), rng.standard_normal((B, D)).astype("float32")
    session.step(x)
    (before,) = session.state.values()
    session.reset(rows=[])
    (after,) = session.state.values()
    for a, b in zip(after, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_masks_of_ones_own(rng):
    """Of any of the shapes that a layer takes."""
    x, mask = Input((None, D)), Input((None, 1))
    model = Model([x, mask], L.LSTM(5, return_sequences=True)(x, mask=mask))
    data, counts = rng.standard_normal((B, T, D)).astype("float32"), rng.integers(0, 2, (B, T, 1)).astype("float32")
    want, session = model.predict_on_batch([data, counts]), model.stream(B)
    for start, end in ((0, 1), (1, 4), (4, 5), (5, T)):
        piece = session.step([data[:, start:end], counts[:, start:end]])
        np.testing.assert_array_equal(piece, want[:, start:end])
    with pytest.raises(ValueError, match="a mask that was given for the whole sequence"):
        model.stream(B, given={mask.name: counts})


def test_states_alone_leave_nothing_of_others(rng):
    """What a masked step repeats is nobody else's last output."""
    model = Sequential([Input((None, D)), L.Masking(), L.RNN(Leaky())])
    session, x = model.stream(1), rng.standard_normal((1, 3, D)).astype("float32")
    session.step(x)
    session.restore({name: arrays[:1] for name, arrays in model.stream(1).state.items()})
    assert not session.step(np.zeros((1, D), "float32")).any()


def test_what_was_given_is_the_sessions_own(rng):
    x, h = Input((None, D)), Input((5,), name="h")
    model = Model([x, h], L.GRU(5)(x, initial_state=h))
    given, frame = rng.standard_normal((B, 5)).astype("float32"), rng.standard_normal((B, D)).astype("float32")
    session = model.stream(B, given={"h": given})
    want = session.step(frame).copy()
    given[:] = 0
    session.reset()
    np.testing.assert_array_equal(session.step(frame), want)
    with pytest.raises(ShapeError, match=r"Expected: \(3, 5\). Received: \(3, 1\)"):
        model.stream(B, given={"h": given[:, :1]})


def test_a_single_feature_is_not_spread_over_all():
    """The graph does not know how many there are, but the layer does."""
    layer, x = L.LSTM(3), Input((None, None))
    layer.build((None, None, D))
    session = Model(x, layer(x)).stream()
    session.step(np.ones((1, 2, D), "float32"))
    with pytest.raises(ShapeError, match=r"Expected: \(1, 2, 4\). Received: \(1, 2, 1\)"):
        session.step(np.ones((1, 2, 1), "float32"))


def test_lists_of_numbers_are_arrays():
    model = lstm()
    x = np.arange(8, dtype="float32").reshape(1, 2, D)
    for piece in (x, x[:, 0]):
        want = model.stream().step(piece)
        for given in (piece.tolist(), [piece], {model.input_names[0]: piece}):
            np.testing.assert_array_equal(model.stream().step(given), want)
