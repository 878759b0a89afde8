"""Recurrences and products over arrays that are on a GPU and stay there: what `functional` does with them.

Arrays come from the caller, of whatever library, and results go back to it; or from a call around this one, as `Strided`, and then
it gets such arrays. On the way nothing visits the host, and nothing waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import dispatch
from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError, check_shape
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda.strided import Strided

__all__ = ["Constants", "Strided", "linear", "scan", "step_mask"]


class Constants:
    """Arrays of weights, uploaded when they are first asked for; None stays None."""

    __slots__ = ("_arrays", "_uploaded")

    def __init__(self, *arrays: Array | None) -> None:
        self._arrays = arrays
        self._uploaded: tuple[Any, list[Any]] | None = None

    def __call__(self, place: Any) -> list[Any]:
        """Where this call computes, as `Strided`."""
        if self._uploaded is None or self._uploaded[0] is not place.backend:
            there = [None if a is None else place.backend.upload_weights(a) for a in self._arrays]
            self._uploaded = place.backend, there
        return [None if a is None else place.constant(a) for a in self._uploaded[1]]


def scan(cell: Any, x: Any, mask: Any, initial_state: Any, options: ScanOptions) -> tuple[Any, Any]:
    """`functional.scan` of an array on a GPU; mask and states may be there or on the host.

    Raises:
        ShapeError: x, mask or a state does not fit, or T is 0.
        DTypeError: x or a state on the GPU is of another dtype than the cell.
        DeviceError: another device was asked for, or the GPU cannot be used.
    """
    inside = isinstance(x, Strided)
    place = x.place if inside else dispatch.place(x)
    there: Strided = place.bring(x)
    recurrence = cell.recurrence
    _, prepared = cell.prepared("cuda")
    B, T = check_shape("x", there, "B T D", D=cell.D)["B"], there.shape[1]
    if T == 0:
        raise ShapeError(f"`x` has no time steps. Expected: (B, T, D) with T at least 1. Received: {there.shape}.")
    _check_dtype("x", there, recurrence.dtype)
    counts = None if mask is None else step_mask(place, mask, B, T)
    states = None if initial_state is None else _states(cell, place, initial_state, B)
    if not inside:
        place.makes_results = True
    y, last = place.scan(prepared, there, counts, states, options)
    return (y, last) if inside else (place.give(y), place.give(last))


def linear(layer: Any, x: Any, activation: str = "linear") -> Any:
    """`activation(x @ kernel + bias)` of a `functional.Linear` and an array on a GPU; the activation acts on each element.

    Raises:
        ShapeError: the last axis of x is not D.
        DTypeError: x is of another dtype than the kernel.
        DeviceError: another device was asked for, or the GPU cannot be used.
    """
    inside = isinstance(x, Strided)
    place = x.place if inside else dispatch.place(x)
    there: Strided = place.bring(x)
    D = layer.kernel.shape[0]
    if not there.shape or there.shape[-1] != D:
        raise ShapeError(f"`x` has the wrong shape. Expected: (..., {D}) = (..., D). Received: {there.shape}.")
    _check_dtype("x", there, layer.bias.dtype)
    ready = layer._prepared.get("cuda")
    if ready is None:
        ready = layer._prepared["cuda"] = place.backend, place.backend.prepare_linear(layer.kernel, layer.bias)
    if not inside:
        place.makes_results = True
    y = place.linear(ready[1], there, activation)
    return y if inside else place.give(y)


def step_mask(place: Any, mask: Any, B: int, T: int) -> Strided:
    """A mask (B, T) or (B, T, 1) of any numbers, there or on the host, as booleans (B, T) there.

    Raises:
        ShapeError: it has another shape.
    """
    mask = place.bring(mask if dispatch.on_gpu(mask) else np.asarray(mask).astype(np.bool_))
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask.at(2, 0)
    check_shape("mask", mask, "B T", "A mask has one entry a row and step.", B=B, T=T)
    made: Strided = place.packed(place.cast(mask, np.bool_))
    return made


def _states(cell: Any, place: Any, given: Any, B: int) -> list[Strided]:
    names = cell.recurrence.spec.states * (1 if cell.backward is None else 2)
    if not isinstance(given, (tuple, list)):
        whole = place.bring(given if dispatch.on_gpu(given) else np.asarray(given, cell.recurrence.dtype))
        given = (whole,) if whole.ndim == 2 else [whole.at(0, k) for k in range(whole.shape[0] if whole.ndim else 0)]
    if len(given) != len(names):
        count = "1 array" if len(names) == 1 else f"{len(names)} arrays"
        raise ShapeError(
            f"`initial_state` of {cell.recurrence.spec.name} must be {count} ({', '.join(names)}), each ({B}, {cell.H}). "
            f"Received: {len(given)}."
        )
    states = []
    for name, one in zip(names, given, strict=True):
        state = place.bring(one if dispatch.on_gpu(one) else np.asarray(one, cell.recurrence.dtype))
        check_shape(f"initial_state {name}", state, "B H", "States have one row a sequence.", B=B, H=cell.H)
        _check_dtype(f"initial_state {name}", state, cell.recurrence.dtype)
        states.append(state)
    return states


def _check_dtype(name: str, x: Strided, dtype: Any) -> None:
    if x.dtype != dtype:
        raise DTypeError(
            f"`{name}` on the GPU has the wrong dtype. Expected: {dtype}. Received: {x.dtype}. Convert it there, as with "
            f"`x.to(torch.{dtype})` or `x.astype('{dtype}')`."
        )
