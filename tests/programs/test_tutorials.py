"""What Keras' guides to recurrent networks teach, as programs: each takes the package as `keras` and is run with this library, and
with Keras itself where that is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn.ops.tree import flatten

Program = Callable[[Any, np.random.Generator], Any]
PROGRAMS: dict[str, Program] = {}


def program(function: Program) -> Program:
    """A program returns a model or layer, and the arrays to call it with."""
    PROGRAMS[function.__name__] = function
    return function


def minimal_cell(keras: Any) -> Any:
    class MinimalCell(keras.layers.Layer):  # type: ignore[misc]
        """The output is the input's product and the last output's, added."""

        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent_kernel = self.add_weight(
                shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
            )
            self.built = True

        def call(self, inputs: Any, states: Any) -> Any:
            output = keras.ops.matmul(inputs, self.kernel) + keras.ops.matmul(states[0], self.recurrent_kernel)
            return output, [output]

    return MinimalCell


def pair_cell(keras: Any) -> Any:
    class PairCell(keras.layers.Layer):  # type: ignore[misc]
        """Two states of different sizes, written with what gated cells of one's own use."""

        output_size = 3

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.state_size = [3, 2]

        def build(self, input_shape: Any) -> None:
            self.mix = self.add_weight(shape=(input_shape[-1] + 3, 8), initializer="glorot_uniform", name="mix")

        def call(self, inputs: Any, states: Any) -> Any:
            ops, (h, c) = keras.ops, states
            z = ops.matmul(ops.concatenate([inputs, h], axis=-1), self.mix)
            gate, candidate, memory = ops.split(z, [3, 6], axis=-1)
            new = ops.sigmoid(gate) * h + (1 - ops.sigmoid(gate)) * ops.tanh(candidate)
            kept = ops.where(memory > 0, c + memory, 0.5 * c)
            return new + ops.sum(kept, axis=-1, keepdims=True), [new, kept]

    return PairCell


@program
def cell_of_ones_own(keras: Any, rng: np.random.Generator) -> Any:
    return keras.layers.RNN(minimal_cell(keras)(32)), rng.normal(size=(2, 6, 5))


@program
def cells_of_ones_own_stacked(keras: Any, rng: np.random.Generator) -> Any:
    cells = [minimal_cell(keras)(8), pair_cell(keras)(), keras.layers.LSTMCell(4), minimal_cell(keras)(6)]
    return keras.layers.RNN(cells, return_sequences=True, return_state=True), rng.normal(size=(2, 6, 5))


@program
def stack_within_a_stack(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    inner = layers.StackedRNNCells([layers.LSTMCell(3), pair_cell(keras)()])
    return layers.RNN([inner, layers.GRUCell(4)], return_sequences=True), rng.normal(size=(2, 6, 5))


@program
def many_to_one(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    return keras.Sequential([layers.Input((10, 3)), layers.LSTM(7), layers.Dense(1)]), rng.normal(size=(4, 10, 3))


@program
def many_to_many(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((None, 3)),
            layers.GRU(7, return_sequences=True),
            layers.TimeDistributed(layers.Dense(2, activation="softmax")),
        ]
    )
    return model, rng.normal(size=(4, 9, 3))


@program
def three_stacked_lstms(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 8)),
            layers.LSTM(128, return_sequences=True),
            layers.LSTM(256, return_sequences=True),
            layers.LSTM(512),
            layers.Dense(10, activation="softmax"),
        ]
    )
    assert model.count_params() == 2_044_426
    return model, rng.normal(size=(3, 6, 8))


@program
def gru_feeding_a_simple_rnn(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    model = keras.Sequential()
    model.add(layers.Input((None,)))
    model.add(layers.Embedding(input_dim=1000, output_dim=64))
    model.add(layers.GRU(256, return_sequences=True))
    model.add(layers.SimpleRNN(128))
    model.add(layers.Dense(10))
    assert model.count_params() == 361_866
    return model, rng.integers(0, 1000, (2, 12))


@program
def encoder_and_decoder_sharing_states(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    source, target = layers.Input((None,), dtype="int32"), layers.Input((None,), dtype="int32")
    _, h, c = layers.LSTM(16, return_state=True, name="encoder")(layers.Embedding(50, 8)(source))
    decoded = layers.LSTM(16, name="decoder")(layers.Embedding(60, 8)(target), initial_state=[h, c])
    model = keras.Model([source, target], layers.Dense(5)(decoded))
    return model, [rng.integers(0, 50, (3, 7)), rng.integers(0, 60, (3, 4))]


@program
def bidirectional_stack(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((5, 10)),
            layers.Bidirectional(layers.LSTM(8, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(4)),
            layers.Dense(10),
        ]
    )
    return model, rng.normal(size=(2, 5, 10))


@program
def bidirectional_with_a_backward_layer(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    backward = layers.LSTM(10, activation="relu", return_sequences=True, go_backwards=True)
    wrapper = layers.Bidirectional(layers.LSTM(10, return_sequences=True), backward_layer=backward, merge_mode="concat")
    model = keras.Sequential([layers.Input((5, 6)), wrapper, layers.GRU(3), layers.Dense(5, activation="softmax")])
    return model, rng.normal(size=(2, 5, 6))


@program
def masked_words(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    words = rng.integers(1, 30, (4, 7))
    for row, length in enumerate((7, 3, 1, 5)):
        words[row, length:] = 0
    model = keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(30, 6, mask_zero=True),
            layers.Bidirectional(layers.GRU(5, return_sequences=True)),
            layers.LSTM(4),
        ]
    )
    return model, words


@program
def dropout_unrolled(keras: Any, rng: np.random.Generator) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 4)),
            layers.LSTM(5, dropout=0.3, recurrent_dropout=0.2, unroll=True, return_sequences=True),
            layers.Dropout(0.5),
            layers.GRU(3, dropout=0.4, unroll=True),
        ]
    )
    return model, rng.normal(size=(2, 6, 4))


def run(keras: Any, name: str, weights: list[Any] | None = None) -> tuple[list[Any], list[Any]]:
    """The outputs of a program, and the weights that gave them."""
    rng = np.random.default_rng(7)
    model, x = PROGRAMS[name](keras, rng)
    x = [a if a.dtype.kind == "i" else a.astype("float32") for a in flatten(x)]
    x = x[0] if len(x) == 1 else x
    if not model.built:
        model(x)
    if weights is None:
        # Larger ones make a recurrence chaotic: it would double a rounding error at every step.
        weights = [rng.normal(size=w.shape, scale=w.shape[0] ** -0.5).astype("float32") for w in model.weights]
    model.set_weights(weights)
    outputs = flatten(model.predict(x, verbose=0) if hasattr(model, "predict") else model(x))
    return [np.asarray(y) for y in outputs], weights


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs(name: str) -> None:
    """Every program runs here, and on the second call gives the same."""
    first, weights = run(numba_rnn, name)
    again, _ = run(numba_rnn, name, weights)
    for a, b in zip(first, again, strict=True):
        assert np.isfinite(a).all()
        assert a.std() > 0
        np.testing.assert_array_equal(a, b)


@pytest.mark.oracle
@pytest.mark.parametrize("name", PROGRAMS)
def test_equals_keras(name: str, keras: Any) -> None:
    ours, weights = run(numba_rnn, name)
    theirs, _ = run(keras, name, weights)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_rnn_of_a_cell_is_the_layer(kind: str, rng: np.random.Generator) -> None:
    layers = numba_rnn.layers
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    layer, rnn = (
        getattr(layers, kind)(5, return_state=True),
        layers.RNN(getattr(layers, f"{kind}Cell")(5), return_state=True),
    )
    rnn(x), layer(x)
    layer.set_weights(rnn.get_weights())
    for a, b in zip(layer(x), rnn(x), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_cell_stepped_by_hand_is_the_layer(kind: str, rng: np.random.Generator) -> None:
    layers = numba_rnn.layers
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    layer = getattr(layers, kind)(5, return_sequences=True)
    y = layer(x)
    states = layer.cell.get_initial_state(batch_size=3)
    for t in range(6):
        output, states = layer.cell(x[:, t], states)
        np.testing.assert_array_equal(output, y[:, t])


def test_state_carried_over_batches(rng: np.random.Generator) -> None:
    """A long sequence in three pieces, by a stateful layer and by handing the states on."""
    layers = numba_rnn.layers
    pieces = [rng.normal(size=(2, n, 3)).astype("float32") for n in (5, 1, 4)]
    stateful = layers.LSTM(4, stateful=True)
    handed = layers.LSTM(4, return_state=True)
    stateful(pieces[0]), handed(pieces[0])
    handed.set_weights(stateful.get_weights())
    stateful.reset_state()
    states = None
    for piece in pieces:
        y = stateful(piece)
        z, *states = handed(piece, initial_state=states)
        np.testing.assert_array_equal(y, z)
    whole, *_ = handed(np.concatenate(pieces, 1))
    np.testing.assert_array_equal(y, whole)
