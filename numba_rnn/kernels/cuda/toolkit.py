"""All that the library imports of numba's CUDA target, in one place: another toolkit would be another module of these names.

What it knows of the inside of numba's kernels is in `launching` and `disk`.
"""

import os
from functools import cache
from importlib.metadata import version

import numpy as np

# numba-cuda 0.30 names functions that NumPy 2.5 no longer has, and is not going to be changed (NVIDIA/numba-cuda#907).
for _old, _new in (("row_stack", "vstack"), ("in1d", "isin"), ("trapz", "trapezoid")):
    if not hasattr(np, _old):
        setattr(np, _old, getattr(np, _new))

from llvmlite import ir
from numba import config, cuda, float32, float64, int32, int64, types, uint32, uint64
from numba.core import cgutils
from numba.core.errors import TypingError

try:
    from numba.cuda.extending import intrinsic
except ImportError:  # numba's own CUDA target, which numba-cuda replaces
    from numba.extending import intrinsic  # type: ignore[assignment]

__all__ = [
    "LEGACY", "REALS", "TypingError", "adopt", "capability", "cgutils", "cuda", "device_function", "download",
    "external_stream", "fill", "float32", "float64", "int32", "int64", "intrinsic", "ir", "kernel", "order", "real_type",
    "send", "types", "uint32", "uint64", "versions",
]  # fmt: skip

REALS = {np.dtype(np.float32): float32, np.dtype(np.float64): float64}

LEGACY = 1  # the default stream that waits for all others, as the interfaces number it

# One sequence fills one block of a persistent kernel, and is right to.
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # type: ignore[attr-defined]


def real_type(dtype):
    """The compiler's name of float32 or float64: calling it rounds a number to that type, in a kernel too."""
    return REALS[np.dtype(dtype)]


def kernel(function, threads):
    """A kernel, compiled at its first launch, of at most so many threads a block; no fast-math: NaN in gives NaN out.

    Not optimized when it is linked: what runs is the code that `tests/kernels/cuda` holds to its budgets.
    """
    return cuda.jit(function, launch_bounds=(threads, 1), fastmath=False, lto=False)


@cache
def versions():
    """Of all that makes machine code of a kernel's source, the GPU's driver included; None where they are not known."""
    try:
        from cuda import pathfinder
        from llvmlite import __version__ as llvmlite

        # The two that compile and link: their versions are told as 13.5, their sizes tell 13.5.37.
        paths = [pathfinder.load_nvidia_dynamic_lib(name).abs_path for name in ("nvvm", "nvJitLink")]
        numbers = cuda.runtime.get_version(), cuda.cudadrv.driver.driver.get_version()
        return version("numba-cuda"), llvmlite, *numbers, *map(os.path.getsize, paths)
    except (ImportError, AttributeError, TypeError, OSError, RuntimeError):
        return None


def capability():
    """Of the current GPU, such as (9, 0)."""
    return tuple(cuda.get_current_device().compute_capability)


def device_function(function):
    """A function for kernels to call: the compiler inlines it."""
    return cuda.jit(function, device=True, forceinline=True)


def fill(array, byte, stream):
    """Set every byte of a C-contiguous device array."""
    cuda.current_context()
    cuda.driver.device_memset(array, byte, array.nbytes, stream)


def send(array, target, stream):
    """A C-contiguous NumPy array into a C-contiguous device array; waits until it is there: the array may be changed again."""
    cuda.current_context()  # of this thread, which may have none yet
    cuda.driver.host_to_device(target, array, array.nbytes, stream)
    stream.synchronize()  # of memory that is pinned, or that the GPU reads by itself, nothing is copied at once


def download(array, stream):
    """A copy of a device array."""
    if array.size == 0 or not array.is_c_contiguous():
        out = array.copy_to_host(stream=stream)
    else:  # the same, in a tenth of the time
        cuda.current_context()
        out = np.empty(array.shape, array.dtype)
        cuda.driver.device_to_host(out, array, out.nbytes, stream)
    stream.synchronize()
    return out


def adopt(description, owner):
    """A device array in memory that `owner` keeps, by its `__cuda_array_interface__`; nobody waits for its stream."""
    return cuda.from_cuda_array_interface(description, owner=owner, sync=False)


def external_stream(handle):
    """A stream that somebody else has made, by its number; 1 is the default stream."""
    return cuda.external_stream(handle)


def order(before, after):
    """What is put onto a stream from now on waits, on the device, for all that was put onto another so far."""
    event = cuda.event(timing=False)
    event.record(before)
    event.wait(after)
