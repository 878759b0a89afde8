"""Data types as Keras names and promotes them: 64 bits only where an array has them, and the default float of the process."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError

__all__ = [
    "convert", "dtype_of", "epsilon", "float_type", "floatx", "is_float_dtype", "is_int_dtype", "result_type", "set_epsilon",
    "set_floatx", "standardize_dtype",
]  # fmt: skip

FLOATS = ("float16", "float32", "float64")
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
# What Keras makes of Python's own types, in `dtype=` (its TensorFlow backend's answer).
PYTHON = {bool: "bool", int: "int64", float: "float32", "int": "int64", "float": "float32"}

_settings: dict[str, Any] = {"floatx": "float32", "epsilon": 1e-7}


def floatx() -> str:
    """The float that layers, variables and conversions have unless told otherwise: `"float32"`."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Make another float the default of what is made from now on.

    Raises:
        ValueError: it is none of `"float16"`, `"float32"`, `"float64"`.
    """
    if value not in FLOATS:
        raise ValueError(f"Unknown `floatx` value: {value}. Expected values are: {', '.join(FLOATS)}.")
    _settings["floatx"] = str(value)


def epsilon() -> float:
    """The small number that keeps a division from a zero: 1e-7."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Make `epsilon()` another number."""
    _settings["epsilon"] = float(value)


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype: None is `floatx()`; a name, a NumPy dtype or type, one of Python's types.

    Raises:
        DTypeError: there is no such dtype.
    """
    if dtype is None:
        return floatx()
    try:
        name = PYTHON.get(dtype, dtype)
    except TypeError:  # not hashable: no dtype either
        name = str(dtype)
    name = getattr(name, "name", None) or getattr(name, "__name__", name)
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
    """What an operation on these dtypes computes in. Python's `int` and `float` give way to every array.

    The widest float there is; without one `floatx()` where a `float` asks for it, else the integer that holds all the integers.
    """
    known = [np.dtype(standardize_dtype(d)) for d in dtypes if d is not int and d is not float]
    floats = [d for d in known if d.kind in "fc"]
    if floats:
        return np.result_type(*floats).name
    if not dtypes or any(d is float for d in dtypes):
        return floatx()
    integers = [d for d in known if d.kind in "iu"]
    if integers:
        name = np.result_type(*integers).name  # float64 for uint64 and a signed one
        return floatx() if name == "float64" else "uint32" if name == "uint64" else name
    return f"int{floatx()[-2:]}" if any(d is int for d in dtypes) else "bool"


def float_type(dtype: Any) -> str:
    """The float in which a function of real numbers computes: the dtype itself if it is one."""
    return result_type(dtype, float)


def dtype_of(x: Any) -> Any:
    """What `result_type` takes for `x`: its dtype, or Python's `int` and `float`, or `"bool"`."""
    dtype = getattr(x, "dtype", None)
    if dtype is not None:
        return dtype
    return "bool" if isinstance(x, bool) else type(x) if isinstance(x, (int, float)) else convert(x).dtype


def convert(x: Any, dtype: Any = None) -> Array:
    """`x` as a plain array: without a dtype an array's own, and 32 bits for Python's numbers and lists of them."""
    if type(x) is np.ndarray and (dtype is None or x.dtype == dtype):
        return x
    array = np.asarray(x)
    if dtype is None and not hasattr(x, "dtype") and array.dtype.kind in "if":
        dtype = _of_list(x, array)
    return array if dtype is None else array.astype(dtype, copy=False)


def _of_list(x: Any, array: Array) -> Any:
    held = [leaf.dtype for leaf in _leaves(x) if hasattr(leaf, "dtype")] if isinstance(x, (list, tuple)) else []
    if held:
        return result_type(*held, *([float] if array.dtype.kind == "f" else []))
    return floatx() if array.dtype.kind == "f" else "int32"


def _leaves(x: Any) -> Any:
    for item in x:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item
