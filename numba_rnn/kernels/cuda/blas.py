"""cuBLAS by ctypes, for products of many rows: found where CUDA's wheels, PyTorch, CuPy or a toolkit have put it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.errors import DeviceError

__all__ = ["Library"]

NAMES = "libcublas.so.13", "libcublas.so.12"
# Source: cublas_api.h, library_types.h.
REALS = {
    np.dtype(np.float32): (0, ctypes.c_float),
    np.dtype(np.float64): (1, ctypes.c_double),
}  # CUDA_R_32F, CUDA_R_64F
COMPUTE_64F = 70
COMPUTE = {"fp32": 68, "bf16x3": 68, "tf32": 77, "bf16": 75}  # CUBLAS_COMPUTE_32F, _FAST_TF32, _FAST_16BF
ANY_ALGORITHM = -1


class Library:
    """cuBLAS with a handle of this process; one call at a time."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._lock = library, threading.Lock()
        self._handle = ctypes.c_void_p()
        self._check(library.cublasCreate_v2(ctypes.byref(self._handle)), "cublasCreate")

    @classmethod
    def load(cls) -> Library | None:
        """The library, or None where there is none that starts."""
        try:
            from cuda.pathfinder import load_nvidia_dynamic_lib

            load_nvidia_dynamic_lib("cublas")
        except (ImportError, RuntimeError):  # then the system's loader may know it
            pass
        for name in NAMES:
            try:
                return cls(ctypes.CDLL(name))
            except (OSError, DeviceError):  # none, or one that the driver is too old for
                continue
        return None

    def product(self, x: Any, w: Any, z: Any, precision: str, stream: Any) -> Callable[[], None]:
        """What computes z = x w: x (B, T, D), w (D, N), z (B, T, N), the rows of all contiguous; see `Driver.product`."""
        B, T, D = x.shape
        N, item = w.shape[1], x.dtype.itemsize
        kind, number = REALS[x.dtype]
        compute = COMPUTE_64F if x.dtype == np.float64 else COMPUTE[precision]
        one, zero = number(1), number(0)
        # cuBLAS counts down columns: in its eyes this is z' = w' x', (N, T) = (N, D) (D, T), once a sequence.
        arguments = (
            0, 0, N, T, D, ctypes.byref(one),
            _pointer(w), kind, w.strides[0] // item, ctypes.c_longlong(0),
            _pointer(x), kind, x.strides[1] // item, ctypes.c_longlong(x.strides[0] // item),
            ctypes.byref(zero), _pointer(z), kind, z.strides[1] // item, ctypes.c_longlong(z.strides[0] // item),
            B, compute, ANY_ALGORITHM,
        )  # fmt: skip
        handle, queue = self._handle, ctypes.c_void_p(int(stream))
        set_stream, gemm = self._library.cublasSetStream_v2, self._library.cublasGemmStridedBatchedEx

        def multiply() -> None:
            with self._lock:
                self._check(set_stream(handle, queue), "cublasSetStream")
                self._check(gemm(handle, *arguments), "cublasGemmStridedBatchedEx")

        return multiply

    @staticmethod
    def _check(status: int, what: str) -> None:
        if status:
            raise DeviceError(f"cuBLAS failed: {what} returned status {status}.")


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__cuda_array_interface__["data"][0])
