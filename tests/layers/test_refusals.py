"""What layers refuse: before any work, in words that say what was expected, what was received and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, layers
from numba_rnn.errors import DTypeError, ShapeError

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


CONSTRUCTORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "units numpy": (lambda: layers.LSTM(np.int64(3)), ValueError, r"expected a positive integer, got np.int64\(3\)"),
    "units text": (lambda: layers.GRU("3"), TypeError, "expected a positive integer, got '3'"),
    "dense text": (lambda: layers.Dense("3"), ValueError, "Received: units='3'"),
    "dropout": (lambda: layers.LSTM(3, dropout="x"), ValueError, "`dropout` must be a number from 0 to 1"),
    "dtype": (lambda: layers.LSTM(3, dtype=3), DTypeError, "one of float32, float64. Received: dtype='3'"),
    "input dtype": (lambda: Input((3,), dtype="nope"), DTypeError, "Received: dtype='nope'"),
    "input complex": (lambda: Input((3,), dtype="complex64"), DTypeError, "Inputs are real numbers"),
    "mask value": (lambda: layers.Masking("x"), ValueError, "`mask_value` must be a number"),
    "target": (lambda: layers.Reshape(5), ValueError, "`target_shape` must be a tuple of whole numbers"),
    "target half": (lambda: layers.Reshape((2.5,)), ValueError, "`target_shape` must be a tuple of whole numbers"),
    "dims": (lambda: layers.Permute("x"), ValueError, "`dims` must be a tuple of whole numbers"),
    "axis": (lambda: layers.Concatenate("x"), ValueError, "`axis` must be a whole number"),
    "no cells": (lambda: layers.RNN([]), ValueError, "a list of at least one cell"),
    "one cell": (lambda: layers.StackedRNNCells(layers.GRUCell(3)), ValueError, "a list of at least one cell"),
    "merging units": (
        lambda: layers.Bidirectional(layers.GRU(3), "sum", backward_layer=layers.GRU(4, go_backwards=True)),
        ValueError,
        "as many units in both layers. Received: 3 forward, 4 backward",
    ),
    "features": (lambda: layers.LSTM(3)(Input((5, None))), ShapeError, r"\(None, 12\) depends on a size .* None. Give"),
}


@pytest.mark.parametrize("kind", CONSTRUCTORS)
def test_arguments(kind: str) -> None:
    make, error, words = CONSTRUCTORS[kind]
    with pytest.raises(error, match=words):
        make()


def test_an_initializer_of_another_shape() -> None:
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype: np.zeros(3))
    with pytest.raises(ShapeError, match=r"made the wrong shape. Expected: \(3, 2\). Received: \(3,\)"):
        layer(X)


SINGLE = {
    "LSTM": layers.LSTM(4),
    "Bidirectional": layers.Bidirectional(layers.GRU(2)),
    "Dense": layers.Dense(2),
    "TimeDistributed": layers.TimeDistributed(layers.Dense(2)),
    "LayerNormalization": layers.LayerNormalization(),
    "Permute": layers.Permute((2, 1)),
    "Reshape": layers.Reshape((3, 5)),
}


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("built", [False, True])
def test_one_array_is_one_array(kind: str, built: bool) -> None:
    layer = SINGLE[kind].clone(name=None)
    if built:
        layer(X)
    for given, received in (
        ([X], "1 input tensors in a list"),
        ((X, X), "2 input tensors in a tuple"),
        ({"x": X}, "1 .* dict"),
    ):
        with pytest.raises(ValueError, match=rf"expects 1 input\(s\), but it received {received}"):
            layer(given)
    with pytest.raises(ValueError, match=r"Inputs to a layer should be tensors. Got 'None'"):
        layer(None)
    assert layer.built == (built or layer.built_at_init)


def test_lists_and_other_kinds_of_numbers() -> None:
    layer = layers.GRU(4)
    with pytest.raises(ValueError, match=r"Only input tensors may be passed .* `np.asarray`"):
        layer(X.tolist())
    for bad in (X.astype(complex), X.astype(object), X.astype(str)):
        with pytest.raises(DTypeError, match=r"takes real numbers and booleans. Received: an array of dtype"):
            layer(bad)
    with pytest.raises(ShapeError, match=r"one row alone is `x\[None\]`"):
        layer(X[0])
    with pytest.raises(ValueError, match=r"`mask` of layer .* must be an array \(B, T\).* Received: list"):
        layer(X, mask=[[True] * 5] * 2)


def test_states_of_both_directions() -> None:
    layer = layers.Bidirectional(layers.LSTM(4))
    state = np.zeros((2, 4), "float32")
    for states, received in (([state] * 2, "2"), ([state] * 3, "3"), (np.zeros((4, 2, 4)), "ndarray")):
        with pytest.raises(ShapeError, match=f"must be a list of 4 arrays .* Received: {received}"):
            layer(X, initial_state=states)
    assert layer(X, initial_state=[state] * 4).shape == (2, 8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30, 5.0])
def test_indices_that_are_none(bad: float) -> None:
    with pytest.raises(IndexError, match=r"rows for the indices 0 to 4 \(input_dim=5\). Received: indices from"):
        layers.Embedding(5, 3)(np.array([[bad]]))


@pytest.mark.parametrize("layer", [layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D])
def test_no_steps_to_fold(layer: Any) -> None:
    with pytest.raises(ShapeError, match=r"no steps to fold.* Received: \(2, 0, 3\)"):
        layer()(X[:, :0])


def test_merging_needs_arrays() -> None:
    for given, received in ((X, "ndarray"), ([X, None], "list with None in it"), (None, "NoneType")):
        with pytest.raises(ValueError, match=f"called on a list of inputs, each an array. Received: {received}"):
            layers.Add()(given)


WEIGHTS: dict[str, tuple[Any, type[Exception], str]] = {
    "none": (None, ValueError, "takes a list of 3 arrays, as `get_weights` returns. Received: NoneType"),
    "text": ("abc", ValueError, "Received: str"),
    "few": ([np.zeros((3, 16))], ValueError, "weight list of length 1, but the layer was expecting 3"),
    "last shape": ([np.ones((3, 16)), np.ones((4, 16)), np.ones(3)], ShapeError, "provided weight shape"),
    "last none": ([np.ones((3, 16)), np.ones((4, 16)), None], DTypeError, "real numbers. Received: .* object"),
    "last text": ([np.ones((3, 16)), np.ones((4, 16)), np.full(16, "a")], DTypeError, "Received: .* <U1"),
    "last objects": ([np.ones((3, 16)), np.ones((4, 16)), np.full(16, None)], DTypeError, "Received: .* object"),
    "last complex": ([np.ones((3, 16)), np.ones((4, 16)), np.ones(16, complex)], DTypeError, "Received: .* complex"),
    "last ragged": ([np.ones((3, 16)), np.ones((4, 16)), [[1], [1, 2]]], ShapeError, "lists of different lengths"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_change_all_or_none(kind: str) -> None:
    weights, error, words = WEIGHTS[kind]
    layer = layers.LSTM(4)
    layer(X)
    before = layer.get_weights()
    with pytest.raises(error, match=words):
        layer.set_weights(weights)
    for was, now in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(now, was)
