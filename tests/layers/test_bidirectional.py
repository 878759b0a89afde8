"""Bidirectional around cells and recurrent layers of one's own, with training and with other dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, layers, ops


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(2, 5, 3)).astype("float32")


class Sums(layers.Layer):
    """A recurrent layer that is no RNN: running sums of the projected input."""

    def __init__(
        self, units: int, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
        stateful: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.units, self.return_sequences, self.return_state = units, return_sequences, return_state
        self.go_backwards, self.stateful = go_backwards, stateful
        self.seen: Any = None

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), "random_normal", name="kernel")

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        self.seen = mask, training
        y = np.cumsum(sequences[:, ::-1] if self.go_backwards else sequences, 1) @ self.kernel.value
        if initial_state is not None:
            y = y + initial_state[0][:, None]
        last = y[:, -1]
        y = y if self.return_sequences else last
        return (y, last) if self.return_state else y

    def get_config(self) -> dict[str, Any]:
        keys = ("units", "return_sequences", "return_state", "go_backwards", "stateful")
        return {**super().get_config(), **{k: getattr(self, k) for k in keys}}


@pytest.mark.parametrize("sequences", [False, True])
def test_a_recurrent_layer_of_ones_own(x: Any, sequences: bool) -> None:
    layer = layers.Bidirectional(Sums(4, return_sequences=sequences, name="sums"), name="both")
    y = layer(x)
    assert [w.path for w in layer.weights] == ["both/forward_sums/kernel", "both/backward_sums/kernel"]
    ahead, back = (w.numpy() for w in layer.weights)
    forward, backward = np.cumsum(x, 1) @ ahead, np.cumsum(x[:, ::-1], 1) @ back
    want = [forward, backward[:, ::-1]] if sequences else [forward[:, -1], backward[:, -1]]
    np.testing.assert_allclose(y, np.concatenate(want, -1), rtol=1e-5)
    graph = Model(i := Input((5, 3)), layer(i))
    np.testing.assert_array_equal(graph(x), y)
    layer(x, mask=np.ones((2, 5), bool), training=True)
    assert layer.backward_layer.seen[1] is True
    assert layer.backward_layer.seen[0].all()


def test_its_states(x: Any) -> None:
    layer = layers.Bidirectional(Sums(4, return_state=True))
    y, h, back = layer(x)
    np.testing.assert_array_equal(y, np.concatenate([h, back], -1))
    np.testing.assert_allclose(layer(x, initial_state=[h, back])[1], 2 * h, rtol=1e-5)


class Cell(layers.Layer):
    """h' = x W + h, without `get_config`."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), "random_normal", name="kernel")

    def call(self, inputs: Any, states: Any) -> Any:
        h = ops.matmul(inputs, self.kernel) + states[0]
        return h, [h]


def test_a_cell_of_ones_own_is_copied(x: Any) -> None:
    cell = Cell(4)
    layer = layers.Bidirectional(layers.RNN(cell))
    y = layer(x)
    ahead, back = layer.weights
    assert ahead is not back
    assert layer.forward_layer.cell is not cell
    np.testing.assert_allclose(y, np.concatenate([x.sum(1) @ ahead.numpy(), x.sum(1) @ back.numpy()], -1), rtol=1e-5)
    assert layer.get_config()["layer"]["config"]["cell"]["config"]["units"] == 4


class Bare:
    """A cell that is no layer."""

    state_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs + states[0], [inputs + states[0]]


class Described(Bare):
    """The same, but it can be copied."""

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Described:
        return cls(**config)


def test_a_cell_that_cannot_be_copied_is_not_shared(x: Any) -> None:
    with pytest.raises(ValueError, match="cannot be copied, and two layers cannot have one cell"):
        layers.Bidirectional(layers.RNN(Bare()))
    both = layers.Bidirectional(layers.RNN(Bare()), backward_layer=layers.RNN(Bare(), go_backwards=True))
    np.testing.assert_allclose(both(x), np.concatenate([x.sum(1), x.sum(1)], -1), rtol=1e-5)
    copied = layers.Bidirectional(layers.RNN(Described()))
    assert copied.forward_layer.cell is not copied.backward_layer.cell
    np.testing.assert_array_equal(copied(x), both(x))


def test_training_reaches_both_directions() -> None:
    ones = np.ones((500, 1, 1), "float32")
    layer = layers.Bidirectional(layers.SimpleRNN(1, activation="linear", dropout=0.5))
    layer(ones)
    layer.set_weights([np.ones(w.shape) if w.name == "kernel" else np.zeros(w.shape) for w in layer.weights])
    dropped = layer(ones, training=True) == 0
    assert (abs(dropped.mean(0) - 0.5) < 0.1).all()
    assert (dropped[:, 0] != dropped[:, 1]).any()
    assert not (layer(ones) == 0).any()


DTYPES = {
    "both ways, inner": (lambda K: K.Bidirectional(K.LSTM(2, dtype="float64", return_state=True)), ["32", *["64"] * 4]),
    "both ways, outer": (lambda K: K.Bidirectional(K.LSTM(2, return_state=True), dtype="float64"), ["64", *["32"] * 4]),
    "cell, inner": (lambda K: K.RNN(K.LSTMCell(2, dtype="float64"), return_state=True), ["32"] * 3),
    "cell, outer": (lambda K: K.RNN(K.LSTMCell(2), return_state=True, dtype="float64"), ["64"] * 3),
    "steps, outer": (lambda K: K.TimeDistributed(K.Dense(2), dtype="float64"), ["64"]),
    "steps, inner": (lambda K: K.TimeDistributed(K.Dense(2, dtype="float64")), ["32"]),
}


@pytest.mark.parametrize("kind", DTYPES)
def test_results_have_the_wrappers_dtype(x: Any, kind: str) -> None:
    make, wanted = DTYPES[kind]
    y = make(layers)(x)
    assert [str(v.dtype)[-2:] for v in (y if isinstance(y, tuple) else [y])] == wanted
    graph = make(layers)(Input((5, 3)))
    assert [v.dtype[-2:] for v in (graph if isinstance(graph, tuple) else [graph])] == wanted


@pytest.mark.oracle
@pytest.mark.parametrize(
    "kind", [k for k in DTYPES if k != "steps, inner"]
)  # float64 there in a call, float32 in a graph
def test_dtypes_like_keras(keras: Any, x: Any, kind: str) -> None:
    y = DTYPES[kind][0](keras.layers)(x)
    assert [str(np.asarray(v).dtype)[-2:] for v in (y if isinstance(y, tuple) else [y])] == DTYPES[kind][1]
