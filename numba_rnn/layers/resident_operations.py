"""Operations between layers of a graph over arrays on a GPU: arithmetic, activations, slices; see `layers.resident`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from numba_rnn.layers.resident import OPERATIONS, unable
from numba_rnn.ops.activations import ELEMENTWISE
from numba_rnn.ops.base import OPS
from numba_rnn.ops.naming import snake_case
from numba_rnn.ops.tree import flatten
from numba_rnn.resident import Strided

__all__: list[str] = []

ARITHMETIC = {
    "Add": "add", "Divide": "divide", "Maximum": "maximum", "Minimum": "minimum", "Multiply": "multiply", "Subtract": "subtract",
    "TrueDivide": "divide",
}  # fmt: skip


def _runs(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[name] = function
        return function

    return decorator


def _floats(op: Any, *arrays: Any) -> None:
    """Floating point numbers of one dtype need no promotion."""
    if len({x.dtype for x in arrays}) > 1 or arrays[0].dtype.kind != "f":
        raise unable(
            op, f"its inputs must be floating point numbers of one dtype. Received: {[str(x.dtype) for x in arrays]}"
        )


def _arithmetic(operation: str, op: Any, a: Any, b: Any) -> Strided:
    there = [x for x in (a, b) if isinstance(x, Strided)]
    _floats(op, *there)
    place, dtype = there[0].place, there[0].dtype
    for x in (a, b):
        if not isinstance(x, (Strided, int, float)):
            raise unable(op, f"it takes arrays and plain numbers. Received: {type(x).__name__}")
    a, b = (x if isinstance(x, Strided) else place.number(x, dtype) for x in (a, b))
    y: Strided = place.map(operation, a, b)
    return y


OPERATIONS.update({name: partial(_arithmetic, operation) for name, operation in ARITHMETIC.items()})


@_runs("Negative")
def _negative(op: Any, x: Strided) -> Strided:
    _floats(op, x)
    return x.place.map("scaled", x, numbers=(-1,))


def _activation(name: str, op: Any, x: Strided) -> Strided:
    _floats(op, x)
    known = {p.name: p.default for p in op.kind.options}
    if op.options != known:
        raise unable(op, f"its options are {op.options}, and the GPU has it with {known} alone")
    return x.place.map(name, x)


# `Gelu` as an operation is another form than the activation of that name.
OPERATIONS.update({n: partial(_activation, snake_case(n)) for n in OPS if snake_case(n) in ELEMENTWISE and n != "Gelu"})


@_runs("Softmax")
def _softmax(op: Any, x: Strided) -> Strided:
    _floats(op, x)
    if op.options["axis"] not in (-1, x.ndim - 1):
        raise unable(op, f"its axis is {op.options['axis']}, and the GPU's softmax goes along the last one")
    return x.place.softmax(x)


@_runs("Concatenate")
def _concatenate(op: Any, arrays: Any) -> Strided:
    _floats(op, *arrays)
    y: Strided = arrays[0].place.join(list(arrays), op.options["axis"])
    return y


@_runs("GetItem")
def _get_item(op: Any, x: Strided, key: Any) -> Strided:
    """Whole numbers, slices, new axes and an ellipsis: other views of the same memory."""
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    if any(not (k is None or k is Ellipsis or type(k) is int or isinstance(k, slice)) for k in keys):
        raise unable(op, "the GPU takes slices and places, not arrays of them")
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    where = keys.index(Ellipsis)
    keys[where : where + 1] = [slice(None)] * (x.ndim - used)
    axis = 0
    for k in keys:
        if k is None:
            x, axis = x.expanded(axis), axis + 1
        elif isinstance(k, slice):
            x, axis = x.sliced(axis, k), axis + 1
        else:
            x = x.at(axis, range(x.shape[axis])[k])
    return x


@_runs("Reshape")
def _reshape(op: Any, x: Strided) -> Strided:
    sizes = flatten(op.options["newshape"])
    known = -math.prod(sizes)
    return x.reshape(*(x.size // known if n == -1 and known else n for n in sizes))


@_runs("Transpose")
def _transpose(op: Any, x: Strided) -> Strided:
    return x.transpose(tuple(a % x.ndim for a in op.options["axes"] or range(x.ndim)[::-1]))


@_runs("ExpandDims")
def _expand_dims(op: Any, x: Strided) -> Strided:
    for axis in flatten(op.options["axis"]):
        x = x.expanded(axis)
    return x


def _fold(name: str, op: Any, x: Strided) -> Strided:
    _floats(op, x)
    axes = flatten(op.options["axis"])
    if len(axes) != 1 or axes[0] is None or op.options.get("initial") is not None:
        raise unable(op, "the GPU folds one axis at a time")
    y: Strided = x.place.fold("max" if name == "max" else "sum", x, axes[0])
    if name == "mean":
        y = y.place.map("divided", y, numbers=(x.shape[axes[0]],))
    return y.expanded(axes[0] % x.ndim) if op.options["keepdims"] else y


OPERATIONS.update({"Max": partial(_fold, "max"), "Mean": partial(_fold, "mean"), "Sum": partial(_fold, "sum")})
