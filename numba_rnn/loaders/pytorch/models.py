"""Layers and models of this library for what a recurrent module of PyTorch's is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from numba_rnn import layers, ops
from numba_rnn._typing import Array
from numba_rnn.loaders.gates import KERAS, PYTORCH, reorder
from numba_rnn.loaders.pytorch.names import Structure, part_name
from numba_rnn.models import Model, Sequential

__all__ = ["make_cell", "make_model", "weights_in_order"]

LAYERS: dict[str, Any] = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
CELLS: dict[str, Any] = {"simple_rnn": layers.SimpleRNNCell, "lstm": layers.LSTMCell, "gru": layers.GRUCell}


def weights_in_order(tensors: Mapping[str, Array], s: Structure) -> list[Array]:
    """The tensors as the layers' `set_weights` takes them: layer by layer, forwards before backwards."""
    made: list[Array] = []
    for k in [None] if s.layers is None else range(s.layers):
        for d in range(s.directions):
            made += _weights(lambda part, k=k, d=d: tensors[part_name(part, k, d)], s)
    return made


def _weights(tensor: Any, s: Structure) -> list[Array]:
    """kernel (D, G*H), recurrent_kernel (H, G*H), bias (G*H,) or GRU's (2, G*H), projection_kernel (H, P)."""

    def ours(array: Array) -> Array:
        return reorder(array, PYTORCH[s.kind], KERAS[s.kind])

    made = [ours(tensor("weight_ih").T), ours(tensor("weight_hh").T)]
    if s.use_bias:
        biases = [ours(tensor("bias_ih")), ours(tensor("bias_hh"))]
        # Only the GRU's recurrent bias is multiplied by a gate; the others' biases add up.
        made.append(np.stack(biases) if s.kind == "gru" else biases[0] + biases[1])
    return made if s.P is None else [*made, tensor("weight_hr").T]


def make_cell(s: Structure, options: dict[str, Any]) -> Any:
    """The cell, built."""
    cell = CELLS[s.kind](s.H, use_bias=s.use_bias, **options)
    cell.build((None, s.D))
    return cell


def make_model(
    s: Structure,
    options: dict[str, Any],
    dropout: float,
    *,
    return_sequences: bool,
    return_state: bool,
    initial_state: bool,
    name: str | None,
) -> Any:
    """The model, built: a `Sequential`, or with states to take or to give a functional one.

    Args:
        s: what is to be made.
        options: the cell's activation and the dtype.
        dropout: between layers, while training.
        return_sequences, return_state, initial_state, name: as of `from_torch`.
    """
    assert s.layers is not None
    names = [f"{s.kind}_l{k}" for k in range(s.layers)]
    stack = [_layer(s, options, name, return_sequences or name != names[-1], return_state) for name in names]
    between = [layers.Dropout(dropout, name=f"dropout_l{k}", dtype=options["dtype"]) for k in range(s.layers - 1)]
    x = layers.Input((None, s.D), dtype=options["dtype"], name="x")
    if not return_state and not initial_state:
        pairs = zip(between, stack[1:], strict=True) if dropout else zip(stack[1:])
        return Sequential([x, stack[0], *itertools.chain.from_iterable(pairs)], name=name, dtype=options["dtype"])
    given = _states_in(s, options["dtype"]) if initial_state else []
    last: list[Any] = []  # of each layer and direction in turn: h, or h and c
    y: Any = x
    for k, layer in enumerate(stack):
        if k and dropout:
            y = between[k - 1](y)
        rows = range(k * s.directions, (k + 1) * s.directions)
        y = layer(y, initial_state=[state[:, row] for row in rows for state in given]) if given else layer(y)
        if return_state:
            y, *states = y
            last += states
    S = 2 if s.kind == "lstm" else 1
    outputs = [y, *(ops.stack(last[n::S], axis=1) for n in range(S))] if return_state else y
    return Model([x, *given] if given else x, outputs, name=name, dtype=options["dtype"])


def _layer(s: Structure, options: dict[str, Any], name: str, return_sequences: bool, return_state: bool) -> Any:
    # Steps that a mask leaves out give zeros, as PyTorch's `pad_packed_sequence` has them; alone, the last step that counts.
    flags = {**options, "return_sequences": return_sequences, "zero_output_for_mask": return_sequences}
    flags.update(return_state=return_state, name=name)
    if s.P is None:
        layer = LAYERS[s.kind](s.H, use_bias=s.use_bias, **flags)
    else:
        layer = layers.RNN(
            layers.ProjectedLSTMCell(s.H, s.P, use_bias=s.use_bias, name="lstm_cell", **options), **flags
        )
    return layers.Bidirectional(layer, name=name, dtype=options["dtype"]) if s.directions == 2 else layer


def _states_in(s: Structure, dtype: str) -> list[Any]:
    assert s.layers is not None
    n = s.layers * s.directions
    h = layers.Input((n, s.output_size), dtype=dtype, name="h_0")
    return [h, layers.Input((n, s.H), dtype=dtype, name="c_0")] if s.kind == "lstm" else [h]
