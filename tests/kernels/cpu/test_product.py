"""Matrix products by the register tile, and how rows are cut into tiles."""

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.functional import linear
from numba_rnn.kernels.cpu.machine import CPU
from numba_rnn.kernels.cpu.product import PAIR, ROWS, cut

SIZES = [1, 3, 7, 8, 9, 17, 64, 300]


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 5e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_linear(rng, monkeypatch, lanes, dtype, bound):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for B in (1, 2, 3, 4, 5, 13, 50):
        D, H = rng.choice(SIZES, 2)
        x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((B, D), (D, H), (H,)))
        want = x.astype("float64") @ w + b
        np.testing.assert_allclose(linear(x, w, b), want, rtol=0, atol=bound * np.sqrt(D))
        np.testing.assert_allclose(linear(x, w), want - b, rtol=0, atol=bound * np.sqrt(D))


def linear_prepared(w):
    return CPU().prepare_linear(w, np.zeros(w.shape[1], w.dtype))


def test_linear_keeps_leading_axes_and_rows(rng):
    x, w = rng.standard_normal((4, 5, 6)).astype("float32"), rng.standard_normal((6, 7)).astype("float32")
    y = linear(x, w)
    assert y.shape == (4, 5, 7)
    np.testing.assert_array_equal(y[2, 3], linear(x[2, 3][None], w)[0])


@pytest.mark.parametrize("H", [1, 5, 16, 37, 64])
def test_linear_of_many_rows_fills_its_output_and_nothing_else(rng, H):
    B = 2 * ROWS + 7
    x, w = rng.standard_normal((B, 9)).astype("float32"), rng.standard_normal((9, H)).astype("float32")
    prepared = linear_prepared(w)
    guarded = np.full(B * H + 64, 7, np.float32)
    prepared.run(x, prepared.kernel, prepared.bias, guarded[: B * H].reshape(B, H))
    assert (guarded[B * H :] == 7).all()
    np.testing.assert_allclose(guarded[: B * H].reshape(B, H), x @ w, atol=1e-5)
    for r in (0, ROWS - 1, ROWS, B - 1):
        np.testing.assert_array_equal(guarded[r * H : (r + 1) * H], linear(x[r : r + 1], w)[0])


@pytest.mark.parametrize(("tall", "short"), [(6, 4), (8, 4), (3, 2), (4, 2), (12, 6), (1, 1), (2, 2)])
def test_cut_covers_every_row_once(tall, short):
    for n in range(60):
        talls, shorts, pairs, singles = cut(n, tall, short)
        assert min(talls, shorts, pairs, singles) >= 0
        low = n - singles - PAIR * pairs  # rows of talls and shorts
        assert min(low, min(low, talls * tall) + shorts * short) == low
        assert talls * tall + shorts * short - low < tall
