"""Arrays as kernels see them: every index is checked, and where races are looked for every access is told."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

__all__ = ["GARBAGE", "Checked", "OutOfRangeError", "Traced", "dtype_of", "fill_garbage", "registers", "shape_of"]

GARBAGE = 0x7FFADBAD  # NaN in float32; twice, NaN in float64; a large number in integers


class OutOfRangeError(IndexError):
    """An index or address outside of an array."""


class Checked(np.ndarray):
    """An array as kernels see it: no negative indices, which the GPU would not wrap."""

    origin: int | None = None  # the address of its first element, where known
    space: Any = None

    def __array_finalize__(self, parent: Any) -> None:
        self.space = getattr(parent, "space", None)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __getitem__(self, index: Any, get: Any = np.ndarray.__getitem__) -> Any:
        if index.__class__ is int:
            if index < 0:
                raise OutOfRangeError(f"index {index} of an array of shape {self.shape}")
        elif index.__class__ is tuple:
            for i in index:
                if i.__class__ is not slice and i < 0:
                    raise OutOfRangeError(f"index {index} of an array of shape {self.shape}")
        else:
            check(self, index)
        return get(self, index)

    def __setitem__(self, index: Any, value: Any, put: Any = np.ndarray.__setitem__) -> None:
        if index.__class__ is int:
            if index < 0:
                raise OutOfRangeError(f"index {index} of an array of shape {self.shape}")
        elif index.__class__ is tuple:
            for i in index:
                if i.__class__ is not slice and i < 0:
                    raise OutOfRangeError(f"index {index} of an array of shape {self.shape}")
        else:
            check(self, index)
        put(self, index, value)


class Traced(Checked):
    """An array that tells its space of every element that is read or written."""

    def __getitem__(self, index: Any) -> Any:
        out = Checked.__getitem__(self, index)
        if out.__class__ is not Traced:
            self.space.trace_read(self, index)
        return out

    def __setitem__(self, index: Any, value: Any) -> None:
        if np.ndim(value) or Checked.__getitem__(self, index).__class__ is Traced:
            raise NotImplementedError("races are looked for in kernels that write one element at a time")
        before = Checked.__getitem__(self, index)
        Checked.__setitem__(self, index, value)
        after = Checked.__getitem__(self, index)
        self.space.trace_write(self, index, before == after or (before != before and after != after))  # noqa: PLR0124 (NaN)


class Registers(dict[Any, Any]):
    """An array of one thread: a number for each index. NumPy's would take thrice as long, and know negative indices."""

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __missing__(self, index: Any) -> Row:
        return Row(self, index if isinstance(index, tuple) else (index,))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))


class Row:
    """Part of an array of registers, whose first indices are given."""

    def __init__(self, whole: Registers, given: tuple[Any, ...]) -> None:
        self.whole, self.given, self.shape = whole, given, whole.shape[len(given) :]
        if not self.shape or not all(0 <= i < n for i, n in zip(given, whole.shape, strict=False)):
            raise OutOfRangeError(f"index {given} of an array of shape {whole.shape}")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        return self.whole[(*self.given, *index) if isinstance(index, tuple) else (*self.given, index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.whole[(*self.given, *index) if isinstance(index, tuple) else (*self.given, index)] = value


@functools.cache
def registers(shape: Any, kind: Any) -> Any:
    """A function that makes arrays of registers, full of garbage."""
    sizes, dtype = shape_of(shape), dtype_of(kind)
    number: Any = int if dtype == np.uint64 else dtype.type  # addresses: Python's are faster
    garbage = np.empty(1, dtype)
    fill_garbage(garbage)

    class Typed(Registers):
        __slots__ = ()

        def __setitem__(self, index: Any, value: Any, put: Any = dict.__setitem__) -> None:
            if index not in self:
                raise OutOfRangeError(f"index {index} of an array of shape {sizes}")
            put(self, index, value if value.__class__ is number else number(value))

    Typed.shape, Typed.dtype = sizes, dtype
    indices = range(sizes[0]) if len(sizes) == 1 else itertools.product(*map(range, sizes))
    return functools.partial(Typed, dict.fromkeys(indices, number(garbage[0])))


def check(array: Any, index: Any) -> None:
    """The rarer kinds of indices."""
    if isinstance(index, slice):
        for i in (index.start, index.stop):
            if i is not None and i < 0:
                raise OutOfRangeError(f"slice {index} of an array of shape {array.shape}")
    elif not isinstance(index, (int, np.integer)):
        raise TypeError(f"kernels index by integers and slices. Received: {type(index).__name__}.")
    elif index < 0:
        raise OutOfRangeError(f"index {index} of an array of shape {array.shape}")


def dtype_of(kind: Any) -> np.dtype[Any]:
    """NumPy's dtype of a dtype, a NumPy scalar type or one of numba's scalar types; `int` stands for uint64."""
    if kind is int:
        return np.dtype(np.uint64)
    return np.dtype(getattr(kind, "name", kind)) if not isinstance(kind, (np.dtype, type)) else np.dtype(kind)


def shape_of(shape: Any) -> tuple[int, ...]:
    """A tuple, also of one number."""
    return tuple(int(n) for n in shape) if isinstance(shape, tuple) else (int(shape),)


def fill_garbage(array: Any) -> None:
    """What memory holds that nobody has written."""
    flat = array.reshape(-1).view(np.uint8)
    whole = flat.size // 4 * 4
    flat[:whole].view(np.uint32)[:] = GARBAGE
    flat[whole:] = GARBAGE & 0xFF
