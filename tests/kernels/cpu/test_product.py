"""Matrix products by the register tile, and how rows are cut into tiles."""

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.functional import linear
from numba_rnn.kernels.cpu.product import cut

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


def test_linear_keeps_leading_axes_and_rows(rng):
    x, w = rng.standard_normal((4, 5, 6)).astype("float32"), rng.standard_normal((6, 7)).astype("float32")
    y = linear(x, w)
    assert y.shape == (4, 5, 7)
    np.testing.assert_array_equal(y[2, 3], linear(x[2, 3][None], w)[0])


@pytest.mark.parametrize(("tall", "short"), [(6, 4), (8, 4), (3, 2), (4, 2), (12, 6), (1, 1), (2, 2)])
def test_cut_covers_every_row_once(tall, short):
    for n in range(60):
        talls, shorts, singles = cut(n, tall, short)
        assert min(talls, shorts, singles) >= 0
        covered = min(n, talls * tall)
        covered = min(n - singles, covered + shorts * short)
        assert covered + singles == n
        assert talls * tall + shorts * short + singles - n < tall
