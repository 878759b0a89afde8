"""Layers over arrays on a GPU that merge, move and fold them; see `layers.resident`."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from numba_rnn.layers.pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from numba_rnn.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from numba_rnn.layers.resident import either, runs, unable
from numba_rnn.resident import Strided

__all__: list[str] = []


def _alike(inputs: list[Strided]) -> list[Strided]:
    """Of one rank, by axes after the batch, and of one dtype."""
    depth, dtype = max(x.ndim for x in inputs), np.result_type(*(x.dtype for x in inputs))
    made = []
    for x in inputs:
        y = x.place.cast(x, dtype)
        y = y if y.ndim == depth else y.reshape(y.shape[0], *(1,) * (depth - y.ndim), *y.shape[1:])
        made.append(y.masked(x.mask if x.ndim == depth else None))
    return made


def _masked(y: Strided, inputs: list[Strided]) -> Strided:
    masks = [x.mask for x in inputs if x.mask is not None]
    return y.masked(either(masks)) if len(masks) == len(inputs) else y


def _joined(operation: str, inputs: list[Strided]) -> Strided:
    return reduce(lambda a, b: a.place.map(operation, a, b), inputs)


@runs(Add)
def _add(layer: Any, inputs: list[Strided]) -> Strided:
    return _masked(_joined("add", _alike(inputs)), inputs)


@runs(Subtract)
def _subtract(layer: Any, inputs: list[Strided]) -> Strided:
    return _masked(_joined("subtract", _alike(inputs)), inputs)


@runs(Average)
def _average(layer: Any, inputs: list[Strided]) -> Strided:
    total = _joined("add", _alike(inputs))
    if total.dtype.kind != "f":
        total = total.place.cast(total, layer.dtype)
    return _masked(total.place.map("divided", total, numbers=(len(inputs),)), inputs)


@runs(Multiply)
def _multiply(layer: Any, inputs: list[Strided]) -> Strided:
    arrays = _alike(inputs)
    kept = [x if x.mask is None else x.place.map("select_or", x.mask.expanded(-1), x, numbers=(1,)) for x in arrays]
    y = _masked(_joined("multiply", kept), inputs)
    if any(x.mask is None for x in arrays):
        return y
    counts = either([x.mask for x in arrays if x.mask is not None])
    return y.place.map("select_or", counts.expanded(-1), y).masked(y.mask)


@runs(Maximum, Minimum)
def _extreme(layer: Any, inputs: list[Strided]) -> Strided:
    """Of the steps that count; where one is masked, the other."""
    operation = "maximum" if isinstance(layer, Maximum) else "minimum"
    first, *others = _alike(inputs)
    place, y, mask = first.place, first, first.mask
    for x in others:
        other = x if x.mask is None else place.map("select", x.mask.expanded(-1), x, y)
        y = place.map(operation, y if mask is None else place.map("select", mask.expanded(-1), y, other), other)
        mask = None if mask is None or x.mask is None else either([mask, x.mask])
    return _masked(y.masked(None), inputs)


@runs(Concatenate)
def _concatenate(layer: Any, inputs: list[Strided]) -> Strided:
    y: Strided = inputs[0].place.join(inputs, layer.axis)
    masks = [x.mask for x in inputs]
    if all(m is None for m in masks):
        return y
    axis = layer.axis % y.ndim
    if any(m is not None and m.ndim != y.ndim - 1 for m in masks) or not all(x.shape[-1] for x in inputs):
        raise unable(layer, "its masks have other axes than its inputs without the last")
    place, made = y.place, y.place.makes_results
    place.makes_results = False
    wide = [_ones(x) if x.mask is None else x.mask for x in inputs]
    mask = either(wide) if axis == y.ndim - 1 else place.join(wide, axis)
    place.makes_results = made
    return y.masked(mask)


def _ones(x: Strided) -> Strided:
    """A mask of an input that has none: every step counts."""
    zeros = x.place.zeros(x.shape[:-1], np.bool_)
    ones: Strided = x.place.map("different", zeros, dtype=np.bool_, numbers=(1,))
    return ones


@runs(Flatten)
def _flatten(layer: Any, x: Strided) -> Strided:
    if layer.data_format == "channels_first" and x.ndim > 1:
        x = x.transpose((0, *range(2, x.ndim), 1))
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@runs(Reshape)
def _reshape(layer: Any, x: Strided) -> Strided:
    sizes, size = list(layer.target_shape), math.prod(x.shape[1:])
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = size // known
    if math.prod(sizes) != size or any(n < 0 for n in sizes):
        raise ShapeError(
            f"Layer '{layer.name}': the total size of the tensor must be unchanged. Received: input_shape={x.shape}, "
            f"target_shape={layer.target_shape}"
        )
    return x.reshape(x.shape[0], *sizes)


@runs(Permute)
def _permute(layer: Any, x: Strided) -> Strided:
    return x.transpose((0, *layer.dims))


@runs(RepeatVector)
def _repeat_vector(layer: Any, x: Strided) -> Strided:
    return x.expanded(1).spread((x.shape[0], max(layer.n, 0), x.shape[1]))


@runs(GlobalMaxPooling1D)
def _max_pooling(layer: Any, x: Strided) -> Strided:
    y: Strided = x.place.fold("max", x, layer._axis)
    return y.expanded(layer._axis) if layer.keepdims else y


@runs(GlobalAveragePooling1D)
def _average_pooling(layer: Any, x: Strided) -> Strided:
    place, axis, mask = x.place, layer._axis, x.mask
    x = x if x.dtype.kind == "f" else place.cast(x, layer.dtype)
    if mask is None:
        y = place.map("divided", place.fold("sum", x, axis), numbers=(x.shape[axis],))
    else:
        if mask.shape != (x.shape[0], x.shape[axis]):
            raise ShapeError(
                f"Layer '{layer.name}': the mask has one entry a row and step. Expected: {(x.shape[0], x.shape[axis])}. "
                f"Received: {mask.shape}."
            )
        total = place.fold("sum", place.map("select_or", mask.expanded(3 - axis), x), axis)
        y = place.map("divide", total, place.fold("sum", place.cast(mask, x.dtype), 1).expanded(1))
    return y.expanded(axis) if layer.keepdims else y
