"""Matrix products of many rows with packed weights, cut into register tiles."""

import numpy as np
from numba.extending import register_jitable

from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.simd import load_tuple, store
from numba_rnn.kernels.cpu.stored import depth_of, words_of
from numba_rnn.kernels.cpu.tile import tile

__all__ = ["build_linear", "product", "product_by_rows", "workspace"]

# k-rows of a panel that row tiles pass over in turn: 128 KiB for four gates of 16 lanes, which the second-level cache keeps.
# Measured on Zen 4 at H 512 and 1024, B 4 to 32: 256 is 2 to 4 % slower, 128 and 64 up to 30 %.
K_BLOCK = 512

PAIR = (
    2  # rows of the tile for a batch of two: it takes hardly longer than one row, since both wait for the same weights
)

ROWS = 256  # of a product whose outputs are no whole vectors, at once: its workspace stays in the cache (a guess)


@register_jitable
def workspace(size, like):
    """`size` elements that start on a cache line: the array and the offset of the first."""
    line = 64 // like.itemsize
    raw = np.empty(size + line, like.dtype)
    return raw, (-raw.ctypes.data % 64) // like.itemsize


@register_jitable
def cut(n, tall, short):
    """n rows in tall tiles, short tiles, pairs and single rows. A tile may have rows to spare: that beats several lower ones."""
    tiles, tail = n // tall, n % tall
    if tail == 0:
        return tiles, 0, 0, 0
    if tail > short + 1:
        return tiles + 1, 0, 0, 0
    if tail == 1:
        return tiles, 0, 0, 1
    if tiles > 0 and tall + tail <= 2 * short:
        return tiles - 1, 2, 0, 0
    if tail == PAIR:
        return tiles, 0, 1, 0
    return tiles, 1, 0, 1 if tail > short else 0


@literal_jitable
def product(lanes, tall, short, panels, row_panels, gates, a, ao, lda, n, w, wo, K, j0, j1, bias, bo, out, oo, ldo):
    """out[m, j] = bias[bo + j] + A[m] W[j] for n rows and panels j0 <= j < j1; out[oo] belongs to row 0, panel j0.

    Tiles of `tall` or `short` rows by `panels`, then a pair or a single row by `row_panels`, over all k at once.
    """
    GL = gates * lanes
    panel = words_of(w, K) * GL
    block = depth_of(w, K, K_BLOCK)
    talls, _, pairs, singles = cut(n, tall, short)
    r3 = n - singles
    r2 = r3 - PAIR * pairs
    r1 = min(r2, talls * tall)
    for j in range(j0, j1, panels):
        last_panel = min(panels, j1 - j) - 1
        for k in range(0, max(1, K), block):  # once for K = 0: the bias alone
            depth = min(block, K - k)
            wk, fresh, final = wo + j * panel + words_of(w, k) * GL, k == 0, k + depth == K
            for r in range(0, r1, tall):
                tile(lanes, tall, panels, gates, a, ao + r * lda + k, lda, 1, min(tall, r1 - r) - 1, w, wk, panel, last_panel,
                     depth, bias, bo + j * GL, 0, GL, fresh, final, out, oo + r * ldo + (j - j0) * GL, ldo, GL)  # fmt: skip
            for r in range(r1, r2, short):
                tile(lanes, short, panels, gates, a, ao + r * lda + k, lda, 1, min(short, r2 - r) - 1, w, wk, panel, last_panel,
                     depth, bias, bo + j * GL, 0, GL, fresh, final, out, oo + r * ldo + (j - j0) * GL, ldo, GL)  # fmt: skip
    for r in range(r2, r3, PAIR):
        for j in range(j0, j1):
            tile(lanes, PAIR, 1, gates, a, ao + r * lda, lda, 1, PAIR - 1, w, wo + j * panel, panel, 0, K,
                 bias, bo + j * GL, 0, GL, True, True, out, oo + r * ldo + (j - j0) * GL, ldo, GL)  # fmt: skip
    for r in range(r3, n):
        for j in range(j0, j1, row_panels):
            tile(lanes, 1, row_panels, gates, a, ao + r * lda, lda, 1, 0, w, wo + j * panel, panel, min(row_panels, j1 - j) - 1, K,
                 bias, bo + j * GL, 0, GL, True, True, out, oo + r * ldo + (j - j0) * GL, ldo, GL)  # fmt: skip


@literal_jitable
def product_by_rows(lanes, tall, short, panels, a, ao, lda, n, K, x, xo, x_panel, P, bias, bo, out, oo, out_panel):
    """out[p] = bias + A X[p] for n rows of A and P panels of batch rows: weights and values have changed places.

    A is a[ao + k*lda + m], numbers for whole vectors; X is x[xo + p*x_panel + k*lanes]; the bias is bias[bo + m*lanes], vectors of
    equal numbers; out is out[oo + p*out_panel + m*lanes]. Tiles of `tall` or `short` rows of A by `panels`; the last may go on.
    """
    r1 = n // tall * tall
    if n - r1 > short:
        r1 += tall
    for r in range(0, r1, tall):
        tile(lanes, tall, panels, 1, a, ao + r, 1, lda, tall - 1, x, xo, x_panel, P - 1, K,
             bias, bo + r * lanes, lanes, 0, True, True, out, oo + r * lanes, lanes, out_panel)  # fmt: skip
    if r1 < n:
        tile(lanes, short, panels, 1, a, ao + r1, 1, lda, short - 1, x, xo, x_panel, P - 1, K,
             bias, bo + r1 * lanes, lanes, 0, True, True, out, oo + r1 * lanes, lanes, out_panel)  # fmt: skip


def build_linear(fingerprint, lanes, tall, short, panels, row_panels):
    """run(x (B, D), w packed, bias packed, y (B, H)): y = x W + bias. Returns the fingerprint it was compiled with."""

    @kernel()
    def run(x, w, bias, y):
        B, D = x.shape
        H, HB = y.shape[1], w.shape[0]
        width = HB * lanes
        if width == H:
            product(lanes, tall, short, panels, row_panels, 1, x, 0, D, B, w, 0, D, 0, HB, bias, 0, y, 0, H)
            return fingerprint
        # Tiles write whole vectors: of the last panel only a part belongs to y.
        ws, wo = workspace(min(B, ROWS) * width, x)
        for r0 in range(0, B, ROWS):
            n = min(ROWS, B - r0)
            product(lanes, tall, short, panels, row_panels, 1, x, r0 * D, D, n, w, 0, D, 0, HB, bias, 0, ws, wo, width)
            for r in range(n):
                for j in range(HB):
                    part = load_tuple(lanes, 1, ws, wo + r * width + j * lanes)[0]
                    store(y, (r0 + r) * H + j * lanes, part, H - j * lanes)
        return fingerprint

    return run
