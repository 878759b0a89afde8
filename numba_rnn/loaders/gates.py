"""The one conversion between orders of gates: Keras', PyTorch's, ONNX's and Keras 1's blocks are tuples of the same names."""

from __future__ import annotations

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import GRU, LSTM, SIMPLE_RNN
from numba_rnn.errors import ShapeError

__all__ = ["KERAS", "KERAS_1", "ONNX", "PYTORCH", "reorder"]

# Cells under the names that `CELLS` gives them. c is the LSTM's candidate (PyTorch's g), h the GRU's (PyTorch's n).
KERAS = {spec.name: spec.gates for spec in (SIMPLE_RNN, LSTM, GRU)}
KERAS_1 = {"lstm": ("i", "c", "f", "o"), "gru": ("z", "r", "h")}
PYTORCH = {"simple_rnn": ("h",), "lstm": ("i", "f", "c", "o"), "gru": ("r", "z", "h")}
ONNX = {"simple_rnn": ("h",), "lstm": ("i", "o", "f", "c"), "gru": ("z", "r", "h")}


def reorder(array: Array, given: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """The blocks of the last axis, one a gate, from one order into another.

    Args:
        array: (..., G*H), a kernel (D, G*H), a recurrent kernel (H, G*H) or a bias (G*H,); transpose PyTorch's and ONNX's first.
        given: the order that it has, G names.
        wanted: the order that it gets, the same names.

    Returns:
        (..., G*H); the array itself where the orders are the same.

    Raises:
        ShapeError: the last axis is no multiple of G.
        ValueError: the orders have not the same names.
    """
    if sorted(given) != sorted(wanted):
        raise ValueError(f"Both orders need the same gates. Received: {given} and {wanted}.")
    G = len(given)
    if array.shape[-1] % G:
        raise ShapeError(
            f"The last axis holds {G} gates ({', '.join(given)}). Expected: a multiple of {G}. Received: {array.shape}."
        )
    if given == wanted:
        return array
    blocks = dict(zip(given, np.split(array, G, axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in wanted], axis=-1)
