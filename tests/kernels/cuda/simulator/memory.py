"""Global and shared memory, whose addresses are plain numbers."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np

from .arrays import Checked, OutOfRangeError, Traced, dtype_of, fill_garbage, shape_of

__all__ = ["WINDOW", "Global", "Layout", "Shared"]

SHARED_BYTES = 48 * 1024  # of what a kernel declares
WINDOW = 1 << 24  # of shared memory: the bits above hold a block's rank + 1 in addresses from `map_shared`
GAP = 1 << 20


class Region:
    """A range of addresses, as bytes and as words."""

    __slots__ = ("bytes", "end", "floats", "start", "words")

    def __init__(self, start: int, end: int, data: Any) -> None:
        self.start, self.end, self.bytes = start, end, data
        whole = data[: data.size // 4 * 4]
        self.floats, self.words = whole.view(np.float32), whole.view(np.uint32)

    def double(self, address: int) -> Any:
        """The float64 there, as an array of one."""
        first = address - self.start
        return self.bytes[first : first + 8].view(np.float64)


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

    def __init__(self, races: Any) -> None:
        self.races = races
        self.kind = Checked if races is None else Traced
        self.bases: dict[int, tuple[int, Any]] = {}  # pointer of a root -> (its address here, the root as words)
        self.next = GAP
        self.starts: list[int] = []
        self.regions: list[Region] = []

    def add(self, array: Any) -> Checked:
        """The array as the kernel gets it."""
        out = array.view(self.kind)
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
        i = bisect_left(self.starts, start)
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
        self.regions.insert(i, Region(start, end, data))
        return out

    def address(self, array: Any, index: Any) -> int:
        """Of array[index]."""
        if getattr(array, "space", None) is not self:
            raise TypeError("`address` is of global arrays: this one is local or shared")
        origin = array.origin
        if origin is None:
            pointer = data_pointer(root_of(array))
            origin = array.origin = self.bases[pointer][0] + data_pointer(array) - pointer
        return origin + offset_of(array, index)

    def find(self, address: int, size: int) -> Region:
        """The region of an address, from where `size` bytes are used."""
        if address % size:
            raise OutOfRangeError(f"address {address:#x} is not a multiple of {size}")
        i = bisect_right(self.starts, address) - 1
        if i >= 0:
            region = self.regions[i]
            if address + size <= region.end:
                return region
        raise OutOfRangeError(f"{size} bytes at the global address {address:#x} belong to no argument of the kernel")

    def trace_read(self, array: Any, index: Any) -> None:
        """The current thread reads array[index]."""
        self.races.read(self.address(array, index))

    def trace_write(self, array: Any, index: Any, same: bool) -> None:
        """The current thread writes array[index]."""
        self.races.write(self.address(array, index), same=same)

    def trace_atomic(self, array: Any, index: Any) -> None:
        """The current thread changes array[index] in one step."""
        self.races.read(self.address(array, index), relaxed=True)
        self.races.write(self.address(array, index), relaxed=True)


class Shared:
    """The shared memory of a block; `layout` is one for all blocks of a kernel."""

    __slots__ = ("arrays", "barriers", "floats", "key", "kind", "layout", "memory", "races")

    def __init__(self, layout: Layout, races: Any, number: int) -> None:
        self.layout, self.races = layout, races
        self.kind = Checked if races is None else Traced
        self.key = -(number + 1) * WINDOW  # of its words, in the history that `races` keeps
        self.memory: Any = None  # until an array lies there
        self.floats: Any = None
        self.arrays: dict[Any, Checked] = {}
        self.barriers: dict[int, Any] = {}

    def array(self, key: Any, shape: Any, dtype: Any, alignment: int | None) -> Checked:
        """The array that a statement declares, the same for all threads of the block."""
        array = self.arrays.get(key)
        if array is None:
            dtype, shape = dtype_of(dtype), shape_of(shape)
            size = math.prod(shape) * dtype.itemsize
            start = self.layout.place(key, size, alignment or dtype.itemsize)
            self.allocate()
            array = self.memory[start : start + size].view(dtype).reshape(shape).view(self.kind)
            array.origin, array.space = start, self
            self.arrays[key] = array
        return array

    def allocate(self) -> None:
        """Memory, once."""
        if self.memory is None:
            self.memory = np.empty(self.layout.limit, np.uint8)
            fill_garbage(self.memory)
            self.floats = self.memory.view(np.float32)

    def address(self, array: Any, index: Any) -> int:
        """Of array[index] in this block's shared memory."""
        if getattr(array, "space", None) is not self:
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
        self.allocate()
        if not self.layout.holds(address, size):
            raise OutOfRangeError(f"{size} bytes at the shared address {address:#x} belong to no array of the kernel")
        return address >> 2

    def trace_read(self, array: Any, index: Any) -> None:
        """The current thread reads array[index]."""
        self.races.read(self.key + self.address(array, index))

    def trace_write(self, array: Any, index: Any, same: bool) -> None:
        """The current thread writes array[index]."""
        self.races.write(self.key + self.address(array, index), same=same)

    def trace_atomic(self, array: Any, index: Any) -> None:
        """The current thread changes array[index] in one step."""
        self.races.read(self.key + self.address(array, index), relaxed=True)
        self.races.write(self.key + self.address(array, index), relaxed=True)


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
        i = bisect_right(self.starts, address) - 1
        return i >= 0 and address + size <= self.ends[i]
