"""Operations that fold an axis: sums, means, extremes, whether any or all hold; and sums and products so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.base import MATH, NN, op
from numba_rnn.ops.dtypes import convert, floats, standardize_dtype
from numba_rnn.ops.tree import as_tuple

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "cumprod", "cumsum", "logsumexp", "max",
    "mean", "median", "min", "moments", "prod", "std", "sum", "var",
]  # fmt: skip

WIDENED = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}


def _float(x: Any) -> Array:
    return floats(x)[0]


def _summand(x: Any, dtype: Any = None) -> Array:
    """x in the dtype that Keras adds and multiplies in: small integers in 32 bits."""
    x = convert(x)
    return x.astype(
        WIDENED.get(standardize_dtype(x.dtype), x.dtype) if dtype is None else standardize_dtype(dtype), copy=False
    )


@op("Any")
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether one is true."""
    return np.any(convert(x), as_tuple(axis), keepdims=keepdims)


@op("All")
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all are true."""
    return np.all(convert(x), as_tuple(axis), keepdims=keepdims)


@op("Mean")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean."""
    return np.mean(_float(x), as_tuple(axis), keepdims=keepdims)


@op("Sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum."""
    x = _summand(x)
    return np.sum(x, as_tuple(axis), keepdims=keepdims, dtype=x.dtype)


@op("Prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product."""
    x = _summand(x, dtype)
    return np.prod(x, as_tuple(axis), keepdims=keepdims, dtype=x.dtype)


def _extreme(function: Any, x: Any, axis: Any, keepdims: bool, initial: Any = None) -> Any:
    x = convert(x)
    more = {} if initial is None else {"initial": initial}
    return np.asarray(function(x, as_tuple(axis), keepdims=keepdims, **more)).astype(x.dtype, copy=False)


@op("Max")
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest."""
    return _extreme(np.max, x, axis, keepdims, initial)


@op("Min")
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest."""
    return _extreme(np.min, x, axis, keepdims, initial)


@op("Amax")
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest."""
    return _extreme(np.max, x, axis, keepdims)


@op("Amin")
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest."""
    return _extreme(np.min, x, axis, keepdims)


@op("Var")
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The variance."""
    return np.var(_float(x), as_tuple(axis), keepdims=keepdims)


@op("Std")
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation."""
    return np.std(_float(x), as_tuple(axis), keepdims=keepdims)


@op("Moments", NN)
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """The mean and the variance; `synchronized` is taken for Keras' sake."""
    x = _float(x)
    return np.mean(x, as_tuple(axes), keepdims=keepdims), np.var(x, as_tuple(axes), keepdims=keepdims)


@op("Median")
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle one."""
    x = _float(x)
    return np.asarray(np.median(x, as_tuple(axis), keepdims=keepdims)).astype(x.dtype, copy=False)


@op("Average", tensors=2)
def _average(x: Any, weights: Any = None, axis: Any = None) -> Any:
    if weights is None:
        return np.mean(_float(x), as_tuple(axis))
    x, weights = floats(x, weights)
    if weights.ndim != x.ndim and axis is not None:
        weights = np.expand_dims(weights, tuple(i for i in range(x.ndim) if i != axis % x.ndim))
    return np.sum(x * weights, as_tuple(axis)) / np.sum(np.broadcast_to(weights, x.shape), as_tuple(axis))


def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean, each element counted by its weight: weights of x's shape, or of the size along `axis`."""
    return _average(x, weights, axis)


@op("Logsumexp", MATH)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """ln of the sum of e^x, without overflow."""
    x, axis = _float(x), as_tuple(axis)
    top = np.max(x, axis, keepdims=True)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    y = np.log(np.sum(np.exp(x - top), axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


@op("CountNonzero")
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many are not zero."""
    return np.asarray(np.count_nonzero(convert(x), as_tuple(axis))).astype(np.int32)


@op("Argmax")
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Where the largest is."""
    return np.asarray(np.argmax(convert(x), axis, keepdims=keepdims)).astype(np.int32)


@op("Argmin")
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Where the smallest is."""
    return np.asarray(np.argmin(convert(x), axis, keepdims=keepdims)).astype(np.int32)


def _so_far(function: Any, x: Any, axis: Any, dtype: Any) -> Any:
    x = convert(x)
    dtype = "int32" if dtype is None and x.dtype == bool else x.dtype if dtype is None else standardize_dtype(dtype)
    return function(x, axis, dtype)


@op("Cumsum")
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """The sums so far."""
    return _so_far(np.cumsum, x, axis, dtype)


@op("Cumprod")
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """The products so far."""
    return _so_far(np.cumprod, x, axis, dtype)
