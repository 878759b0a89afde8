"""Weights as older layers kept them, made those of a layer today: known by their number and shapes, before any is read.

Keras 1 kept a kernel, a recurrent kernel and a bias for each gate. The cuDNN layers of Keras 2 kept each gate's matrices the other
way round and two biases in one.

Source: tf-keras 2.21, `saving/legacy/hdf5_format.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import h5py
import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers.base import Layer
from numba_rnn.layers.bidirectional import Bidirectional
from numba_rnn.layers.recurrent import GRU, LSTM
from numba_rnn.layers.time_distributed import TimeDistributed
from numba_rnn.loaders.gates import KERAS, KERAS_1, reorder
from numba_rnn.loaders.weights import Piece, fitting
from numba_rnn.models import Functional, Sequential
from numba_rnn.ops.activations import hard_sigmoid

__all__ = ["old_pieces", "warn_of_hard_sigmoid"]

Convert = Callable[[list[Array]], list[Array]]


def old_pieces(layer: Layer, where: str, stored: list[h5py.Dataset], skip_mismatch: bool = False) -> list[Piece]:
    """Which datasets become which weights of a layer, and how.

    Args:
        layer: built.
        where: the datasets' group, for messages.
        stored: the layer's datasets in the file's order: trainable weights, then others.
        skip_mismatch: parts that do not fit keep their own weights, with a warning each.

    Raises:
        ModelFileError: another number of weights or other shapes, unless `skip_mismatch`.
    """
    inside = _inside(layer)
    per_gate = bool(inside) and len(stored) == sum(_counts(layer, True)) != sum(_counts(layer, False))
    if inside and len(stored) == sum(_counts(layer, per_gate)):
        ahead = sum(_counts(part, per_gate)[0] for part in inside)
        first, rest = iter(stored[:ahead]), iter(stored[ahead:])
        pieces = []
        for part in inside:
            trained, other = _counts(part, per_gate)
            own = [next(first) for _ in range(trained)] + [next(rest) for _ in range(other)]
            pieces += old_pieces(part, where, own, skip_mismatch)
        return pieces
    weights = layer.trainable_weights + layer.non_trainable_weights
    shapes = [d.shape for d in stored]
    if isinstance(layer, (LSTM, GRU)) and weights:
        for wanted, convert in _kinds(layer, [w.shape for w in weights]):
            if shapes == wanted:
                return [Piece(weights, stored, convert)]
    return fitting(layer.name, where, weights, stored, skip_mismatch, _hint(layer, shapes))


def _inside(layer: Layer) -> list[Layer]:
    """The layers whose weights a layer's are, one after another."""
    if isinstance(layer, Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    if isinstance(layer, TimeDistributed):
        return [layer.layer]
    if isinstance(layer, (Functional, Sequential)):
        return [part for part in layer.layers if part.weights]
    return []


def _counts(layer: Layer, per_gate: bool) -> tuple[int, int]:
    """How many arrays a layer's trainable weights and its others are in a file; with `per_gate` in one of Keras 1."""
    if inside := _inside(layer):
        counts = [_counts(part, per_gate) for part in inside]
        return sum(n for n, _ in counts), sum(n for _, n in counts)
    trained, other = len(layer.trainable_weights), len(layer.non_trainable_weights)
    if per_gate and isinstance(layer, (LSTM, GRU)):
        gates = len(layer.cell.spec.gates)
        return trained * gates, other * gates
    return trained, other


def _kinds(layer: Any, shapes: list[tuple[int, ...]]) -> list[tuple[list[tuple[int, ...]], Convert]]:
    """The shapes that a recurrent layer's weights had elsewhere, and what makes its own of them."""
    units, G = layer.units, len(layer.cell.spec.gates)
    if len(shapes) < 3:
        return []  # neither kind could be without biases
    found: list[tuple[list[tuple[int, ...]], Convert]] = []
    kernel, recurrent = shapes[:2]
    if isinstance(layer, LSTM) or layer.reset_after:
        found.append(([kernel, recurrent, (2 * G * units,)], partial(_from_cudnn, G, shapes[2])))
    if isinstance(layer, LSTM) or not layer.reset_after:
        one = [(kernel[0], units), (units, units), (units,)]
        found.append((one * G, partial(_from_gates, "lstm" if isinstance(layer, LSTM) else "gru")))
    return found


def _from_cudnn(G: int, bias_shape: tuple[int, ...], arrays: list[Array]) -> list[Array]:
    kernel, recurrent, bias = arrays
    blocks = [block.reshape(-1).reshape(block.shape, order="F") for block in np.split(kernel, G, -1)]
    turned = [block.T for block in np.split(recurrent, G, -1)]
    both = bias.reshape(2, -1)
    return [np.concatenate(blocks, -1), np.concatenate(turned, -1), both if len(bias_shape) == 2 else both[0] + both[1]]


def _from_gates(name: str, arrays: list[Array]) -> list[Array]:
    return [reorder(np.concatenate(arrays[n::3], -1), KERAS_1[name], KERAS[name]) for n in range(3)]


def _hint(layer: Layer, shapes: list[tuple[int, ...]]) -> str:
    if isinstance(layer, GRU) and not layer.reset_after and shapes[2:] == [(6 * layer.units,)]:
        return "They are those of a CuDNNGRU: make the layer with `reset_after=True`."
    return "Is it the file of another model, or was it cut short?"


def warn_of_hard_sigmoid(model: Layer) -> None:
    """Say so where a model of one's own computes `hard_sigmoid` otherwise than the Keras that trained the weights."""
    names = [
        layer.name
        for layer in _all(model)
        if any(getattr(layer, key, None) is hard_sigmoid for key in ("activation", "recurrent_activation"))
    ]
    if names:
        warnings.warn(
            f"The weights are of Keras 2, whose `hard_sigmoid` was clip(0.2 x + 0.5, 0, 1). Layers {', '.join(names)} have that of "
            "Keras 3, clip(x / 6 + 0.5, 0, 1): make them with 'keras2_hard_sigmoid' to get the outputs of Keras 2.",
            stacklevel=2,
        )


def _all(layer: Layer) -> list[Layer]:
    return [one for part in layer.sublayers() for one in [part, *_all(part)] if not hasattr(part, "spec")]
