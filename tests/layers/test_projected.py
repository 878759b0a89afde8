"""The projected LSTM's cell, against its equations."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn import Sequential, functional, layers
from numba_rnn.errors import ShapeError
from numba_rnn.layers.masks import set_mask
from numba_rnn.loaders import load_model

from .conftest import random_weights

B, T, D, H, P = 3, 5, 4, 6, 2


def written_out(x, weights, h, c, bias=True):
    """The equations of the docstring, step by step in float64."""
    W, U, *b, V = (w.astype(np.float64) for w in weights)
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + (b[0] if bias else 0), 4, -1)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = (o * np.tanh(c)) @ V
        outputs.append(h)
    return np.stack(outputs, 1), h, c


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_equations(rng, dtype, bias):
    layer = layers.RNN(
        layers.ProjectedLSTMCell(H, P, use_bias=bias, dtype=dtype),
        return_sequences=True,
        return_state=True,
        dtype=dtype,
    )
    x = rng.normal(size=(B, T, D)).astype(dtype)
    first = [rng.normal(size=(B, n)).astype(dtype) for n in (P, H)]
    layer(x)
    assert [w.shape for w in layer.weights] == [(D, 4 * H), (P, 4 * H), *[(4 * H,)] * bias, (H, P)]
    random_weights(layer, rng)
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    for given in (None, first):
        start = given or (np.zeros((B, P)), np.zeros((B, H)))
        for ours, theirs in zip(layer(x, given), written_out(x, layer.get_weights(), *start, bias), strict=True):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_other_activations_and_one_step(rng):
    cell = layers.ProjectedLSTMCell(H, P, activation="relu", recurrent_activation="hard_sigmoid")
    x = rng.normal(size=(B, D)).astype("float32")
    states = [rng.normal(size=(B, n)).astype("float32") for n in (P, H)]
    cell(x, states)
    random_weights(cell, rng)
    W, U, b, V = cell.get_weights()
    i, f, g, o = np.split(x @ W + states[0] @ U + b, 4, -1)
    i, f, o = (np.clip(a / 6 + 0.5, 0, 1) for a in (i, f, o))
    c = f * states[1] + i * np.maximum(g, 0)
    h = (o * np.maximum(c, 0)) @ V
    output, after = cell(x, states)
    for ours, theirs in zip([output, *after], [h, h, c], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_rows_do_not_depend_on_their_batch(rng):
    layer = layers.Bidirectional(layers.RNN(layers.ProjectedLSTMCell(H, P), return_sequences=True))
    x = rng.normal(size=(B, T, D)).astype("float32")
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
    layer(x)
    random_weights(layer, rng)
    y = layer(set_mask(x, mask))
    for row, steps in enumerate(mask.sum(1)):
        np.testing.assert_array_equal(np.asarray(y)[row, :steps], layer(x[row : row + 1, :steps])[0])


def test_new_weights_are_used(rng):
    cell = layers.ProjectedLSTMCell(H, P)
    x, states = np.ones((1, D), "float32"), [np.ones((1, n), "float32") for n in (P, H)]
    before = cell(x, states)[0]
    cell.projection_kernel.assign(2 * cell.projection_kernel.value)
    np.testing.assert_allclose(cell(x, states)[0], 2 * before, rtol=1e-6)


def test_file(rng, tmp_path):
    model = Sequential([layers.Input((None, D)), layers.RNN([layers.ProjectedLSTMCell(H, P), layers.GRUCell(3)])])
    random_weights(model, rng)
    model.save(tmp_path / "m.keras")
    x = rng.normal(size=(B, T, D)).astype("float32")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(x), model(x))
    assert (
        model.layers[0].describe_kernels()[0] == "ProjectedLSTMCell: stepped in Python (the kernels have no such cell)"
    )


def test_steps_and_chunks_give_the_same_bits(rng):
    layer = layers.RNN(layers.ProjectedLSTMCell(H, P), return_sequences=True, return_state=True)
    x = rng.normal(size=(B, T, D)).astype("float32")
    layer(x)
    random_weights(layer, rng)
    whole, *after = layer(x)
    first, *states = layer(x[:, :2])
    second, *last = layer(x[:, 2:], initial_state=states)
    np.testing.assert_array_equal(np.concatenate([first, second], 1), whole)
    for ours, theirs in zip(last, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_warmup_compiles_the_step(rng, monkeypatch):
    layer = layers.RNN(layers.ProjectedLSTMCell(H, P))
    layer.warmup()
    layer(rng.normal(size=(B, T, D)))
    warmed = []
    monkeypatch.setattr(functional.Cell, "warm", lambda cell: warmed.append((cell.D, cell.H)))
    layer.warmup()
    assert warmed == [(D + P, H)]


def test_refusals():
    for sizes in ((0, 2), (3, -1)):
        with pytest.raises(ValueError, match="positive integer"):
            layers.ProjectedLSTMCell(*sizes)
    cell = layers.ProjectedLSTMCell(H, P)
    cell.build((None, D))
    with pytest.raises(ValueError, match="no weights yet"):
        layers.ProjectedLSTMCell(H, P).call(np.zeros((B, D)), [np.zeros((B, P)), np.zeros((B, H))])
    with pytest.raises(ShapeError, match="one step at a time"):
        cell(np.zeros((B, T, D), "float32"), [])
