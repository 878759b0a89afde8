"""Weights in panels."""

import numpy as np
import pytest

from numba_rnn.kernels.cpu.pack import CACHE_LINE, aligned, pack_bias, pack_matrix


@pytest.mark.parametrize("H", [1, 7, 8, 9, 17])
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_matrix(rng, gates, H):
    K, lanes = 5, 8
    w = rng.standard_normal((K, gates * H)).astype("float32")
    packed = pack_matrix(w, gates, lanes)
    assert packed.shape == (-(-H // lanes), K, gates, lanes)
    assert packed.ctypes.data % CACHE_LINE == 0
    for k in range(K):
        for g in range(gates):
            for u in range(packed.shape[0] * lanes):
                want = w[k, g * H + u] if u < H else 0
                assert packed[u // lanes, k, g, u % lanes] == want


def test_bias(rng):
    b = rng.standard_normal(3 * 5)
    packed = pack_bias(b, 3, 4)
    assert packed.shape == (2, 3, 4)
    np.testing.assert_array_equal(packed[0, 1], b[5:9])
    np.testing.assert_array_equal(packed[1, 2], [b[14], 0, 0, 0])


def test_no_gates_make_an_empty_pack():
    assert pack_matrix(np.zeros((5, 0), "float32"), 0, 8).size == 0


def test_aligned():
    for dtype in ("float32", "float64"):
        a = aligned((3, 5), np.dtype(dtype))
        assert a.ctypes.data % CACHE_LINE == 0
        assert not a.any()
        assert a.flags.c_contiguous
