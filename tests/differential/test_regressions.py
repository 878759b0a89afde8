"""What draws disagreed on, by name: what this library does where Keras fails or its backends differ. None needs Keras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, layers
from numba_rnn.config import device
from numba_rnn.ops.tree import flatten

B, T, D, H = 3, 5, 4, 2
MASK = np.array([[1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)


@pytest.fixture(autouse=True)
def reference() -> Iterator[None]:
    with device("reference"):
        yield


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, T, D)).astype("float32")


def alike(first: Any, second: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Two layers with the same random weights."""
    first.build((B, T, D))
    second.build((B, T, D))
    first.set_weights([rng.normal(0, 0.7, w.shape) for w in first.weights])
    second.set_weights(first.get_weights())
    return first, second


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_unrolled_backwards_zeroes_the_masked_steps(kind: str, x: Any, rng: np.random.Generator) -> None:
    """TensorFlow's unrolled loop turns the outputs round, but not the mask that zeroes them."""
    options = {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True}
    loop, unrolled = alike(
        *(getattr(layers, kind)(H, unroll=flag, **options) for flag in (False, True)),
        rng,
    )
    y = unrolled(x, mask=MASK)
    np.testing.assert_array_equal(y, loop(x, mask=MASK))
    np.testing.assert_array_equal(y.any(-1), MASK[:, ::-1])
    loop, unrolled = alike(
        *(layers.Bidirectional(getattr(layers, kind)(H, unroll=flag, return_sequences=True)) for flag in (False, True)),
        rng,
    )
    y = unrolled(x, mask=MASK)
    np.testing.assert_array_equal(y, loop(x, mask=MASK))
    np.testing.assert_array_equal(y[..., H:].any(-1), MASK)


def test_whole_numbers_go_into_a_layer_with_dropout(x: Any, rng: np.random.Generator) -> None:
    """TensorFlow draws a dropout mask for inference too, and cannot scale whole numbers."""
    whole = np.rint(2 * x).astype("int64")
    plain, dropping = alike(layers.GRU(H), layers.GRU(H, dropout=0.5), rng)
    np.testing.assert_array_equal(dropping(whole), plain(whole))
    np.testing.assert_array_equal(dropping(whole), plain(whole.astype("float32")))


@pytest.mark.parametrize("mask", [None, MASK])
def test_stateful_both_ways_with_states_returned(x: Any, rng: np.random.Generator, mask: Any) -> None:
    """Keras multiplies a generator by a number there."""
    inner = {"return_sequences": True, "return_state": True}
    kept, plain = alike(
        layers.Bidirectional(layers.LSTM(H, stateful=True, **inner)), layers.Bidirectional(layers.LSTM(H, **inner)), rng
    )
    states: Any = None
    for _ in range(3):
        wanted = plain(x, initial_state=states, mask=mask)
        for have, want in zip(kept(x, mask=mask), wanted, strict=True):
            np.testing.assert_array_equal(have, want)
        states = list(wanted[1:])
        for have, want in zip(kept.states, states, strict=True):
            np.testing.assert_array_equal(np.asarray(have), want)


@pytest.mark.parametrize("kind", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_a_stack_of_one_cell_is_the_cell(kind: str, x: Any, rng: np.random.Generator) -> None:
    """Keras drops the list around the states of a lone cell, and then trips over it under masks."""
    options = {"return_sequences": True, "return_state": True}
    cell, stack = alike(
        layers.RNN(getattr(layers, kind)(H), **options), layers.RNN([getattr(layers, kind)(H)], **options), rng
    )
    n = len(cell.state_size)
    given = [rng.normal(size=(B, H)).astype("float32") for _ in range(n)]
    for states, nested in ((None, None), (given, [given])):
        y, *last = cell(x, initial_state=states, mask=MASK)
        z, *of_cells = stack(x, initial_state=nested, mask=MASK)
        np.testing.assert_array_equal(z, y)
        assert len(of_cells) == 1
        for have, want in zip(of_cells[0], last, strict=True):
            np.testing.assert_array_equal(have, want)


def test_a_list_of_cells_in_float64_stays_in_float64(x: Any, rng: np.random.Generator) -> None:
    """Keras makes a float32 layer of the list, which rounds what goes into the cells."""
    cells = [[layers.GRUCell(H, dtype="float64"), layers.LSTMCell(3, dtype="float64")] for _ in range(2)]
    implied, said = alike(
        layers.RNN(cells[0], dtype="float64"),
        layers.RNN(layers.StackedRNNCells(cells[1], dtype="float64"), dtype="float64"),
        rng,
    )
    fine = x.astype("float64") + 1e-10
    np.testing.assert_array_equal(implied(fine), said(fine))
    assert np.abs(implied(fine) - implied(x.astype("float64"))).max() > 1e-13  # the last digits of the input count


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_layers_dtype_whatever_the_cells_compute_in(x: Any, dtype: str) -> None:
    other = {"float32": "float64", "float64": "float32"}[dtype]
    for cell in (
        layers.LSTMCell(H, dtype=other),
        [layers.LSTMCell(3, dtype=other), layers.GRUCell(H, dtype=dtype)],
        [layers.SimpleRNNCell(3, dtype=dtype), layers.GRUCell(H, dtype=other)],
    ):
        layer = layers.RNN(cell, return_state=True, dtype=dtype)
        for _ in range(2):
            assert {y.dtype.name for y in flatten(layer(x))} == {dtype}


def test_symbolic_shape_of_other_units_backwards(x: Any) -> None:
    """Keras takes the forward layer's units twice, and makes the next layer too wide."""
    a = Input((T, D))
    both = layers.Bidirectional(
        layers.GRU(2, return_sequences=True), backward_layer=layers.LSTM(5, return_sequences=True, go_backwards=True)
    )
    y = both(a)
    assert y.shape == (None, T, 7)
    assert both.compute_output_shape((None, T, D)) == (None, T, 7)
    model = Model(a, layers.Dense(3)(y))
    assert model.predict(x, verbose=0).shape == (B, T, 3)


def test_no_rows(x: Any) -> None:
    """TensorFlow refuses a batch of no rows; no rows come out of no rows."""
    for layer in (
        layers.SimpleRNN(H, return_sequences=True),
        layers.Bidirectional(layers.GRU(H, return_sequences=True), "sum"),
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(H)], return_sequences=True),
        layers.TimeDistributed(layers.Dense(H)),
    ):
        assert layer(x[:0], mask=MASK[:0]).shape == (0, T, H)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Activation("tanh"),
        lambda: layers.Activation("leaky_relu"),
        lambda: layers.ReLU(negative_slope=0.5, max_value=1.5),
        lambda: layers.LeakyReLU(0.3),
        lambda: layers.ELU(0.5),
        layers.Softmax,
        lambda: layers.Activation("sigmoid", dtype="float64"),
    ],
)
def test_activations_of_whole_numbers_have_fractions(make: Any) -> None:
    """Slopes were rounded to 0, and float64 came out; TensorFlow refuses most of them."""
    layer = make()
    whole = np.array([[-3, -1, 0, 2]])
    y = layer(whole)
    assert y.dtype == layer.compute_dtype
    np.testing.assert_array_equal(y, layer(whole.astype(layer.compute_dtype)))
    assert (y % 1).any()


@pytest.mark.parametrize("name", ["linear", "relu", "relu6"])
def test_whole_numbers_that_stay_whole(name: str) -> None:
    y = layers.Activation(name)(np.array([[-3, 2, 9]], "int32"))
    assert y.dtype == np.int32
