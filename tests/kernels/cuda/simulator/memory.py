"""Arrays that check every index, and addresses of global and shared memory that are plain numbers."""

from __future__ import annotations

import bisect
import math
from typing import Any

import numpy as np

__all__ = [
    "GARBAGE",
    "SHARED_BYTES",
    "Checked",
    "Global",
    "OutOfRangeError",
    "Region",
    "Shared",
    "checked",
    "dtype_of",
    "fill_garbage",
    "shape_of",
]

GARBAGE = 0x7FFADBAD  # NaN in float32; twice, NaN in float64; a large number in integers
SHARED_BYTES = 48 * 1024  # of what a kernel declares
WINDOW = 1 << 24  # of shared memory: the bits above hold a block's rank + 1 in addresses from `map_shared`
GAP = 1 << 20


class OutOfRangeError(IndexError):
    """An index or address outside of an array."""


class Checked(np.ndarray):
    """An array as kernels see it: no negative indices, which the GPU would not wrap."""

    origin: int | None = None  # the address of its first element, where known
    space: Any = None

    def __array_finalize__(self, parent: Any) -> None:
        self.space = getattr(parent, "space", None)

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


def checked(array: Any) -> Checked:
    """The same memory, every index checked."""
    return array.view(Checked)


def dtype_of(kind: Any) -> np.dtype[Any]:
    """NumPy's dtype of a dtype, a NumPy scalar type or one of numba's scalar types."""
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


class Region:
    """A range of addresses, as words."""

    __slots__ = ("end", "floats", "start", "words")

    def __init__(self, start: int, end: int, data: Any) -> None:
        self.start, self.end = start, end
        self.floats, self.words = data.view(np.float32), data.view(np.uint32)


def root_of(array: Any) -> Any:
    """The array whose memory it is."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def data_pointer(array: Any) -> int:
    """Where it lies in this process."""
    return array.__array_interface__["data"][0]


def offset_of(array: Any, index: Any) -> int:
    """Bytes from the first element to array[index]."""
    indices = index if isinstance(index, tuple) else (index,)
    if len(indices) != array.ndim:
        raise TypeError(f"an address needs {array.ndim} indices. Received: {len(indices)}.")
    offset = 0
    for i, n, stride in zip(indices, array.shape, array.strides, strict=True):
        if not 0 <= i < n:
            raise OutOfRangeError(f"address of index {index} of an array of shape {array.shape}")
        offset += int(i) * stride
    return offset


class Global:
    """The address space of the kernel's arguments; far gaps lie between arrays that do not share memory."""

    def __init__(self) -> None:
        self.bases: dict[int, tuple[int, Any]] = {}  # pointer of a root -> (its address here, the root as words)
        self.next = GAP
        self.starts: list[int] = []
        self.regions: list[Region] = []

    def add(self, array: Any) -> Checked:
        """The array as the kernel gets it."""
        out = checked(array)
        out.space = self
        root = root_of(array)
        pointer = data_pointer(root)
        if pointer not in self.bases:
            flat = root.reshape(-1) if root.flags.c_contiguous else root.ravel(order="K")
            if flat.size and not np.shares_memory(flat, root):
                raise TypeError("arguments must lie in contiguous memory")
            self.bases[pointer] = self.next, flat
            self.next += (root.nbytes // GAP + 2) * GAP
        base, flat = self.bases[pointer]
        out.origin = base + data_pointer(array) - pointer
        if array.size == 0:
            return out
        low, high = np.lib.array_utils.byte_bounds(array)
        start, end = base + low - pointer, base + high - pointer
        i = bisect.bisect_left(self.starts, start)
        # Arguments that overlap are one region.
        while i > 0 and self.regions[i - 1].end > start:
            i -= 1
            start = min(start, self.regions[i].start)
        while i < len(self.regions) and self.regions[i].start < end:
            end = max(end, self.regions[i].end)
            del self.regions[i], self.starts[i]
        start -= start % 4
        data = flat.view(np.uint8)[start - base : end - base]
        self.starts.insert(i, start)
        self.regions.insert(i, Region(start, end, data[: data.size // 4 * 4]))
        return out

    def address(self, array: Any, index: Any) -> int:
        """Of array[index]."""
        origin = array.origin
        if origin is None:
            pointer = data_pointer(root_of(array))
            if pointer not in self.bases:
                raise TypeError("`address` is of global arrays: this one is local or shared")
            origin = array.origin = self.bases[pointer][0] + data_pointer(array) - pointer
        elif array.space is not self:
            raise TypeError("`address` is of global arrays: this one is local or shared")
        return origin + offset_of(array, index)

    def find(self, address: int, size: int) -> tuple[Region, int]:
        """The region and the index of the word at an address, from where `size` bytes are used."""
        if address % size:
            raise OutOfRangeError(f"address {address:#x} is not a multiple of {size}")
        i = bisect.bisect_right(self.starts, address) - 1
        if i >= 0:
            region = self.regions[i]
            if address + size <= region.end:
                return region, (address - region.start) >> 2
        raise OutOfRangeError(f"{size} bytes at the global address {address:#x} belong to no argument of the kernel")


class Shared:
    """The shared memory of a block; `layout` is one for all blocks of a kernel."""

    __slots__ = ("arrays", "barriers", "floats", "layout", "memory", "words")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.memory = np.empty(layout.limit, np.uint8)
        fill_garbage(self.memory)
        self.floats, self.words = self.memory.view(np.float32), self.memory.view(np.uint32)
        self.arrays: dict[Any, Checked] = {}
        self.barriers: dict[int, Any] = {}

    def array(self, key: Any, shape: Any, dtype: Any, alignment: int | None) -> Checked:
        """The array that a statement declares, the same for all threads of the block."""
        array = self.arrays.get(key)
        if array is None:
            dtype, shape = dtype_of(dtype), shape_of(shape)
            size = math.prod(shape) * dtype.itemsize
            start = self.layout.place(key, size, alignment or dtype.itemsize)
            array = checked(self.memory[start : start + size].view(dtype).reshape(shape))
            array.origin, array.space = start, self
            self.arrays[key] = array
        return array

    def address(self, array: Any, index: Any) -> int:
        """Of array[index] in this block's shared memory."""
        if array.space is not self:
            raise TypeError("`shared_address` is of arrays in the block's own shared memory")
        if array.origin is None:
            array.origin = data_pointer(array) - data_pointer(self.memory)
        return array.origin + offset_of(array, index)

    def find(self, address: int, size: int) -> int:
        """The index of the word at an address, from where `size` bytes are used."""
        if address % size:
            raise OutOfRangeError(
                f"shared address {address:#x} is not a multiple of {size}: declare the array with alignment={size}"
            )
        if not self.layout.holds(address, size):
            raise OutOfRangeError(f"{size} bytes at the shared address {address:#x} belong to no array of the kernel")
        return address >> 2


class Layout:
    """Where the arrays of a kernel lie in each block's shared memory, with gaps between them.

    Only the alignment that is asked for is given: an array of float32 without one does not begin at a multiple of 16.
    """

    def __init__(self, limit: int = SHARED_BYTES) -> None:
        self.limit = limit + (1 << 14)  # the gaps are not the kernel's
        self.allowed = limit
        self.used = 0
        self.next = 1024
        self.placed: dict[Any, tuple[int, int]] = {}
        self.starts: list[int] = []
        self.ends: list[int] = []

    def place(self, key: Any, size: int, alignment: int) -> int:
        """Where the array declared at `key` begins."""
        if key not in self.placed:
            self.used += size
            if self.used > self.allowed:
                raise MemoryError(f"a kernel may declare {self.allowed} bytes of shared memory. Declared: {self.used}.")
            start = -(-self.next // alignment) * alignment
            if start % (2 * alignment) == 0:
                start += alignment
            self.next = -(-(start + size) // 16) * 16 + 64
            if self.next > self.limit:
                raise MemoryError("too many arrays in shared memory")
            self.placed[key] = start, size
            self.starts.append(start)
            self.ends.append(start + size)
        start, placed = self.placed[key]
        if size != placed:
            raise TypeError(f"a shared array must have one size: {placed} bytes, then {size}")
        return start

    def holds(self, address: int, size: int) -> bool:
        """Whether these bytes lie in one array."""
        i = bisect.bisect_right(self.starts, address) - 1
        return i >= 0 and address + size <= self.ends[i]
