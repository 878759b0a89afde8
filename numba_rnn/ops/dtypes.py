"""Data types as Keras names and promotes them: Python's numbers give way to arrays, 64 bits come only from 64 bits."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import FLOATS, floatx
from numba_rnn.errors import DTypeError

__all__ = [
    "common", "convert", "floats", "is_float_dtype", "is_int_dtype", "result_type", "standardize_dtype",
]  # fmt: skip

NAMES = frozenset(
    (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        *FLOATS,
        "complex64",
        "complex128",
    )
)
OF_NUMPY = {np.dtype(name): name for name in NAMES}
# What `dtype=` makes of Python's own types, with Keras' TensorFlow backend.
PYTHON = {bool: "bool", int: "int64", float: "float32", "int": "int64", "float": "float32"}


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype: None is `floatx()`; a name, a NumPy dtype or type, one of Python's types.

    Raises:
        DTypeError: there is no such dtype.
    """
    if dtype is None:
        return floatx()
    if isinstance(dtype, np.dtype):
        if dtype in OF_NUMPY:
            return OF_NUMPY[dtype]  # `dtype.name` is put together anew each time
        dtype = dtype.name
    name = dtype
    if not isinstance(name, str) or name in PYTHON:
        name = PYTHON.get(name, getattr(name, "__name__", name)) if isinstance(name, (type, str)) else str(name)
    if name not in NAMES:
        raise DTypeError(f"Invalid dtype: {dtype}. Expected one of {', '.join(sorted(NAMES))}.")
    return name


def is_float_dtype(dtype: Any) -> bool:
    """Whether it is a floating point dtype."""
    return standardize_dtype(dtype).startswith("float")


def is_int_dtype(dtype: Any) -> bool:
    """Whether it is an integer dtype, signed or not."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def result_type(*dtypes: Any) -> str:
    """What an operation on these dtypes computes in, where Python's `int` and `float` stand for its numbers.

    The widest float there is; without one `floatx()` where a `float` asks for it, else the integer that holds all the integers.
    """
    return _result_type(tuple(d if d is int or d is float else standardize_dtype(d) for d in dtypes), floatx())


@functools.cache
def _result_type(dtypes: tuple[Any, ...], default: str) -> str:
    known = [np.dtype(d) for d in dtypes if d is not int and d is not float]
    wide = [d for d in known if d.kind in "fc"]
    if wide:
        return np.result_type(*wide).name
    if not dtypes or any(d is float for d in dtypes):
        return default
    integers = [d for d in known if d.kind in "iu"]
    if integers:
        name = np.result_type(*integers).name  # float64 for uint64 with a signed one
        return default if name == "float64" else "uint32" if name == "uint64" else name
    return f"int{default[-2:]}" if any(d is int for d in dtypes) else "bool"


def convert(x: Any, dtype: Any = None) -> Array:
    """`x` as a plain array: without a dtype an array's own, and 32 bits for Python's numbers and lists of them."""
    if type(x) is np.ndarray and (dtype is None or x.dtype == dtype):
        return x
    if dtype is not None and type(x) in {int, float}:
        return np.array(x).astype(dtype)
    array = np.asarray(x)
    if dtype is None and not hasattr(x, "dtype") and array.dtype.kind in "if":
        held = [leaf.dtype for leaf in _leaves(x) if hasattr(leaf, "dtype")]
        dtype = result_type(*held, float if array.dtype.kind == "f" else int)
    return array if dtype is None else array.astype(dtype, copy=False)


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from _leaves(item)
    else:
        yield x


def common(*xs: Any, also: tuple[Any, ...] = ()) -> list[Array]:
    """All as arrays of the dtype that they promote to, and with those of `also`."""
    if not also and type(xs[0]) is np.ndarray:
        dtype = xs[0].dtype
        for x in xs:
            if type(x) is not np.ndarray or x.dtype != dtype:
                break
        else:
            return list(xs)
    ready = [x if type(x) in {int, float} else convert(x) for x in xs]
    target = np.dtype(result_type(*(getattr(x, "dtype", type(x)) for x in ready), *also))
    return [convert(x, target) for x in ready]


def floats(*xs: Any) -> list[Array]:
    """All as arrays of the float that they promote to."""
    if len(xs) == 1 and type(xs[0]) is np.ndarray and xs[0].dtype.kind == "f":
        return [xs[0]]
    return common(*xs, also=(float,))
