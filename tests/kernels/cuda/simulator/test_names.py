"""Kernels find twins for all that they use: PTX instructions, mathematics, numba's types, other functions."""

from __future__ import annotations

import fractions
import math
import warnings

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx, toolkit
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32, float64, int32, real_type, uint32

from . import run
from .mathematics import MATH, fma
from .ptx_names import Ptx


def test_every_instruction_has_a_twin():
    missing = [name for name in ptx.__all__ if not callable(getattr(Ptx, name, None))]
    assert missing == []


def returned(function, *arguments, dtype=np.float64):
    """What a function returns when a kernel calls it."""
    call = device_function(function)

    def kernel(out):
        out[0] = call(*arguments)

    out = np.zeros(1, dtype)
    run(kernel, 1, 1, (out,))
    return out[0]


def test_names_by_any_way():
    from numba_rnn.kernels.cuda.ptx import bits_of as bits

    constants = (float32(1.5), (np.float32(2.5),))

    @device_function
    def inner(x, f=bits):
        return f(x)

    def kernel(out):
        out[0] = bits(float32(1))
        out[1] = ptx.bits_of(float32(1))
        out[2] = toolkit.cuda.threadIdx.x
        out[3] = inner(toolkit.float32(2))
        out[4] = ptx.bits_of(constants[1][0])
        out[5] = [uint32(k) for k in range(3)][2]

    out = np.zeros(6, np.uint32)
    run(kernel, 1, 1, (out,))
    assert out.tolist() == [0x3F800000, 0x3F800000, 0, 0x40000000, 0x40200000, 2]


def test_functions_that_take_functions():
    def make(act, rec):
        @device_function
        def update(first, second, x, rest):
            return first(x[0]) + second(x[1]), rest

        def kernel(x):
            i = cuda.grid(1)
            new = update(act, rec, (x[i], x[i] + float32(1)), ())
            x[i] = new[0]

        return kernel

    @device_function
    def exponential(x):
        return math.exp(x)

    @device_function
    def twice(x):
        return x + x

    @device_function
    def factorial(n):
        return n * factorial(n - 1) if n > 1 else 1

    x = np.array([0, 1, 200], np.float32)
    run(make(exponential, twice), 1, 3, (x,))
    np.testing.assert_allclose(x, [3, np.e + 4, np.inf], 1e-6)
    assert returned(lambda: factorial(5)) == 120
    run(cuda.jit(lambda x: None), 1, 1, (x,))


def test_arguments_of_kernels():
    def kernel(arrays, numbers, scale, nothing):
        i = cuda.grid(1)
        arrays[1][i] = arrays[0][i] * scale + numbers[0]
        assert nothing is None
        assert arrays[0].shape[0] == arrays[0].size == len(arrays[0]) == 3

    x, y = np.arange(3.0), np.zeros(3)
    run(kernel, 1, 3, ((x, y), (7, 8), 2, None))
    np.testing.assert_array_equal(y, [7, 9, 11])


PLAIN = (
    "exp", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sin", "cos", "tan", "sqrt", "floor", "ceil", "trunc",
)  # fmt: skip
OTHERWISE = {
    "fabs": "abs", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "erf": None, "erfc": None,
}  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_mathematics_keeps_its_dtype_and_never_raises(kind):
    values = [kind(v) for v in (-np.inf, -1000, -1.5, -1, -0.0, 0, 1e-30, 0.4, 1, 1000, np.inf, np.nan)]
    twins = {name: name for name in PLAIN} | OTHERWISE
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        for name, numpy_name in twins.items():
            for value in values:
                out = getattr(MATH, name)(value)
                assert type(out) is kind
                if numpy_name is None:
                    np.testing.assert_equal(out, kind(getattr(math, name)(value)))
                else:
                    expected = getattr(np, numpy_name)(np.float64(value))
                    np.testing.assert_allclose(out, kind(expected), 1e-6 if kind is np.float32 else 1e-14)
        for a in values:
            assert (MATH.isnan(a), MATH.isinf(a)) == (bool(np.isnan(a)), bool(np.isinf(a)))
            for b in values:
                for name, twin in (
                    ("copysign", np.copysign),
                    ("pow", np.power),
                    ("fmod", np.fmod),
                    ("atan2", np.arctan2),
                ):
                    out = getattr(MATH, name)(a, b)
                    assert type(out) is kind
                    np.testing.assert_equal(out, twin(a, b))


def test_mathematics_in_kernels():
    def kernel(x):
        i = cuda.grid(1)
        x[i] = math.exp(x[i]) / (float32(1) + math.exp(x[i])) * math.sqrt(float32(math.pi) - x[i])

    x = np.array([-200, 0.5, 200], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(kernel, 1, 3, (x,))
    np.testing.assert_allclose(x, [0, 1 / (1 + np.exp(-0.5)) * np.sqrt(np.pi - 0.5), np.nan], 1e-6)
    with pytest.raises(NotImplementedError, match=r"math\.isqrt"):
        returned(lambda: math.isqrt(4))
    with pytest.raises(NotImplementedError, match=r"cuda\.match_any_sync"):
        returned(lambda: cuda.match_any_sync(1, 1))


def test_fma_rounds_once():
    rng = np.random.default_rng(6)
    for kind, bits in ((np.float64, 53), (np.float32, 24)):
        for _ in range(300):
            x, y = (kind(v) for v in rng.normal(size=2))
            z = kind(-(x * y) * (1 + rng.integers(-2, 3) * 2.0**-bits) if rng.random() < 0.5 else rng.normal())
            exact = fractions.Fraction(float(x)) * fractions.Fraction(float(y)) + fractions.Fraction(float(z))
            out = fma(x, y, z)
            assert type(out) is kind
            assert out == kind(float(exact))
    assert type(fma(np.float32(1), np.float32(2), 3.0)) is np.float64
    assert np.isnan(fma(np.inf, 0.0, 1.0))
    assert fma(1e300, 1e300, 1.0) == np.inf
    assert fma(1e308, 1.0, 1e308) == np.inf
    with np.errstate(over="ignore"):
        assert fma(np.float32(3e38), np.float32(3e38), np.float32(1)) == np.inf


@pytest.mark.parametrize(("dtype", "real"), [(np.float32, real_type(np.float32)), (np.float64, float64)])
def test_types_of_numba_round_and_make_arrays(dtype, real):
    def kernel(out):
        w = cuda.local.array(2, real)
        w[0] = real(0.1) * real(0.1)
        assert w.dtype == real(0.1).dtype
        out[0] = w[0]
        out[1] = int32(2.7)

    out = np.zeros(2)
    run(kernel, 1, 1, (out,))
    assert out.tolist() == [dtype(0.1) * dtype(0.1), 2]


def test_numbers_of_the_hardware():
    x = np.array([0, -0.0, 1, -3, 126, 0.3, 127.9, 130, -126, -140, np.inf, -np.inf, np.nan], np.float32)
    with np.errstate(all="ignore"):
        powers = np.array([Ptx.exp2(v) for v in x])
        expected = np.exp2(x)
        np.testing.assert_allclose(powers, np.where(expected < np.finfo("f4").tiny, 0, expected), 1e-6)
        assert Ptx.exp2(np.float32(-140)) == 0
        y = np.array([1, -3, 1e-30, 1e38, -1e38, 3e38, np.inf, 0, -0.0, 1e-40, np.nan], np.float32)
        inverses = np.array([Ptx.reciprocal(v) for v in y])
        expected = [1, -1 / 3, 1e30, 0, 0, 0, 0, np.inf, -np.inf, np.inf, np.nan]
        np.testing.assert_allclose(inverses[:3], expected[:3], 1e-6)
        np.testing.assert_array_equal(inverses[5:], np.array(expected[5:], np.float32))
        assert np.signbit(inverses[4])
    for value in (1.0, -0.3, np.inf, 1e-40, 3.0e38):
        word = Ptx.bits_of(np.float32(value))
        assert type(word) is int
        assert word == int(np.array(value, np.float32).view(np.uint32))
        assert Ptx.float_of(word) == np.float32(value)
    assert Ptx.bits_of(Ptx.float_of(0x7FC12345)) == 0x7FC12345  # what a NaN carries

    rng = np.random.default_rng(7)
    for value in [*rng.normal(size=200).astype(np.float32), np.float32(np.inf), np.float32(-np.inf), np.float32(0)]:
        tf32 = Ptx.float_of(Ptx.to_tf32(value))
        pair = Ptx.pack_bf16(value, np.float32(1))
        bf16 = Ptx.float_of(pair & 0xFFFF0000)
        assert pair & 0xFFFF == 0x3F80
        for rounded, bits in ((tf32, 11), (bf16, 8)):
            assert rounded == value or abs(rounded - value) <= 2.0**-bits * abs(value)
            assert Ptx.bits_of(rounded) & ((1 << (24 - bits)) - 1) == 0
    assert np.isnan(Ptx.float_of(Ptx.to_tf32(np.float32(np.nan))))
    assert Ptx.to_tf32(Ptx.float_of(0x3F801000)) == 0x3F802000  # a tie goes away from zero
    assert Ptx.pack_bf16(Ptx.float_of(0x3F808000), Ptx.float_of(0x3F818000)) == 0x3F803F82  # a tie goes to even
