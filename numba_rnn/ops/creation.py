"""Arrays out of shapes and numbers: they compute at once, nothing of them is recorded in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.dtypes import convert, floats, result_type, standardize_dtype

__all__ = ["arange", "empty", "eye", "full", "identity", "linspace", "ones", "tri", "zeros"]


def zeros(shape: Any, dtype: Any = None) -> Array:
    """Zeros, float32 unless told otherwise."""
    return np.zeros(shape, standardize_dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Array:
    """Ones, float32 unless told otherwise."""
    return np.ones(shape, standardize_dtype(dtype))


def empty(shape: Any, dtype: Any = None) -> Array:
    """Numbers to be replaced: zeros, as with Keras' TensorFlow backend."""
    return zeros(shape, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    """`fill_value` everywhere, float32 unless told otherwise."""
    return np.full(shape, convert(fill_value), standardize_dtype(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:
    """Ones on the k-th diagonal of an N by M matrix of zeros."""
    return np.eye(N, M, k, standardize_dtype(dtype))


def identity(n: int, dtype: Any = None) -> Array:
    """Ones on the diagonal of an n by n matrix of zeros."""
    return np.eye(n, dtype=standardize_dtype(dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:
    """Ones on and below the k-th diagonal of an N by M matrix of zeros."""
    return np.tri(N, M, k, standardize_dtype(dtype))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Array:
    """From `start` to below `stop` (from 0 to below `start` without one) in steps; int32 where all are whole."""
    if dtype is None:
        given = [v for v in (start, stop, step) if v is not None]
        dtype = result_type(*(getattr(v, "dtype", type(v)) for v in given))
    first, last = (0, start) if stop is None else (start, stop)
    return np.arange(first, last, 1 if step is None else step).astype(standardize_dtype(dtype), copy=False)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers at equal distances from `start` to `stop`; with `retstep` the distance too."""
    first, last = floats(start, stop)
    name = first.dtype if dtype is None else standardize_dtype(dtype)
    numbers, step = np.linspace(first, last, num, endpoint, retstep=True, axis=axis)
    numbers = np.asarray(numbers).astype(name, copy=False)
    return (numbers, np.asarray(step).astype(first.dtype)) if retstep else numbers
