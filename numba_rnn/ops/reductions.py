"""Operations that fold an axis: sums, means, extremes, whether any or all hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.ops.base import op

__all__ = ["all", "any", "argmax", "argmin", "cumsum", "max", "mean", "min", "prod", "std", "sum", "var"]


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


@op("Any")
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether one is true."""
    return np.any(x, _axes(axis), keepdims=keepdims)


@op("All")
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all are true."""
    return np.all(x, _axes(axis), keepdims=keepdims)


@op("Mean")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean."""
    return np.mean(x, _axes(axis), keepdims=keepdims)


@op("Sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum."""
    return np.sum(x, _axes(axis), keepdims=keepdims)


@op("Prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product."""
    return np.prod(x, _axes(axis), keepdims=keepdims, dtype=dtype)


@op("Max")
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest."""
    return np.max(x, _axes(axis), keepdims=keepdims, **({} if initial is None else {"initial": initial}))


@op("Min")
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest."""
    return np.min(x, _axes(axis), keepdims=keepdims, **({} if initial is None else {"initial": initial}))


@op("Var")
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The variance."""
    return np.var(x, _axes(axis), keepdims=keepdims)


@op("Std")
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation."""
    return np.std(x, _axes(axis), keepdims=keepdims)


@op("Argmax")
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Where the largest is."""
    return np.argmax(x, axis, keepdims=keepdims)


@op("Argmin")
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Where the smallest is."""
    return np.argmin(x, axis, keepdims=keepdims)


@op("Cumsum")
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """The sums so far."""
    return np.cumsum(x, axis, dtype)
