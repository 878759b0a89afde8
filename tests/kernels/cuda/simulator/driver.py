"""A driver of numba_rnn's CUDA backend whose GPU is the simulator."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from numba_rnn.kernels.cuda.driver import Device

from .arrays import fill_garbage
from .running import run

__all__ = ["DeviceArray", "Launch", "SimulatedDriver"]


class DeviceArray:
    """An array that NumPy cannot see: whoever wants its numbers has to download it."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    shape = property(lambda self: self.memory.shape)
    dtype = property(lambda self: self.memory.dtype)
    strides = property(lambda self: self.memory.strides)
    size = property(lambda self: self.memory.size)
    ndim = property(lambda self: self.memory.ndim)
    nbytes = property(lambda self: self.memory.nbytes)

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        return len(self.memory)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("An array on the device was converted to NumPy implicitly: download it.")

    def __getitem__(self, index: Any) -> DeviceArray:
        """A view; single numbers would be a trip to the host."""
        indices = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(i, (int, slice)) or i is Ellipsis for i in indices):
            raise TypeError(f"device arrays are indexed by integers and slices. Received: {index!r}.")
        view = self.memory[(*indices, Ellipsis)] if Ellipsis not in indices else self.memory[index]
        return DeviceArray(view)

    def __iter__(self) -> Any:
        raise TypeError("device arrays cannot be iterated over")

    def __bool__(self) -> bool:
        raise TypeError("the numbers of a device array are not on the host")

    def reshape(self, *shape: Any) -> DeviceArray:
        """The same memory, which must be C-contiguous, as numba demands."""
        if not self.memory.flags.c_contiguous:
            raise NotImplementedError("reshape of an array that is not C-contiguous")
        return DeviceArray(self.memory.reshape(*shape))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        contiguous = self.memory.flags.c_contiguous
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.memory.__array_interface__["data"][0], False),
            "strides": None if contiguous else self.strides,
            "stream": None,
            "version": 3,
        }


class Flag(DeviceArray):
    """A word that both sides see."""

    def __getitem__(self, index: Any) -> Any:
        return self.memory[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory[index] = value


@dataclasses.dataclass(frozen=True)
class Launch:
    """What was launched."""

    name: str
    grid: tuple[int, ...]
    threads: int
    stream: Any


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel and the most threads that a block of it has."""

    function: Any
    threads: int


class SimulatedDriver:
    """Like an H100, one that computes in Python.

    Attributes:
        launches: what ran.
        uploads, downloads: how many; also `uploaded` and `downloaded` in bytes.
        products: how many were computed by `product`.
        orders: which stream came before which.
        seed, schedule, races: of the launches, see `run`; each launch has a seed of its own.
    """

    def __init__(
        self,
        capability: tuple[int, int] = (9, 0),
        multiprocessors: int = 132,
        blas: bool = True,
        seed: int = 0,
        schedule: str = "random",
        races: bool = False,
    ) -> None:
        self.device = Device("simulated", capability, multiprocessors, blas=blas)
        self.seed, self.schedule, self.races = seed, schedule, races
        self.launches: list[Launch] = []
        self.uploads = self.downloads = self.uploaded = self.downloaded = self.products = self.allocations = 0
        self.streams = itertools.count(101)
        self.orders: list[tuple[Any, Any]] = []

    def kernel(self, function: Any, threads: int, key: Any = None) -> Any:
        """Nothing is compiled."""
        return Kernel(function, threads)

    def launch(self, kernel: Any, grid: Any, threads: int, stream: Any, *arguments: Any) -> None:
        """Done on return."""
        if not 0 < threads <= min(kernel.threads, 1024):
            raise ValueError(f"{threads} threads a block: the kernel was made for at most {kernel.threads}")
        sizes = grid if isinstance(grid, tuple) else (grid,)
        if not all(0 < n < 65536 for n in sizes[1:]) or not 0 < sizes[0] < 2**31:
            raise ValueError(f"no GPU takes a grid of {grid} blocks")
        name = getattr(kernel.function, "py_func", kernel.function).__name__
        values = [argument.memory if isinstance(argument, DeviceArray) else argument for argument in arguments]
        for argument, value in zip(arguments, values, strict=True):
            if value is argument and isinstance(value, np.ndarray):
                raise TypeError(f"{name} was launched with an array on the host")
            if getattr(value, "size", 1) == 0:
                raise ValueError(f"{name} was launched with an empty array, which has no address")
        self.launches.append(Launch(name, sizes, threads, stream))
        seed = self.seed + len(self.launches)
        run(kernel.function, grid, threads, values, seed=seed, schedule=self.schedule, races=self.races)

    def empty(self, shape: Any, dtype: Any) -> DeviceArray:
        """Full of garbage."""
        shape = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
        out = np.empty(shape, dtype)
        fill_garbage(out)
        self.allocations += 1
        return DeviceArray(out)

    def upload(self, array: Any, stream: Any) -> DeviceArray:
        """A copy."""
        if not isinstance(array, np.ndarray):
            raise TypeError(f"upload takes NumPy arrays. Received: {type(array).__name__}.")
        self.uploads += 1
        self.uploaded += array.nbytes
        return DeviceArray(np.array(array, order="C"))

    def send(self, array: Any, target: Any, stream: Any) -> None:
        """Into memory that is there already."""
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            raise TypeError("send takes C-contiguous NumPy arrays")
        memory = memory_of(target)
        if (memory.shape, memory.dtype) != (array.shape, array.dtype):
            raise ValueError(f"send of {array.shape} {array.dtype} into {target}")
        self.uploads += 1
        self.uploaded += array.nbytes
        memory[...] = array

    def download(self, array: Any, stream: Any) -> Any:
        """A copy."""
        out = np.array(memory_of(array))
        self.downloads += 1
        self.downloaded += out.nbytes
        return out

    def copy(self, source: Any, target: Any, stream: Any) -> None:
        """Both C-contiguous, of one shape and dtype."""
        memory, into = memory_of(source), memory_of(target)
        if memory.shape != into.shape or memory.dtype != into.dtype:
            raise ValueError(f"copy of {source} into {target}")
        if not (memory.flags.c_contiguous and into.flags.c_contiguous):
            raise ValueError("copy takes C-contiguous arrays")
        into[...] = memory

    def fill(self, array: Any, byte: int, stream: Any) -> None:
        """Every byte."""
        memory = memory_of(array)
        if not memory.flags.c_contiguous:
            raise ValueError("fill takes C-contiguous arrays")
        memory.reshape(-1).view(np.uint8)[:] = byte

    def product(self, x: Any, w: Any, z: Any, precision: str, stream: Any) -> Any:
        """By NumPy, in the arrays' own dtype, each row by itself."""
        if not self.device.blas:
            return None
        x, w, z = memory_of(x), memory_of(w), memory_of(z)
        if not x.dtype == w.dtype == z.dtype:
            raise TypeError(f"product takes arrays of one dtype. Received: {x.dtype}, {w.dtype}, {z.dtype}.")
        if x.shape[-1] != w.shape[0] or z.shape != (*x.shape[:-1], w.shape[1]):
            raise ValueError(f"product of {x.shape} and {w.shape} into {z.shape}")
        for array in (x, w, z):
            if array.shape[-1] > 1 and array.size and array.strides[-1] != array.itemsize:
                raise ValueError("the rows of x, w and z must be contiguous")

        def multiply() -> None:
            with np.errstate(all="ignore"):
                for place in np.ndindex(x.shape[:-1]):
                    z[place] = x[place] @ w
            self.products += 1

        return multiply

    def flag(self) -> Flag:
        """An int32, 0."""
        return Flag(np.zeros(1, np.int32))

    def adopt(self, description: dict[str, Any], owner: Any) -> DeviceArray:
        """A view of memory of this process; its owner stays as long as it."""
        shape, dtype = tuple(description["shape"]), np.dtype(description["typestr"])
        if not math.prod(shape):
            return DeviceArray(np.empty(shape, dtype))
        if (strides := description.get("strides")) is None:
            strides = np.empty(shape, dtype).strides
        span = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + dtype.itemsize
        memory = (ctypes.c_char * span).from_address(description["data"][0])
        memory.owner = owner
        return DeviceArray(np.ndarray(shape, dtype, memory, 0, strides))

    def stream(self) -> Any:
        """A number of its own."""
        return next(self.streams)

    def external(self, handle: int) -> Any:
        """The number itself."""
        return handle

    def order(self, before: Any, after: Any) -> None:
        """Counted: everything is done at once."""
        self.orders.append((before, after))


def memory_of(array: Any) -> Any:
    """The numbers of an array of this device."""
    if not isinstance(array, DeviceArray):
        raise TypeError(f"expected an array on the device. Received: {type(array).__name__}.")
    return array.memory
