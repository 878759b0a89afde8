"""Weights from Keras' layout into panels: whole vectors, all gates of a group of units side by side, aligned to a cache line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.compressed import Compressed
from numba_rnn.kernels.backend import CellWeights

__all__ = [
    "CACHE_LINE", "PackedWeights", "aligned", "pack_bias", "pack_for_rows", "pack_linear", "pack_matrix", "pack_weights",
    "side_by_side",
]  # fmt: skip

CACHE_LINE = 64  # bytes; a vector that straddles two lines costs two loads


class PackedWeights(NamedTuple):
    """A cell's weights as the kernel reads them, in the order of its arguments; HB = ceil(H / lanes) panels.

    Kept in fewer bytes, the three matrices are what `stored` says: as bfloat16, half as many words take the place of D and H; as
    int8, a bias array is (2, HB, G, lanes), biases and scales, or (3, HB, G, lanes) for `dot`.

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


def pack_linear(w: Array | Compressed, b: Array, gates: int, lanes: int, *, dots: bool = False) -> tuple[Array, Array]:
    """A matrix (K, G*H) in panels, as `stored` describes them, and the bias (G*H,) of its products; `dots`: int8 is for `dot`."""
    bias = pack_bias(b, gates, lanes)
    if not isinstance(w, Compressed):
        return pack_matrix(w, gates, lanes), bias
    if w.storage == "bfloat16":
        return _pair_rows(pack_matrix(w.data, gates, lanes)), bias
    if w.scale is None:
        return pack_matrix(w.data.view(np.uint16), gates, lanes), bias
    parts = [bias, pack_bias(w.scale, gates, lanes)]
    packed = pack_matrix(w.data, gates, lanes)
    if dots:
        offsets = -128 * w.data.sum(axis=0, dtype=np.int32)
        parts.append(pack_bias(offsets, gates, lanes).view(bias.dtype))
        packed = _quads_of_rows(packed)
    stacked = aligned((len(parts), *bias.shape), bias.dtype)
    return packed, np.stack(parts, out=stacked)


def _columns(w: Array | Compressed, part: slice) -> Array | Compressed:
    if not isinstance(w, Compressed):
        return w[:, part]
    return Compressed(w.storage, w.data[:, part], None if w.scale is None else w.scale[part])


def _pair_rows(packed: Array) -> Array:
    """(HB, K, G, lanes) of 16 bits to (HB, ceil(K / 2), G, lanes) of 32: rows 2 k below, rows 2 k + 1 above, zeros past K."""
    HB, K, G, lanes = packed.shape
    pairs = aligned((HB, -(-K // 2), G, lanes), np.dtype(np.uint32))
    pairs[:] = packed[:, ::2]
    pairs[:, : K // 2] |= packed[:, 1::2].astype(np.uint32) << 16
    return pairs


def _quads_of_rows(packed: Array) -> Array:
    """(HB, K, G, lanes) of int8 to (HB, ceil(K / 4), G, lanes) of int32: rows 4 k lowest, zeros past K."""
    HB, K, G, lanes = packed.shape
    quads = aligned((HB, -(-K // 4), G, lanes), np.dtype(np.int32))
    rows = quads.view(np.uint32)
    for i in range(4):
        some = packed[:, i::4].view(np.uint8).astype(np.uint32)
        rows[:, : some.shape[1]] |= some << 8 * i
    return quads


def pack_weights(weights: CellWeights, gates: int, first: int, lanes: int, *, dots: bool = False) -> PackedWeights:
    """Pack a cell's weights; `first` gates are multiplied by h itself; `dots`: h by `dot` if they are kept as int8."""
    w = weights
    H = w.recurrent_kernel.shape[0]
    cut = first * H
    kernel, bias = pack_linear(w.kernel, w.bias, gates, lanes)
    U, b = w.recurrent_kernel, w.recurrent_bias
    first_u, first_b = pack_linear(_columns(U, slice(cut)), b[:cut], first, lanes, dots=dots)
    rest_u, rest_b = pack_linear(_columns(U, slice(cut, None)), b[cut:], gates - first, lanes, dots=dots)
    return PackedWeights(
        kernel, bias, first_u, first_b, rest_u, rest_b, extra=pack_bias(w.extra.reshape(-1), len(w.extra), lanes)
    )


def side_by_side(cells: list[PackedWeights]) -> PackedWeights:
    """The weights of several cells in one another's wake: every array's panels, the first cell's before the second's."""
    if len(cells) == 1:
        return cells[0]
    joined = {}
    for name, arrays in zip(PackedWeights._fields, zip(*cells, strict=True), strict=True):
        axis = arrays[0].ndim - 3 if name.endswith("bias") else 0
        shape = list(arrays[0].shape)
        shape[axis] *= len(cells)
        joined[name] = np.concatenate(arrays, axis, out=aligned(tuple(shape), arrays[0].dtype))
    return PackedWeights(**joined)


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
