"""Weights from Keras' layout into panels: whole vectors, all gates of a group of units side by side, aligned to a cache line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.kernels.backend import PlainWeights

__all__ = [
    "CACHE_LINE",
    "PackedWeights",
    "aligned",
    "pack_bias",
    "pack_for_rows",
    "pack_matrix",
    "pack_weights",
    "side_by_side",
]

CACHE_LINE = 64  # bytes; a vector that straddles two lines costs two loads


class PackedWeights(NamedTuple):
    """A cell's weights as the kernel reads them, in the order of its arguments; HB = ceil(H / lanes) panels.

    Attributes:
        kernel: (HB, D, G, lanes).
        bias: (HB, G, lanes).
        first, first_bias: the recurrent kernel of the gates that h itself multiplies, (HB, H, F, lanes) and (HB, F, lanes).
        rest, rest_bias: the other gates', (HB, H, G-F, lanes) and (HB, G-F, lanes).
        extra: (HB, E, lanes).
    """

    kernel: Array
    bias: Array
    first: Array
    first_bias: Array
    rest: Array
    rest_bias: Array
    extra: Array


def aligned(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """A zeroed array that starts on a cache line."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def pack_matrix(w: Array, gates: int, lanes: int) -> Array:
    """(K, G*H) to (HB, K, G, lanes), zeros past H."""
    K = w.shape[0]
    H = w.shape[1] // gates if gates else 0
    panels = -(-H // lanes)
    packed = aligned((panels, K, gates, lanes), w.dtype)
    by_gate = w.reshape(K, gates, H)
    for j in range(panels):
        units = by_gate[:, :, j * lanes : (j + 1) * lanes]
        packed[j, :, :, : units.shape[2]] = units
    return packed


def pack_bias(b: Array, gates: int, lanes: int) -> Array:
    """(G*H,) to (HB, G, lanes), zeros past H."""
    return pack_matrix(b.reshape(1, -1), gates, lanes)[:, 0]


def pack_weights(weights: PlainWeights, gates: int, first: int, lanes: int) -> PackedWeights:
    """Pack a cell's weights; `first` gates are multiplied by h itself."""
    w = weights
    H = w.recurrent_kernel.shape[0]
    cut = first * H
    return PackedWeights(
        kernel=pack_matrix(w.kernel, gates, lanes),
        bias=pack_bias(w.bias, gates, lanes),
        first=pack_matrix(w.recurrent_kernel[:, :cut], first, lanes),
        first_bias=pack_bias(w.recurrent_bias[:cut], first, lanes),
        rest=pack_matrix(w.recurrent_kernel[:, cut:], gates - first, lanes),
        rest_bias=pack_bias(w.recurrent_bias[cut:], gates - first, lanes),
        extra=pack_bias(w.extra.reshape(-1), len(w.extra), lanes),
    )


def side_by_side(cells: list[PackedWeights]) -> PackedWeights:
    """The weights of several cells in one another's wake: every array's panels, the first cell's before the second's."""
    if len(cells) == 1:
        return cells[0]
    joined = []
    for arrays in zip(*cells, strict=True):
        out = aligned((sum(len(a) for a in arrays), *arrays[0].shape[1:]), arrays[0].dtype)
        joined.append(np.concatenate(arrays, out=out))
    return PackedWeights(*joined)


def _by_unit(packed: Array, N: int, H: int, spare: int) -> Array:
    """(N*HB, K, G, lanes) to (N, K, H*G + spare): all gates of a unit side by side."""
    panels, K, G, lanes = packed.shape
    units = packed.reshape(N, panels // N, K, G, lanes).transpose(0, 2, 1, 4, 3).reshape(N, K, panels // N * lanes, G)
    numbers = aligned((N, K, H * G + spare), packed.dtype)
    numbers[:, :, : H * G] = units[:, :, :H].reshape(N, K, H * G)
    return numbers


def _spread(packed: Array, N: int, H: int, spare: int) -> Array:
    """(N*HB, G, lanes) to (N, H*G + spare, lanes): each number in every lane."""
    numbers = _by_unit(packed[:, None], N, H, spare)
    vectors = aligned((N, numbers.shape[2], packed.shape[2]), packed.dtype)
    vectors[...] = numbers[:, 0, :, None]
    return vectors


def pack_for_rows(packed: PackedWeights, N: int, H: int, spare: int) -> PackedWeights:
    """The same weights of N cells for vectors of batch rows.

    Matrices are (N, K, H*G + spare), biases and extra (N, H*G + spare, lanes); the spare ones are zeros that a tile may run into.
    """
    p = packed
    return PackedWeights(
        kernel=_by_unit(p.kernel, N, H, spare),
        bias=_spread(p.bias, N, H, spare),
        first=_by_unit(p.first, N, H, spare),
        first_bias=_spread(p.first_bias, N, H, spare),
        rest=_by_unit(p.rest, N, H, spare),
        rest_bias=_spread(p.rest_bias, N, H, spare),
        extra=_spread(p.extra, N, H, spare),
    )
