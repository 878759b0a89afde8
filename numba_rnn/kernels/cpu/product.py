"""Matrix products of many rows with packed weights, cut into register tiles."""

from numba import njit
from numba.extending import overload

from numba_rnn.config import settings
from numba_rnn.kernels.cpu.tile import tile

__all__ = ["build_linear", "literal_jitable", "product"]

K_BLOCK = 256  # k-rows of a panel: 64 KiB for four gates of 16 lanes, which the second-level cache keeps between row tiles


def literal_jitable(fn):
    """`register_jitable` for helpers whose integer arguments must stay compile-time constants."""

    @overload(fn, strict=False, prefer_literal=True)
    def same(*args):
        return fn

    return fn


@literal_jitable
def product(lanes, rows, panels, row_panels, gates, a, ao, lda, n, w, wo, K, j0, j1, bias, out, oo, ldo):
    """out[m, j] = bias[j] + A[m] W[j] for n rows and panels j0 <= j < j1; out[oo] belongs to row 0, panel j0.

    Full tiles of `rows` by `panels`, then one row at a time by `row_panels`. A tail of more than a third of a tile runs as a full
    tile with its last row repeated: cheaper than that many single rows.
    """
    GL = gates * lanes
    tail = n % rows
    body = n if 3 * tail > rows else n - tail
    for j in range(j0, j1, panels):
        last_panel = min(panels, j1 - j) - 1
        for k in range(0, K, K_BLOCK):
            depth = min(K_BLOCK, K - k)
            for r in range(0, body, rows):
                tile(lanes, rows, panels, gates, a, ao + r * lda + k, lda, min(rows, n - r) - 1,
                     w, wo + j * K * GL + k * GL, K * GL, last_panel, depth, bias, j * GL, k == 0,
                     out, oo + r * ldo + (j - j0) * GL, ldo)  # fmt: skip
    for r in range(body, n):
        for j in range(j0, j1, row_panels):
            tile(lanes, 1, row_panels, gates, a, ao + r * lda, lda, 0,
                 w, wo + j * K * GL, K * GL, min(row_panels, j1 - j) - 1, K, bias, j * GL, True,
                 out, oo + r * ldo + (j - j0) * GL, ldo)  # fmt: skip


def build_linear(fingerprint, lanes, rows, panels, row_panels):
    """run(x (B, D), w packed, bias packed, y (B, HB*lanes)): y = x W + bias. Returns the fingerprint it was compiled with."""

    @njit(nogil=True, cache=settings.cache, error_model="numpy")
    def run(x, w, bias, y):
        B, D = x.shape
        product(lanes, rows, panels, row_panels, 1, x, 0, D, B, w, 0, D, 0, y.shape[1] // lanes, bias, y, 0, y.shape[1])
        return fingerprint

    return run
