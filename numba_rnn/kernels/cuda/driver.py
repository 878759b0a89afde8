"""The device as the backend sees it: its measures, its memory, launching kernels, multiplying matrices.

Everything goes onto a stream, in order, and returns before it is done; only `download` waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.kernels.cuda import blas, disk, launching, toolkit

__all__ = ["Device", "Driver", "Hardware"]


@dataclass(frozen=True)
class Device:
    """What decides how kernels are cut.

    Attributes:
        name: as NVIDIA has it.
        capability: (9, 0) of an H100.
        multiprocessors: how many blocks of the largest kernels run at once.
        number: which GPU of this process.
        blas: whether cuBLAS is there.
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    number: int = 0
    blas: bool = True


class Driver(Protocol):
    """A GPU, or in the tests a simulated one. Arrays on it have `shape`, `dtype`, `reshape`, and slices by basic indexing."""

    device: Device

    def kernel(self, function: Callable[..., None], threads: int, key: Any = None) -> Any:
        """`function` as a kernel of at most so many threads a block; `key` tells it from all others made in its place, if given."""
        ...

    def launch(self, kernel: Any, grid: tuple[int, int], threads: int, stream: Any, *arguments: Any) -> None:
        """Run a kernel on so many blocks of so many threads."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array on the device, of whatever its memory holds."""
        ...

    def upload(self, array: Array, stream: Any) -> Any:
        """A copy of a NumPy array on the device."""
        ...

    def send(self, array: Array, target: Any, stream: Any) -> None:
        """A C-contiguous NumPy array into one on the device, of the same shape and dtype."""
        ...

    def download(self, array: Any, stream: Any) -> Array:
        """A copy of a device's array, once all before it on the stream is done."""
        ...

    def copy(self, source: Any, target: Any, stream: Any) -> None:
        """One device array into another of the same shape and dtype, both C-contiguous."""
        ...

    def fill(self, array: Any, byte: int, stream: Any) -> None:
        """Set every byte of a C-contiguous array."""
        ...

    def product(self, x: Any, w: Any, z: Any, precision: str, stream: Any) -> Callable[[], None] | None:
        """What computes z = x w each time it is called: x (B, T, D), w (D, N), z (B, T, N), the rows of all contiguous.

        None where `device.blas` says that there is no library for it.
        """
        ...

    def flag(self) -> Any:
        """One int32, 0, that kernels write and the host reads at any time."""
        ...

    def adopt(self, description: dict[str, Any], owner: Any) -> Any:
        """An array in memory that `owner` keeps, by its `__cuda_array_interface__`."""
        ...

    def stream(self) -> Any:
        """A new stream; `int` gives its number."""
        ...

    def external(self, handle: int) -> Any:
        """A stream that somebody else has made, by its number; 1 is the default stream."""
        ...

    def order(self, before: Any, after: Any) -> None:
        """Let what is put onto one stream from now on wait, on the device, for all that was put onto another so far."""
        ...


class Hardware:
    """The current NVIDIA GPU."""

    def __init__(self) -> None:
        gpu = toolkit.cuda.get_current_device()
        name = gpu.name.decode() if isinstance(gpu.name, bytes) else gpu.name
        self._blas = blas.Library.load()
        self.device = Device(
            name, tuple(gpu.compute_capability), gpu.MULTIPROCESSOR_COUNT, gpu.id, blas=self._blas is not None
        )

    def kernel(self, function: Callable[..., None], threads: int, key: Any = None) -> Any:
        """Compiled at its first launch, or taken from the disk then; not kept there without a key."""
        dispatcher = toolkit.kernel(function, threads)
        if key is not None:
            disk.keep(dispatcher, key)
        return launching.Kernel(dispatcher)

    def launch(self, kernel: Any, grid: tuple[int, int], threads: int, stream: Any, *arguments: Any) -> None:
        """Returns at once."""
        kernel.launch(grid, threads, stream, arguments)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A numba device array."""
        return toolkit.cuda.device_array(shape, dtype)

    def upload(self, array: Array, stream: Any) -> Any:
        """Waits until it is there."""
        there = toolkit.cuda.to_device(np.ascontiguousarray(array), stream=stream)
        stream.synchronize()
        return there

    def send(self, array: Array, target: Any, stream: Any) -> None:
        """Waits, as `upload` does."""
        toolkit.send(array, target, stream)

    def download(self, array: Any, stream: Any) -> Array:
        """Waits."""
        out: Array = toolkit.download(array, stream)
        return out

    def copy(self, source: Any, target: Any, stream: Any) -> None:
        """Returns at once."""
        target.copy_to_device(source, stream=stream)

    def fill(self, array: Any, byte: int, stream: Any) -> None:
        """Returns at once."""
        toolkit.fill(array, byte, stream)

    def product(self, x: Any, w: Any, z: Any, precision: str, stream: Any) -> Callable[[], None] | None:
        """By cuBLAS, where it is installed."""
        return None if self._blas is None else self._blas.product(x, w, z, precision, stream)

    def flag(self) -> Any:
        """In the host's memory, mapped."""
        flag = toolkit.cuda.mapped_array(1, np.int32)
        flag[:] = 0
        return flag

    def stream(self) -> Any:
        """One that the default stream waits for, and that waits for it."""
        return toolkit.cuda.stream()

    def adopt(self, description: dict[str, Any], owner: Any) -> Any:
        """Without a copy, and without waiting for its stream."""
        return toolkit.adopt(description, owner)

    def external(self, handle: int) -> Any:
        """One that is not closed here."""
        return toolkit.external_stream(handle)

    def order(self, before: Any, after: Any) -> None:
        """By an event."""
        toolkit.order(before, after)
