"""Vectors as values: arithmetic, comparison, loads and stores, against NumPy lane by lane."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from numba_rnn.kernels.cpu import simd
from numba_rnn.kernels.cpu.simd import copysign, fabs, fma, load_tuple, pow2, rint, splat, sqrt, store, where

LANES = 8
cubic = simd.polynomial([1.0, -2.0, 0.5, 3.0])
by_dtype = simd.polynomial([4.0], [8.0])

CASES = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "subtract a number": (lambda a, b: a - 1.5, lambda a, b: a - 1.5),
    "number first": (lambda a, b: 2 / (1 - a * b), lambda a, b: 2 / (1 - a * b)),
    "negate": (lambda a, b: -a, lambda a, b: -a),
    "fma": (lambda a, b: fma(a, b, 0.5), lambda a, b: a * b + 0.5),
    "sqrt": (lambda a, b: sqrt(a * a), lambda a, b: np.abs(a)),
    "fabs": (lambda a, b: fabs(a), lambda a, b: np.abs(a)),
    "copysign": (lambda a, b: copysign(a + 0, b), np.copysign),
    "rint": (lambda a, b: rint(a * 4.0), lambda a, b: np.rint(a * 4)),
    "less": (lambda a, b: where(a < b, a, 0.0), lambda a, b: np.where(a < b, a, 0)),
    "at most": (lambda a, b: where(a <= 0.25, 1.0, b), lambda a, b: np.where(a <= 0.25, 1, b)),
    "greater": (lambda a, b: where(a > b, 1.0, b), lambda a, b: np.where(a > b, 1, b)),
    "at least": (lambda a, b: where(a >= b, a, b), np.maximum),
    "pow2": (lambda a, b: pow2(rint(a * 8.0), 3), lambda a, b: 2.0 ** (np.rint(a * 8) + 3)),
    "splat": (lambda a, b: splat(3, a), lambda a, b: np.full_like(a, 3)),
    "polynomial": (lambda a, b: cubic(a), lambda a, b: 1 - 2 * a + 0.5 * a**2 + 3 * a**3),
}


def compiled(function):
    @njit(error_model="numpy")
    def run(a, b, out):
        x = load_tuple(LANES, 1, a, 0)[0]
        y = load_tuple(LANES, 1, b, 0)[0]
        store(out, 0, function(x, y), LANES)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", sorted(CASES))
def test_against_numpy(rng, case, dtype):
    ours, theirs = CASES[case]
    a, b = rng.standard_normal((2, LANES)).astype(dtype)
    out = np.empty(LANES, dtype)
    compiled(njit(ours))(a, b, out)
    np.testing.assert_allclose(out, theirs(a, b), rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-7)


def test_constants_by_dtype():
    for dtype, value in (("float32", 4), ("float64", 8)):
        out = np.zeros(LANES, dtype)
        compiled(njit(lambda a, b: by_dtype(a)))(out, out, out)
        assert (out == value).all()


def test_a_comparison_with_nan_is_false():
    a, out = np.full(LANES, np.nan, "float32"), np.zeros(LANES, "float32")
    compiled(njit(lambda x, y: where(x < 1.0, 1.0, where(x >= 1.0, 2.0, x))))(a, a, out)
    assert np.isnan(out).all()


@pytest.mark.parametrize("count", range(LANES + 2))
def test_a_store_touches_nothing_else(count):
    @njit
    def run(a, out, n):
        store(out, 3, load_tuple(LANES, 1, a, 0)[0], n)

    a, out = np.arange(1, LANES + 1, dtype="float32"), np.zeros(LANES + 6, "float32")
    run(a, out, count)
    want = np.zeros_like(out)
    want[3 : 3 + min(count, LANES)] = a[:count]
    np.testing.assert_array_equal(out, want)


def test_tuples(rng):
    @njit
    def run(a, out):
        empty, three = load_tuple(4, 0, a, 0), load_tuple(4, 3, a, 1)
        simd.store_tail(out, 2, empty + three)
        return len(empty + three)

    a, out = rng.standard_normal(16).astype("float32"), np.zeros(12, "float32")
    assert run(a, out) == 3
    np.testing.assert_array_equal(out[2:10], a[5:13])
    assert not out[:2].any()
    assert not out[10:].any()


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_squares(rng, lanes):
    """Every number of rows and columns of a square: transposed, and nothing else written."""

    @njit
    def run(a, i, row, rows, count, out, o, column):
        square = simd.load_square(lanes, a, i, row, rows, count)
        simd.store_square(out, o, column, simd.transpose(square), count, rows)

    a = rng.standard_normal(lanes * 40).astype("float32")
    for rows in range(1, lanes + 2):
        for count in range(1, lanes + 2):
            out = np.zeros(lanes * 40, "float32")
            run(a, 3, 33, rows, count, out, 2, 31)
            want = np.zeros_like(out)
            for r in range(min(rows, lanes)):
                for c in range(min(count, lanes)):
                    want[2 + c * 31 + r] = a[3 + r * 33 + c]
            np.testing.assert_array_equal(out, want)


def test_rows_that_a_square_lacks_repeat_the_last(rng):
    @njit
    def run(a, out):
        simd.store_square(out, 0, 4, simd.load_square(4, a, 0, 5, 2, 3), 4, 4)

    a, out = rng.standard_normal(20).astype("float64"), np.empty((4, 4))
    run(a, out)
    np.testing.assert_array_equal(out, [[*a[r : r + 3], 0] for r in (0, 5, 5, 5)])


def test_select():
    @njit
    def run(a, out):
        pair, other = load_tuple(4, 2, a, 0), load_tuple(4, 2, a, 8)
        chosen = simd.select(pair[0] > 1.5, pair, other)
        store(out, 0, chosen[0], 4)
        store(out, 4, chosen[1], 4)

    out = np.empty(8)
    run(np.arange(16.0), out)
    np.testing.assert_array_equal(out, [8, 9, 2, 3, 12, 13, 6, 7])


def test_vectors_of_different_widths_do_not_mix():
    @njit
    def run(a):
        store(a, 0, load_tuple(4, 1, a, 0)[0] + load_tuple(8, 1, a, 0)[0], 4)

    with pytest.raises(TypingError):
        run(np.zeros(8, "float32"))
