"""The time loop over a step written in Python: cells of one's own, and dropout that differs from gate to gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.functional import ScanOptions
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["step_through"]


def step_through(
    step: Callable[[Array, Any], tuple[Any, Any]],
    sequences: Array,
    states: list[Any],
    mask: Array | None,
    options: ScanOptions,
    dtype: np.dtype[Any],
) -> tuple[Array, list[Any]]:
    """Run `step(inputs, states) -> (output, new states)` over sequences (B, T, ...).

    Where the mask (B, T) is false, a row keeps all its states and repeats its last output, zeros before the first one. Returns the
    outputs (B, T, ...) in processing order or the last (B, ...), and the last states. Source: Keras' generic loop on TensorFlow.

    Raises:
        ShapeError: a step returns states that do not go with those that it was given.
    """
    steps = range(sequences.shape[1])
    outputs: list[Array] = []
    last: Any = None
    for t in reversed(steps) if options.go_backwards else steps:
        output, new = step(sequences[:, t], states)
        output = np.asarray(output, dtype)
        new = list(new) if isinstance(new, (list, tuple)) else [new]
        _check(states, new)
        if mask is not None:
            m = mask[:, t]
            repeated = np.zeros_like(output) if last is None or options.zero_output_for_mask else last
            output = _where(m, output, repeated)
            new = [map_structure(lambda a, b, m=m: _where(m, a, b), n, s) for n, s in zip(new, states, strict=True)]
        last, states = output, new
        if options.return_sequences:
            outputs.append(output)
    y = np.stack(outputs, 1) if options.return_sequences else last
    return y, map_structure(lambda s: np.asarray(s, dtype), states)


def _where(mask: Array, new: Any, old: Any) -> Array:
    new = np.asarray(new)
    return np.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def _check(old: list[Any], new: list[Any]) -> None:
    before, after = [[np.shape(leaf) for leaf in flatten(s)] for s in (old, new)]
    if before != after:
        raise ShapeError(
            f"A cell must return as many states as it was given, of the same shapes. Expected: {before}. Received: {after}."
        )
