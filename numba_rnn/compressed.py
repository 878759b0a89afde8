"""Matrices of weights in fewer bytes: upper halves of float32 (bfloat16), half precision, or whole numbers with a scale a column.

    storage     bytes   data      a weight is                                     off by at most
    bfloat16    2       uint16    the upper half of its float32                   2^-8 of itself
    float16     2       float16   IEEE 754's half precision, up to 65504          2^-11 of itself, 2^-25 below 2^-14
    int8        1       int8      q * scale[column], q whole in -127 ... 127      half of its column's scale, max|w| / 254

All round to the nearest, ties to even. Sources: IEEE 754-2019 (binary16); D. Kalamkar et al., "A Study of BFLOAT16 for Deep
Learning Training", 2019; R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, section 2.2
(symmetric, per channel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError

__all__ = ["STORAGES", "Compressed", "check_storage", "compress", "compressed_bytes", "expand"]

STORAGES = ("bfloat16", "float16", "int8")
FLOAT32 = np.dtype(np.float32)
LARGEST = 127  # of int8: -128 has no counterpart
LIMITS = {"bfloat16": 3.38953e38, "float16": 65504}  # what rounds to no infinity


@dataclass(frozen=True, eq=False)
class Compressed:
    """A matrix (K, N) of float32, kept in fewer bytes.

    Attributes:
        storage: one of `STORAGES`.
        data: (K, N), C-contiguous: uint16, float16 or int8.
        scale: float32 (N,), what a column's whole numbers are multiplied by; None for the floating point storages.
        dtype: what it is computed with.
    """

    dtype: ClassVar[np.dtype[Any]] = FLOAT32

    storage: str
    data: Array
    scale: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(K, N)."""
        return self.data.shape

    @property
    def nbytes(self) -> int:
        """Of data and scale."""
        return self.data.nbytes + (0 if self.scale is None else self.scale.nbytes)


def check_storage(storage: Any, dtype: Any = FLOAT32) -> None:
    """Refuse what is neither None nor one of `STORAGES`, and a storage for weights that are computed with in float64.

    Raises:
        ValueError: another storage.
        DTypeError: a storage, and another dtype than float32.
    """
    if storage is None:
        return
    if not isinstance(storage, str) or storage not in STORAGES:
        raise ValueError(
            f"Weights are kept as {', '.join(map(repr, STORAGES))}, or None for what they are computed with. Received: "
            f"weights={storage!r}."
        )
    if np.dtype(dtype) != FLOAT32:
        raise DTypeError(
            f"Only what computes in float32 can keep its weights as {storage}. Received: {np.dtype(dtype)}. Leave `weights` out, "
            "or make it of float32."
        )


def compress(w: Array, storage: str, name: str = "weights") -> Compressed:
    """A matrix (K, N) of float32 in fewer bytes.

    NaN and infinity stay what they are, except as int8, which has neither. A column of int8 that is all zero, or so small that its
    scale would be subnormal, has the scale 1.

    Args:
        w: float32 (K, N).
        storage: one of `STORAGES`.
        name: what a message calls the matrix.

    Raises:
        ValueError: a finite weight that the storage has no room for; NaN or infinity as int8; an unknown storage.
        DTypeError: w is not of float32.
    """
    check_storage(storage, w.dtype)
    w = np.ascontiguousarray(w)
    if storage == "int8":
        return _as_int8(w, name)
    if storage == "bfloat16":
        data, infinite = _as_bfloat16(w)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # told of below; a signalling NaN is as good as any
            data = w.astype(np.float16)
        infinite = np.isinf(data)
    lost = infinite & np.isfinite(w)
    if lost.any():
        largest = np.abs(w[lost]).max()
        raise ValueError(
            f"`{name}` does not fit {storage}. Expected: magnitudes up to {LIMITS[storage]}. Received: {largest:.6g}. "
            f"Use {' or '.join(s for s in STORAGES if s != storage)}."
        )
    return Compressed(storage, data)


def expand(matrix: Array | Compressed) -> Array:
    """The float32 numbers (K, N) that a matrix stands for; a plain array is its own."""
    if not isinstance(matrix, Compressed):
        return matrix
    if matrix.storage == "bfloat16":
        widened: Array = (matrix.data.astype(np.uint32) << 16).view(np.float32)
        return widened
    widened = matrix.data.astype(np.float32)
    return widened if matrix.scale is None else widened * matrix.scale


def compressed_bytes(shape: tuple[int, ...], storage: str) -> int:
    """How many bytes a matrix (K, N) takes, scales included."""
    K, N = shape
    return K * N + 4 * N if storage == "int8" else 2 * K * N


def _as_bfloat16(w: Array) -> tuple[Array, Array]:
    """The upper halves, and which of them are infinite."""
    bits = w.view(np.uint32)
    # Half of the last place kept, less one where that place is even: what lies exactly between goes to the even one.
    rounded = (bits + (0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    quiet = (bits >> 16 | 0x40).astype(np.uint16)  # adding could carry a NaN into infinity, or past it
    data = np.where(np.isnan(w), quiet, rounded)
    return data, (data & 0x7FFF) == 0x7F80


def _as_int8(w: Array, name: str) -> Compressed:
    if not np.isfinite(w).all():
        raise ValueError(
            f"`{name}` cannot be kept as int8. Expected: finite numbers. Received: {np.count_nonzero(~np.isfinite(w))} that are "
            "not. Use bfloat16 or float16."
        )
    scale = np.abs(w).max(axis=0, initial=0) / np.float32(LARGEST)
    scale[scale < np.finfo(np.float32).tiny] = 1
    quotients = w / scale.astype(np.float64)  # float32's could be rounded up to a half, and then to the wrong side
    data = np.rint(quotients).astype(np.int8)
    return Compressed("int8", data, scale)
