"""Kernels launched again and again: what numba makes of an array for the driver is made once, and kept with the array.

numba's own launch turns each array into seven and more parameters, anew each time. Here they are kept as the bytes that the driver
reads, and a launch joins them. The first launch with arguments of some types is still numba's: it compiles, loads and checks. So is
every launch with an argument that is not known here, and one that the driver refuses: numba says why.

What is taken from numba's inside, all of it in `_load`, is its compiled kernel, and what that makes of the first arguments: where
those are other bytes than here, or a numba is made otherwise, every launch is numba's. `test_launching.py` tells.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
from typing import Any

import numpy as np

from numba_rnn.progress import compiling

try:
    from cuda.bindings import driver
except ImportError:  # numba's own CUDA target does without
    driver = None

__all__ = ["Kernel"]

WORD = 8  # bytes of a parameter here; the driver reads those of its type, the first ones

_kinds: dict[Any, int] = {}  # of arrays: finer than numba's types of them
_numbers = itertools.count()


class Kernel:
    """A compiled kernel.

    Args:
        dispatcher: numba's.
    """

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._loaded: dict[tuple[Any, ...], _Loaded | None] = {}  # None: numba launches it

    def launch(self, grid: tuple[int, int], threads: int, stream: Any, arguments: tuple[Any, ...]) -> None:
        """Put it onto a stream. Any thread may, at any time."""
        try:
            kind, data = _pack_tuple(arguments)
        except (AttributeError, struct.error):  # no number or array of numba's, or an integer of 64 bits and no sign
            self._dispatcher[grid, threads, stream](*arguments)
            return
        loaded = self._loaded.get(kind)
        # A thread that has no context yet is refused as well, and has one after numba's launch.
        if loaded is not None and loaded.launch(grid, threads, int(stream), data):
            return
        if kind in self._loaded:
            self._dispatcher[grid, threads, stream](*arguments)
            return
        with compiling(f"CUDA kernel {self._dispatcher.py_func.__name__}"):
            self._dispatcher[grid, threads, stream](*arguments)
            self._loaded[kind] = _load(self._dispatcher, stream, arguments, data)


class _Loaded:
    """A kernel for arguments of some types, on the device.

    Args:
        compiled: numba's kernel, kept as long as this.
        function: the driver's.
        size: bytes of its parameters.
    """

    def __init__(self, compiled: Any, function: Any, size: int) -> None:
        self._compiled, self._function, self._size = compiled, function, size
        self._frames: list[_Frame] = []  # that no thread uses

    def launch(self, grid: tuple[int, int], threads: int, stream: int, data: bytes) -> bool:
        """Whether the driver took it."""
        frames = self._frames
        try:
            frame = frames.pop()
        except IndexError:
            frame = _Frame(self._size, self._compiled.cooperative)
        config = frame.config
        config.gridDimX, config.gridDimY = grid
        config.blockDimX = threads
        config.hStream = stream
        frame.buffer.raw = data
        (status,) = driver.cuLaunchKernelEx(config, self._function, frame.address, 0)
        frames.append(frame)
        return bool(status == driver.CUresult.CUDA_SUCCESS)


class _Frame:
    """What a launch is told in: the driver has read it when it returns.

    Attributes:
        config: the driver's description of a launch.
        buffer: of the parameters, a word each.
        address: of a table of where each begins.
    """

    __slots__ = ("_table", "address", "buffer", "config")

    def __init__(self, size: int, cooperative: bool) -> None:
        self.buffer = ctypes.create_string_buffer(size)
        begin = ctypes.addressof(self.buffer)
        self._table = (ctypes.c_void_p * (size // WORD))(*range(begin, begin + size, WORD))
        self.address = ctypes.addressof(self._table)
        self.config = driver.CUlaunchConfig()
        self.config.gridDimZ = self.config.blockDimY = self.config.blockDimZ = 1
        if cooperative:
            attribute = driver.CUlaunchAttribute()
            attribute.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_COOPERATIVE
            attribute.value.cooperative = 1
            self.config.attrs, self.config.numAttrs = [attribute], 1


def _pack_array(array: Any) -> tuple[int, bytes]:
    """The kind of an array, and its parameters, which are kept with it: neither changes while there is the array."""
    found: tuple[int, bytes] | None = array.__dict__.get("_launched_as")
    if found is None:
        flags, strides, size = array.flags, array.strides, array.size
        contiguous, spread = (flags["C_CONTIGUOUS"], flags["F_CONTIGUOUS"]), size != 0 and 0 in strides
        key = type(array), array.dtype, array.ndim, contiguous, spread
        pointer = array.gpu_data.device_ctypes_pointer.value or 0
        owner = 0, 0  # of the memory: numba's kernels take it, and do without
        words = *owner, size, array.dtype.itemsize, pointer, *array.shape, *strides
        kind = _kinds.get(key)
        if kind is None:
            kind = _kinds.setdefault(key, next(_numbers))
        array._launched_as = found = kind, struct.pack(f"{len(words)}q", *words)
    return found


def _pack_tuple(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], bytes]:
    """The kinds of several values, and their parameters."""
    kinds, words = [], []
    for value in values:
        kind, word = _PACK.get(type(value), _pack_array)(value)
        kinds.append(kind)
        words.append(word)
    return tuple(kinds), b"".join(words)


def _packs(kind: type, code: str) -> Any:
    pack = struct.Struct(code).pack
    return lambda value: (kind, pack(value))


_PACK = {  # the rest are arrays
    int: _packs(int, "q"),
    np.float32: _packs(np.float32, "f4x"),
    np.float64: _packs(np.float64, "d"),
    tuple: _pack_tuple,
}


def _load(dispatcher: Any, stream: Any, arguments: tuple[Any, ...], data: bytes) -> _Loaded | None:
    """The kernel that numba has just launched with these arguments; None where it has to go on doing so."""
    try:
        compiled = dispatcher.overloads[tuple(map(dispatcher.typeof_pyval, arguments))]
        after: list[Any] = []  # what numba would do after a launch
        found: list[Any] = []
        for kind, value in zip(compiled.argument_types, arguments, strict=True):
            compiled._prepare_args(kind, value, stream, after, found)
        same = not after and b"".join(map(_word, found)) == data
        if driver is None or not same or compiled.debug or getattr(compiled, "launch_config_sensitive", False):
            return None
        return _Loaded(compiled, driver.CUfunction(int(compiled.library.get_cufunc().handle)), len(data))
    except (AttributeError, KeyError, TypeError, ValueError, struct.error):
        return None


def _word(parameter: Any) -> bytes:
    """What numba gives the driver as one parameter: a number, or one of C's."""
    return struct.pack("q", parameter) if isinstance(parameter, int) else bytes(parameter).ljust(WORD, b"\0")
