"""The vector activations against their meaning in NumPy, and the coefficients against a new fit."""

import math
from functools import cache

import numpy as np
import pytest
from numba import njit

from numba_rnn.kernels.cpu import ops
from numba_rnn.kernels.cpu.simd import load_tuple, store
from numba_rnn.ops.activations import ELEMENTWISE

SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-40,
    -1e-40,
    1e-30,
    100,
    -100,
    88.5,
    -87.4,
    -90,
    -103,
    1,
    -1,
    0.5,
    -0.5,
]


@cache
def compiled(name):
    """`run(x, y)` that applies the vector form of an activation to an array whose size is a multiple of 8."""
    function, lanes = ops.ACTIVATIONS[name], 8

    @njit(error_model="numpy")
    def run(x, y):
        for i in range(0, x.size, lanes):
            store(y, i, function(load_tuple(lanes, 1, x, i)[0]), lanes)

    return run


def apply(name, x):
    y = np.empty_like(x)
    compiled(name)(x, y)
    return y


def samples(rng, dtype):
    x = np.concatenate(
        [np.linspace(-20, 20, 4096), rng.standard_normal(4096), rng.standard_normal(4096) * 1e-3, SPECIAL]
    )
    return np.resize(x.astype(dtype), -(-x.size // 8) * 8)


def expected(name, x):
    with np.errstate(all="ignore"):
        return ELEMENTWISE[name](x.astype(np.float64))


def test_every_activation_has_a_vector_form():
    assert sorted(ops.ACTIVATIONS) == sorted(ELEMENTWISE)


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 2e-7), ("float64", 2e-15)])
@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_against_numpy(rng, name, dtype, bound):
    x = samples(rng, dtype)
    y, want = apply(name, x), expected(name, x)
    with np.errstate(over="ignore"):
        rounded = want.astype(dtype)
    finite = np.isfinite(rounded)
    error = np.abs(y[finite] - want[finite]) / np.maximum(1, np.abs(want[finite]))
    assert error.max() <= bound
    if name != "gelu":  # x Φ(x) at -inf is 0 times inf; the kernel lets the tail win
        np.testing.assert_array_equal(y[~finite], rounded[~finite])


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_within_four_ulp(rng, name):
    """A sample of every exponent; all of float32 is the slow test below."""
    bits = rng.integers(0, 2**32, 400_000, dtype=np.uint64).astype(np.uint32)
    assert ulps(name, bits.view(np.float32), np.float64) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_within_four_ulp_over_all_of_float32(name):
    """Minutes; the largest error found was 1.91 ulp for tanh, 1.64 for sigmoid."""
    for block in range(0, 2**32, 2**24):
        bits = np.arange(block, block + 2**24, dtype=np.uint64).astype(np.uint32)
        assert ulps(name, bits.view(np.float32), np.float64) <= 4


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="NumPy's long double is too narrow here to judge float64 by"
)
@pytest.mark.parametrize(("name", "bound"), [("exponential", 1.0), ("sigmoid", 1.7), ("tanh", 2.1)])
def test_float64_within_two_ulp(rng, name, bound):
    """A sample of every exponent and of the places where forms change; 27 million such gave 0.98, 1.64 and 2.02 ulp at most."""
    n = 100_000
    steps = rng.integers(-60, 60, n) * math.log(2) / 4  # where e^x and e^2x have their r near 0 and near its ends
    x = [
        rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64),
        rng.uniform(1, 2, n) * 2.0 ** rng.integers(-60, 10, n) * rng.choice([-1, 1], n),
        steps * (1 + 1e-3 * rng.standard_normal(n)),
        *(rng.uniform(-end, end, n) for end in (1, 5, 25, 750)),
        rng.uniform(-746, -700, n),  # e^x subnormal
    ]
    assert ulps(name, np.concatenate(x), np.longdouble) <= bound


def ulps(name, x, wider):
    """The largest error, in units in the last place of the result's dtype, where the result is finite."""
    x = x[~np.isnan(x)]
    x = np.resize(x, -(-x.size // 8) * 8)
    with np.errstate(all="ignore"):
        want = ELEMENTWISE[name](x.astype(wider))
        rounded = want.astype(x.dtype)
    finite = np.isfinite(rounded)
    spacing = np.spacing(np.maximum(np.abs(rounded[finite]), np.finfo(x.dtype).smallest_subnormal)).astype(wider)
    return (np.abs(apply(name, x)[finite] - want[finite]) / spacing).max()


def fit(f, low, high, degree):
    """Coefficients, by rising power, of the Chebyshev interpolation of f on [low, high]."""
    series = np.polynomial.Chebyshev.interpolate(np.vectorize(f), degree, domain=[low, high])
    return np.polynomial.Polynomial.cast(series, domain=[-1, 1], window=[-1, 1]).coef


def test_coefficients_of_expm1():
    def q(r):
        return sum(r**k / math.factorial(k + 2) for k in range(16))

    half = math.log(2) / 2 * 1.0001
    np.testing.assert_allclose(ops.EXPM1_FLOAT32, fit(q, -half, half, 5), rtol=1e-7)


@pytest.mark.parametrize(
    ("coefficients", "centre", "end", "rtol"), [("ERFCX_FLOAT32", 2.0, 10.0, 1e-6), ("ERFCX_FLOAT64", 3.5, 26.0, 1e-6)]
)
def test_coefficients_of_erfcx(coefficients, centre, end, rtol):
    def erfcx(s):
        z = centre * (1 + s) / (1 - s)
        return math.exp(z * z) * math.erfc(z)

    last = (end - centre) / (end + centre)
    wanted = fit(erfcx, -1.0, last, len(getattr(ops, coefficients)) - 1)
    s = np.linspace(-1, last, 1001)
    values = np.polynomial.polynomial.polyval(s, getattr(ops, coefficients))
    np.testing.assert_allclose(values, np.polynomial.polynomial.polyval(s, wanted), rtol=rtol)
