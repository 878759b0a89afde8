"""Matrix products of many rows with packed weights, cut into register tiles."""

from numba.extending import register_jitable

from numba_rnn.kernels.cpu.jit import kernel, literal_jitable
from numba_rnn.kernels.cpu.tile import tile

__all__ = ["build_linear", "product"]

# k-rows of a panel that row tiles pass over in turn: 128 KiB for four gates of 16 lanes, which the second-level cache keeps.
# Measured on Zen 4 at H 512 and 1024, B 4 to 32: 256 is 2 to 4 % slower, 128 and 64 up to 30 %.
K_BLOCK = 512


@register_jitable
def cut(n, tall, short):
    """n rows in tall tiles, short tiles and single rows. A tile may have rows to spare: that beats several single rows."""
    tiles, tail = n // tall, n % tall
    if tail == 0:
        return tiles, 0, 0
    if tail > short + 1:
        return tiles + 1, 0, 0
    if tiles > 0 and tail > 1 and tall + tail <= 2 * short:
        return tiles - 1, 2, 0
    if tail == 1:
        return tiles, 0, 1
    return tiles, 1, 1 if tail > short else 0


@literal_jitable
def product(lanes, tall, short, panels, row_panels, gates, a, ao, lda, n, w, wo, K, j0, j1, bias, out, oo, ldo):
    """out[m, j] = bias[j] + A[m] W[j] for n rows and panels j0 <= j < j1; out[oo] belongs to row 0, panel j0.

    Tiles of `tall` or `short` rows by `panels`, then single rows by `row_panels`.
    """
    GL = gates * lanes
    talls, _, singles = cut(n, tall, short)
    r1 = min(n, talls * tall)
    r2 = n - singles
    for j in range(j0, j1, panels):
        last_panel = min(panels, j1 - j) - 1
        for k in range(0, max(1, K), K_BLOCK):  # once for K = 0: the bias alone
            depth = min(K_BLOCK, K - k)
            wk, fresh = wo + j * K * GL + k * GL, k == 0
            for r in range(0, r1, tall):
                tile(lanes, tall, panels, gates, a, ao + r * lda + k, lda, min(tall, n - r) - 1, w, wk, K * GL, last_panel,
                     depth, bias, j * GL, fresh, out, oo + r * ldo + (j - j0) * GL, ldo)  # fmt: skip
            for r in range(r1, r2, short):
                tile(lanes, short, panels, gates, a, ao + r * lda + k, lda, min(short, r2 - r) - 1, w, wk, K * GL, last_panel,
                     depth, bias, j * GL, fresh, out, oo + r * ldo + (j - j0) * GL, ldo)  # fmt: skip
    for r in range(r2, n):
        for j in range(j0, j1, row_panels):
            tile(lanes, 1, row_panels, gates, a, ao + r * lda, lda, 0, w, wo + j * K * GL, K * GL, min(row_panels, j1 - j) - 1, K,
                 bias, j * GL, True, out, oo + r * ldo + (j - j0) * GL, ldo)  # fmt: skip


def build_linear(fingerprint, lanes, tall, short, panels, row_panels):
    """run(x (B, D), w packed, bias packed, y (B, HB*lanes)): y = x W + bias. Returns the fingerprint it was compiled with."""

    @kernel()
    def run(x, w, bias, y):
        B, D = x.shape
        width = y.shape[1]
        product(lanes, tall, short, panels, row_panels, 1, x, 0, D, B, w, 0, D, 0, width // lanes, bias, y, 0, width)
        return fingerprint

    return run
