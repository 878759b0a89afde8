"""Products and norms. They stay out of BLAS, whose threads fight with the kernels' (see `functional.linear`)."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import epsilon as default_epsilon
from numba_rnn.ops.base import NN, op
from numba_rnn.ops.dtypes import common, convert, floats
from numba_rnn.ops.tree import as_tuple

__all__ = ["dot", "einsum", "inner", "matmul", "norm", "normalize", "outer", "tensordot", "vdot"]


def _einsum_of(subscripts: str, *operands: Array) -> Any:
    return np.einsum(subscripts, *operands, optimize=False)  # optimised, it would call BLAS


@op("Matmul", tensors=2)
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product over the last two axes."""
    x1, x2 = convert(x1), convert(x2)
    x1, x2 = common(x1, x2, also=(np.int32,)) if x1.dtype == x2.dtype == np.int8 else common(x1, x2)
    first, second = ("j" if x1.ndim == 1 else "...ij"), ("j" if x2.ndim == 1 else "...jk")
    kept = ("i" if x1.ndim > 1 else "") + ("k" if x2.ndim > 1 else "")
    return _einsum_of(f"{first},{second}->...{kept}", x1, x2)


@op("Dot", tensors=2)
def dot(x1: Any, x2: Any) -> Any:
    """The sums of products over x1's last axis and x2's last but one, or x2's only one."""
    x1, x2 = common(x1, x2)
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    return _contract(x1, x2, [x1.ndim - 1], [max(x2.ndim - 2, 0)])


@op("Tensordot", tensors=2)
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sums of products over axes of both: so many of x1's last and x2's first, or a pair of lists."""
    x1, x2 = common(x1, x2)
    if isinstance(axes, int):
        return _contract(x1, x2, list(range(x1.ndim - axes, x1.ndim)), list(range(axes)))
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    return _contract(x1, x2, [a % x1.ndim for a in first], [a % x2.ndim for a in second])


def _contract(x1: Array, x2: Array, first: list[int], second: list[int]) -> Any:
    letters = list(string.ascii_letters[: x1.ndim + x2.ndim])
    left, right = letters[: x1.ndim], letters[x1.ndim :]
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    kept = [a for i, a in enumerate(left) if i not in first] + [b for j, b in enumerate(right) if j not in second]
    return _einsum_of(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x1, x2)


@op("Inner", tensors=2)
def inner(x1: Any, x2: Any) -> Any:
    """The sums of products over the last axes."""
    x1, x2 = common(x1, x2)
    return _contract(x1, x2, [x1.ndim - 1], [x2.ndim - 1]) if x1.ndim and x2.ndim else x1 * x2


@op("Vdot", tensors=2)
def vdot(x1: Any, x2: Any) -> Any:
    """The sum of the products of all elements."""
    x1, x2 = common(x1, x2)
    return _einsum_of("i,i->", x1.ravel(), x2.ravel())


@op("Outer", tensors=2)
def outer(x1: Any, x2: Any) -> Any:
    """All products of an element of one with an element of the other, (N, M)."""
    x1, x2 = common(x1, x2)
    return x1.reshape(-1, 1) * x2.reshape(-1)


@op("Einsum")
def _einsum(*operands: Any, subscripts: str) -> Any:
    return _einsum_of(subscripts, *common(*operands))


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """The sum of products that Einstein's notation describes; `kwargs` are taken for Keras' sake."""
    return _einsum(*operands, subscripts=subscripts)


@op("Norm", "keras.src.ops.linalg")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two), as `numpy.linalg.norm` has it."""
    (x,) = floats(x)
    if ord is None and axis is None:
        y = np.sqrt(np.sum(x * x))
        return y.reshape((1,) * x.ndim) if keepdims else y
    return np.linalg.norm(x, ord, as_tuple(axis), keepdims)


@op("Normalize", NN)
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """x over its norm of this order along an axis, the norm at least epsilon.

    Raises:
        ValueError: `order` is no whole number above 0.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={order}")
    (x,) = floats(np.atleast_1d(convert(x)))
    epsilon = default_epsilon() if epsilon is None else epsilon
    size = np.sum(np.abs(x) ** order, axis, keepdims=True) ** x.dtype.type(1 / order)
    return x / np.maximum(size, x.dtype.type(epsilon))
