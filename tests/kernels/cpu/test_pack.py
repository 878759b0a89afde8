"""Weights in panels."""

import itertools

import numpy as np
import pytest

from numba_rnn.compressed import compress, expand
from numba_rnn.kernels.backend import PlainWeights
from numba_rnn.kernels.cpu.pack import (
    CACHE_LINE,
    aligned,
    pack_bias,
    pack_for_rows,
    pack_linear,
    pack_matrix,
    pack_weights,
    side_by_side,
)


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


@pytest.mark.parametrize("K", [0, 1, 4, 5])
def test_bfloat16_in_pairs_of_rows(rng, K):
    w = compress(rng.standard_normal((K, 2 * 9)).astype("float32"), "bfloat16")
    packed, bias = pack_linear(w, np.zeros(18, "float32"), 2, 8)
    assert packed.dtype == "uint32"
    assert packed.shape == (2, -(-K // 2), 2, 8)
    assert bias.shape == (2, 2, 8)
    rows = np.stack([packed << 16, packed & 0xFFFF0000], axis=2).view("float32").reshape(2, -1, 2, 8)
    np.testing.assert_array_equal(rows[:, :K], pack_matrix(expand(w), 2, 8))
    assert not rows[:, K:].any()


def test_scales_follow_the_bias(rng):
    w, b = compress(rng.standard_normal((3, 9)).astype("float32"), "int8"), rng.standard_normal(9).astype("float32")
    packed, bias = pack_linear(w, b, 1, 8)
    np.testing.assert_array_equal(packed, pack_matrix(w.data, 1, 8))
    np.testing.assert_array_equal(bias, [pack_bias(b, 1, 8), pack_bias(w.scale, 1, 8)])


def test_for_rows(rng):
    N, D, H, G, first, lanes, spare = 2, 3, 5, 3, 2, 4, 6
    cells = [
        PlainWeights(*(rng.standard_normal(s) for s in ((D, G * H), (H, G * H), G * H, G * H, (2, H))))
        for _ in range(N)
    ]
    packed = pack_for_rows(side_by_side([pack_weights(w, G, first, lanes) for w in cells]), N, H, spare)
    assert packed.kernel.shape == (N, D, G * H + spare)
    assert packed.first.shape == (N, H, first * H + spare)
    assert packed.rest.shape == (N, H, (G - first) * H + spare)
    for (cell, w), unit, gate in itertools.product(enumerate(cells), range(H), range(G)):
        column = gate * H + unit
        np.testing.assert_array_equal(packed.kernel[cell, :, unit * G + gate], w.kernel[:, column])
        np.testing.assert_array_equal(packed.bias[cell, unit * G + gate], [w.bias[column]] * lanes)
        part, bias, at = (
            (packed.first, packed.first_bias, unit * first + gate)
            if gate < first
            else (packed.rest, packed.rest_bias, unit * (G - first) + gate - first)
        )
        np.testing.assert_array_equal(part[cell, :, at], w.recurrent_kernel[:, column])
        np.testing.assert_array_equal(bias[cell, at], [w.recurrent_bias[column]] * lanes)
        for n in range(2):
            np.testing.assert_array_equal(packed.extra[cell, unit * 2 + n], [w.extra[n, unit]] * lanes)
    assert not packed.kernel[:, :, G * H :].any()
    assert not packed.bias[:, G * H :].any()
