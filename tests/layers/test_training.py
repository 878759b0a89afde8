"""Dropout inside recurrent layers: what is dropped, how much, for how long; means are compared, since streams are Keras' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import layers

KINDS = ["SimpleRNN", "LSTM", "GRU"]
ROWS = 4000


def ones(T: int = 3, D: int = 2) -> Any:
    return np.ones((ROWS, T, D), "float32")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [{}, {"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_inference_drops_nothing(kind: str, dropout: dict[str, float], rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    layer, plain = getattr(layers, kind)(4, **dropout), getattr(layers, kind)(4)
    layer(x), plain(x)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), plain(x))
    np.testing.assert_array_equal(layer(x, training=False), plain(x))
    if not dropout:
        np.testing.assert_array_equal(layer(x, training=True), plain(x))


def linear_rnn(**options: Any) -> layers.SimpleRNN:
    """h' = x W + h U without an activation: what was dropped can be read from the outputs."""
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, return_sequences=True, **options)
    layer.build((None, None, 1))
    return layer


def test_one_input_mask_for_all_steps() -> None:
    layer = linear_rnn(dropout=0.25, seed=3)
    layer.set_weights([[[1.0]], [[0.0]]])
    y = layer(ones(4, 1), training=True)[..., 0]
    assert set(np.unique(y.round(4))) == {np.float32(0), np.float32(1.3333)}
    assert (y == y[:, :1]).all()  # the same at every step
    np.testing.assert_allclose((y[:, 0] == 0).mean(), 0.25, atol=0.025)
    np.testing.assert_allclose(y.mean(), 1, atol=0.03)


def test_one_state_mask_for_all_steps() -> None:
    layer = linear_rnn(recurrent_dropout=0.5, seed=3)
    layer.set_weights([[[1.0]], [[1.0]]])
    y = layer(ones(3, 1), training=True)[..., 0]
    rows = {tuple(row) for row in y}
    assert rows == {(1, 1, 1), (1, 3, 7)}  # dropped each time, or doubled each time
    np.testing.assert_allclose((y[:, 1] == 1).mean(), 0.5, atol=0.03)


def gates_alone(kind: str, **options: Any) -> Any:
    """A layer whose gates each see one feature's weight alone, its activations linear."""
    gates = {"LSTM": 4, "GRU": 3}[kind]
    layer = getattr(layers, kind)(1, activation="linear", recurrent_activation="linear", **options)
    layer.build((None, None, 1))
    zeros = [np.zeros(w.shape, "float32") for w in layer.weights]
    zeros[0] = np.ones((1, gates), "float32")
    layer.set_weights(zeros)
    return layer


def test_lstm_gates_share_a_mask_unless_states_are_dropped() -> None:
    # One step of x = 1: c = i * c~ = x_i * x_c and h = o * c: the product of three gates' masks.
    shared = gates_alone("LSTM", dropout=0.5)(ones(1, 1), training=True)
    assert set(np.unique(shared)) == {0, 8}
    np.testing.assert_allclose((shared == 8).mean(), 1 / 2, atol=0.03)
    each = gates_alone("LSTM", dropout=0.5, recurrent_dropout=0.1)(ones(1, 1), training=True)
    assert set(np.unique(each)) == {0, 8}
    np.testing.assert_allclose((each == 8).mean(), 1 / 8, atol=0.02)


def test_gru_gates_share_a_mask_unless_states_are_dropped() -> None:
    # h = (1 - z) n with z = x_z and n = x_n, both 0 or 2.
    shared = gates_alone("GRU", dropout=0.5)(ones(1, 1), training=True)
    assert set(np.unique(shared)) == {-2, 0}
    each = gates_alone("GRU", dropout=0.5, recurrent_dropout=0.1)(ones(1, 1), training=True)
    assert set(np.unique(each)) == {-2, 0, 2}
    np.testing.assert_allclose([(each == v).mean() for v in (-2, 0, 2)], [1 / 4, 1 / 2, 1 / 4], atol=0.03)


@pytest.mark.parametrize(
    ("kind", "rate", "zeros"), [("SimpleRNN", 1.0, True), ("LSTM", 1.0, False), ("GRU", 1.0, False), ("GRU", 7, False)]
)
def test_rates_at_the_end(kind: str, rate: float, zeros: bool) -> None:
    """Rates are clamped; exactly 1 drops all in SimpleRNN and nothing in the gated cells, as in Keras."""
    layer = getattr(layers, kind)(2, use_bias=False, dropout=rate)
    y, plain = layer(ones(), training=True), layer(ones())
    assert layer.dropout == 1
    np.testing.assert_array_equal(y, np.zeros_like(y) if zeros else plain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}])
def test_seeds(kind: str, options: dict[str, float], rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 5, 3)).astype("float32")
    one, two = (getattr(layers, kind)(4, seed=11, **options) for _ in range(2))
    one.build(x.shape), two.build(x.shape)
    two.set_weights(one.get_weights())
    first, second = one(x, training=True), one(x, training=True)
    assert not np.array_equal(first, second)  # a new mask for each call
    np.testing.assert_allclose(first, two(x, training=True), atol=1e-6)
    np.testing.assert_allclose(second, two(x, training=True), atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "GRU before"])
def test_masks_of_ones_change_nothing(kind: str, rng: np.random.Generator) -> None:
    """The step written gate by gate is the cell's own step where its masks drop nothing."""
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    options = {"reset_after": False} if kind == "GRU before" else {}
    layer = getattr(layers, kind.removesuffix(" before"))(5, dropout=0.5, recurrent_dropout=0.5, **options)
    layer.build(x.shape)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    cell = layer.cell
    plain, _ = cell(x[:, 0], cell.get_initial_state(3))
    G = len(cell.spec.gates)
    cell._dropout_mask, cell._recurrent_dropout_mask = [np.ones((3, 4))] * G, [np.ones((3, 5))] * G
    states = [rng.normal(size=(3, 5)).astype("float32") for _ in cell.spec.states]
    for t in range(2):
        dropped, after = cell(x[:, t], states, training=True)
        plain, wanted = cell(x[:, t], states)
        np.testing.assert_allclose(dropped, plain, atol=1e-6)
        np.testing.assert_allclose(after, wanted, atol=1e-6)
        states = wanted


def test_stacked_cells_and_wrappers_train(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 6, 4)).astype("float32")
    stack = layers.RNN([layers.GRUCell(3, dropout=0.5), layers.LSTMCell(3, recurrent_dropout=0.5)])
    both = layers.Bidirectional(layers.GRU(3, dropout=0.5))
    for layer in (stack, both):
        plain = layer(x)
        assert not np.allclose(layer(x, training=True), plain)
        np.testing.assert_array_equal(layer(x), plain)  # masks do not outlive their call


def test_a_cell_of_ones_own_is_told() -> None:
    class Tells(layers.Layer):
        state_size = 1

        def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
            new = states[0] + (1.0 if training else 0.0)
            return new, [new]

    x = np.zeros((1, 3, 2), "float32")
    rnn = layers.RNN([Tells(), Tells()])
    assert rnn(x, training=True)[0, 0] == 3
    assert rnn(x)[0, 0] == 0


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.4},
        {"recurrent_dropout": 0.3},
        {"dropout": 0.4, "recurrent_dropout": 0.3},
        {"dropout": 1.0, "recurrent_dropout": 1.0},
    ],
)
def test_distribution_is_keras(kind: str, options: dict[str, float], keras: Any, rng: np.random.Generator) -> None:
    """Means, spreads and what steps have in common, over many rows of the same input, from both libraries."""
    x = np.tile(rng.normal(size=(1, 4, 3)).astype("float32"), (ROWS, 1, 1))
    ours, theirs = (getattr(of, kind)(4, return_sequences=True, **options) for of in (layers, keras.layers))
    ours.build(x.shape), theirs.build(x.shape)
    weights = [rng.normal(size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    a, b = ours(x, training=True), np.asarray(theirs(x, training=True))
    for one, other in ((a, b), (a**2, b**2), (a[:, :1] * a, b[:, :1] * b)):
        # Of 4000 draws each, means differ by more than 5 standard errors once in a million.
        error = np.sqrt((one.var(0) + other.var(0)) / ROWS) + 1e-6
        assert (np.abs(one.mean(0) - other.mean(0)) < 5 * error).all()
