"""Arrays of PyTorch, CuPy, JAX, numba and others on the GPU: taken in where they lie, on the stream that their library works on.

Nothing waits and nothing is copied. What comes in is used on the caller's stream; where it was made on another, that one's event
comes before. Results are of the kind that came in, in memory of its own allocator where it has one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn.errors import DeviceError, DTypeError
from numba_rnn.kernels.cuda.dlpack import VERSION, Export, Tensor, read
from numba_rnn.kernels.cuda.driver import Driver
from numba_rnn.kernels.cuda.strided import DEVICES, Memory, Strided, packed
from numba_rnn.kernels.cuda.toolkit import LEGACY

__all__ = ["ALLOCATORS", "LEGACY", "Found", "bring", "caller_stream", "family", "hand_out", "result"]

ALLOCATORS = "torch", "cupy"
FAMILIES = {"torch": "torch", "cupy": "cupy", "jax": "jax", "jaxlib": "jax"}


@dataclass
class Found:
    """Where an array lies: the pointer of its first element, sizes and strides in elements, and what keeps it there."""

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: Any


def family(x: Any) -> str:
    """Whose array it is: "torch", "cupy", "jax", or "" for all that need no special care."""
    return next((FAMILIES[m] for c in type(x).__mro__ if (m := c.__module__.split(".")[0]) in FAMILIES), "")


def caller_stream(x: Any) -> int | None:
    """The stream that its library uses right now, as a number; None where the library orders itself after any stream it is told."""
    kind = family(x)
    if kind == "torch":
        return int(sys.modules["torch"].cuda.current_stream(x.device).cuda_stream) or LEGACY
    if kind == "cupy":
        return int(sys.modules["cupy"].cuda.get_current_stream().ptr) or LEGACY
    if kind == "jax" or not hasattr(x, "__cuda_array_interface__"):
        return None
    return int(x.__cuda_array_interface__.get("stream") or LEGACY)


def bring(x: Any, place: Any) -> Strided:
    """A foreign array where it lies, for work on the place's stream.

    Raises:
        DeviceError: it lies on another GPU.
        DTypeError: its elements are none that NumPy knows.
        ValueError: a tensor that records gradients.
    """
    driver: Driver = place.driver
    found = _found(x, place)
    low = sum(min(0, (n - 1) * s) for n, s in zip(found.shape, found.strides, strict=True))
    high = sum(max(0, (n - 1) * s) for n, s in zip(found.shape, found.strides, strict=True))
    if 0 in found.shape:
        return Strided(place, Memory(driver.empty((0,), found.dtype)), found.shape)
    description = {
        "shape": (high - low + 1,), "strides": None, "typestr": found.dtype.str, "version": 3, "stream": None,
        "data": (found.pointer + low * found.dtype.itemsize, False),
    }  # fmt: skip
    return Strided(place, Memory(driver.adopt(description, found.owner)), found.shape, found.strides, -low)


def _found(x: Any, place: Any) -> Found:
    kind = family(x)
    if kind == "torch" and x.requires_grad:
        if sys.modules["torch"].is_grad_enabled():
            raise ValueError(
                "No gradients are computed here. Expected: a tensor that needs none. Received: one with requires_grad. Call "
                "under `torch.no_grad()`, or pass `x.detach()`."
            )
        x = x.detach()
    if hasattr(x, "__dlpack_device__"):
        _, number = x.__dlpack_device__()
        if number != place.driver.device.number:
            raise DeviceError(
                f"The array lies on GPU {number}, and GPU {place.driver.device.number} is the current one. Move it there, or "
                "choose the GPU with CUDA_VISIBLE_DEVICES."
            )
    if kind == "jax" or not hasattr(x, "__cuda_array_interface__"):
        return _from_dlpack(x, place)
    return _from_interface(x, kind, place)


def _from_interface(x: Any, kind: str, place: Any) -> Found:
    said = x.__cuda_array_interface__
    try:
        dtype = np.dtype(said["typestr"])
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf" or said.get("mask") is not None:
        raise DTypeError(
            f"Arrays hold plain numbers. Received: elements of type {said['typestr']!r} in a {type(x).__name__}."
        )
    stream = caller_stream(x) if kind else said.get("stream")
    if stream is not None and stream != int(place.stream):
        place.driver.order(place.driver.external(stream), place.stream)
    shape, strides = tuple(map(int, said["shape"])), said.get("strides")
    steps = packed(shape) if strides is None else tuple(int(s) // dtype.itemsize for s in strides)
    return Found(said["data"][0], shape, steps, dtype, x)


def _from_dlpack(x: Any, place: Any) -> Found:
    """The library lets the place's stream wait for the array by itself."""
    stream = int(place.stream)
    try:
        capsule = x.__dlpack__(stream=stream, max_version=VERSION)
    except TypeError:  # it is older than versions
        capsule = x.__dlpack__(stream=stream)
    tensor = read(capsule)
    if tensor.device[0] not in DEVICES:
        raise DeviceError(f"An array on the GPU was expected. Received: DLPack's device type {tensor.device[0]}.")
    # Its library may use the memory for something else as soon as it is let go of, and orders itself after results alone.
    place.keep(tensor)
    strides = packed(tensor.shape) if tensor.strides is None else tensor.strides
    return Found(tensor.pointer, tensor.shape, strides, tensor.dtype, _Keeper(tensor))


class _Keeper:
    """An owner of memory that came in a capsule."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def result(place: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Strided:
    """An array of the caller's own allocator, one of `ALLOCATORS`, which does not wait for the GPU."""
    if family(place.like) == "torch":
        foreign = place.like.new_empty(shape, dtype=getattr(sys.modules["torch"], dtype.name))
    else:
        foreign = sys.modules["cupy"].empty(shape, dtype)
    made = bring(foreign, place)
    return Strided(place, Memory(made.memory.flat, foreign=foreign), shape)


def hand_out(x: Strided) -> Any:
    """A result as the caller's library has arrays, on the stream that it was computed on."""
    place = x.place
    x.memory.keep()
    if x.memory.foreign is not None:
        return x.memory.foreign.reshape(x.shape)
    array = x.array
    said = {**array.__cuda_array_interface__, "stream": int(place.stream)}
    if family(place.like) == "jax":
        device = DEVICES[0], place.driver.device.number
        made = Export(array, said["data"][0], x.shape, x.dtype, device, place.let_wait)
        return sys.modules["jax"].dlpack.from_dlpack(made)
    return place.driver.adopt(said, array) if x.size else array
