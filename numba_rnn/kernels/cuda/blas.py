"""cuBLAS by ctypes, for products of many rows: found where CUDA's wheels, PyTorch, CuPy or a toolkit have put it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.errors import DeviceError
from numba_rnn.kernels.cuda.toolkit import LEGACY

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
    """cuBLAS with a handle for each stream: what one handle computes on several at once may be other bits each time."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._lock = library, threading.Lock()
        self._handles = {LEGACY: self._create(LEGACY)}  # by stream, each with the lock of those who use it

    def _create(self, stream: int) -> tuple[ctypes.c_void_p, threading.Lock]:
        handle = ctypes.c_void_p()
        self._check(self._library.cublasCreate_v2(ctypes.byref(handle)), "cublasCreate")
        self._check(self._library.cublasSetStream_v2(handle, ctypes.c_void_p(stream)), "cublasSetStream")
        return handle, threading.Lock()

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
        (xb, xt), (zb, zt) = ((a.strides[0] // item, a.strides[1] // item) for a in (x, z))
        if (xb, zb) == (T * xt, T * zt):  # all rows are equally far apart: one product
            B, T = 1, B * T
        elif T < B:  # few products of many rows, and not the other way round
            B, T, xb, xt, zb, zt = T, B, xt, xb, zt, zb
        kind, number = REALS[x.dtype]
        compute = COMPUTE_64F if x.dtype == np.float64 else COMPUTE[precision]
        one, zero = number(1), number(0)
        # cuBLAS counts down columns: in its eyes this is z' = w' x', (N, T) = (N, D) (D, T), B times.
        arguments = (
            0, 0, N, T, D, ctypes.byref(one), _pointer(w), kind, w.strides[0] // item, ctypes.c_longlong(0),
            _pointer(x), kind, xt, ctypes.c_longlong(xb), ctypes.byref(zero), _pointer(z), kind, zt, ctypes.c_longlong(zb),
            B, compute, ANY_ALGORITHM,
        )  # fmt: skip
        queue, gemm = int(stream), self._library.cublasGemmStridedBatchedEx
        with self._lock:
            if queue not in self._handles:
                self._handles[queue] = self._create(queue)
            handle, lock = self._handles[queue]

        def multiply() -> None:
            with lock:
                status = gemm(handle, *arguments)
            self._check(status, "cublasGemmStridedBatchedEx")

        return multiply

    @staticmethod
    def _check(status: int, what: str) -> None:
        if status:
            raise DeviceError(f"cuBLAS failed: {what} returned status {status}.")


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__cuda_array_interface__["data"][0])
