"""Whether there is a GPU to run on, found out without importing the compiler."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache

__all__ = ["why_not"]

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@cache
def why_not() -> str | None:
    """None where a GPU can be used, otherwise the reason why not."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return f"there is no NVIDIA driver ({DRIVER})"
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed: pip install 'numba_rnn[cuda]', or [cuda12] for a driver of CUDA 12"
    from numba_rnn.kernels.cuda.toolkit import cuda

    if cuda.is_available():
        return None
    error = str(cuda.cuda_error() or "").strip().split("\n")[0]
    return f"no NVIDIA GPU was found{f' ({error})' if error else ''}"
