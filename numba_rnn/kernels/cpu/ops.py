"""The activations over SIMD vectors, float32 and float64; `numba_rnn.ops.activations` says what each means.

Everything exponential rests on one decomposition, e^x = 2^n (1 + p) with n whole and |r| <= ln 2 / 2:
    n = rint(x / ln 2),  r = x - n ln 2 (ln 2 in two parts),  p = e^r - 1 = r + r^2 q(r).
Keeping p apart from the 1 makes e^x - 1, and with it tanh, exact near 0. Source of the method: W. J. Cody and W. Waite, "Software
Manual for the Elementary Functions", 1980, chapter 6. NaN in gives NaN out: every bound is written so that it lets NaN pass.
"""

import math

from numba.extending import register_jitable

from numba_rnn.kernels.cpu.simd import copysign, fabs, fma, polynomial, pow2, rint, sqrt, where

__all__ = ["ACTIVATIONS"]

# Constants that differ by dtype are polynomials of degree 0: first float32's, then float64's.
# ln 2 as a sum: the first part has so few bits that its product with n is exact.
LN2_HIGH = polynomial([0.693145751953125], [0.6931471803691238])
LN2_LOW = polynomial([1.428606820309417e-06], [1.9082149292705877e-10])
# Where e^x has become 0 and where it has become infinite.
EXP_ZERO = polynomial([-104.0], [-746.0])
EXP_INFINITE = polynomial([89.0], [710.0])
# q(r) = (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2. float32: Chebyshev interpolation of degree 5, within 0.01 ulp; float64: the Taylor
# series 1/(k + 2)!, whose next term is below 2^-57. `tests/kernels/cpu/test_ops.py` fits the float32 ones again.
EXPM1_FLOAT32 = [5.00000001e-01, 1.66666667e-01, 4.16664649e-02, 8.33331093e-03, 1.39336500e-03, 1.98909908e-04]
EXPM1_Q = polynomial(EXPM1_FLOAT32, [1 / math.factorial(k + 2) for k in range(13)])
# ln(1 + t) = 2 s (1 + z/3 + z^2/5 + ...), s = t / (2 + t), z = s^2 <= 1/9: the series, cut below 2^-26 and 2^-57.
LOG1P_SERIES = polynomial([1 / (2 * k + 1) for k in range(8)], [1 / (2 * k + 1) for k in range(18)])


@register_jitable
def minimum(x, bound):
    return where(x > bound, bound, x)


@register_jitable
def maximum(x, bound):
    return where(x < bound, bound, x)


@register_jitable
def clip(x, low, high):
    return minimum(maximum(x, low), high)


@register_jitable
def exponent_and_rest(x):
    """n and p of e^x = 2^n (1 + p)."""
    n = rint(x * 1.4426950408889634)  # 1 / ln 2
    r = fma(n, -LN2_LOW(x), fma(n, -LN2_HIGH(x), x))
    return n, fma(r * r, EXPM1_Q(r), r)


@register_jitable
def exponential(x):
    n, p = exponent_and_rest(clip(x, EXP_ZERO(x), EXP_INFINITE(x)))
    half = rint(n * 0.5)  # 2^n in two steps: either end of the range lies outside the normal exponents
    return (p + 1.0) * pow2(half, 0) * pow2(n - half, 0)


@register_jitable
def exp_nonpositive(x):
    """e^x for x <= 0, one multiplication cheaper: 2^(n + 64) is normal, the last step alone can be subnormal."""
    n, p = exponent_and_rest(maximum(x, EXP_ZERO(x)))
    return fma(p, pow2(n, 64), pow2(n, 64)) * 5.421010862427522e-20  # 2^-64


@register_jitable
def expm1_nonpositive(x):
    """e^x - 1 for x <= 0; it is -1 from -40 down, in both dtypes."""
    n, p = exponent_and_rest(maximum(x, -40.0))
    scale = pow2(n, 0)
    return fma(p, scale, scale - 1.0)


@register_jitable
def log1p_of_fraction(t):
    """ln(1 + t) for 0 <= t <= 1."""
    s = t / (t + 2.0)
    return (s + s) * LOG1P_SERIES(s * s)


@register_jitable
def sigmoid(x):
    t = exp_nonpositive(-fabs(x))
    above = where(x < 0.0, t, 1.0)
    return fma(-above, t / (t + 1.0), above)  # above / (1 + t), with half the errors


@register_jitable
def tanh(x):
    n, p = exponent_and_rest(maximum(fabs(x) * -2.0, -40.0))
    scale = pow2(n, 0)  # e^-2|x| - 1 and + 1, each rounded once:
    return copysign(fma(p, scale, scale - 1.0) / fma(p, scale, scale + 1.0), x)


@register_jitable
def linear(x):
    return x


@register_jitable
def relu(x):
    return maximum(x, 0.0)


@register_jitable
def relu6(x):
    return clip(x, 0.0, 6.0)


@register_jitable
def leaky_relu(x):
    return where(x < 0.0, x * 0.2, x)


@register_jitable
def elu(x):
    return where(x > 0.0, x, expm1_nonpositive(minimum(x, 0.0)))


celu = elu  # they differ for alpha other than 1, which an activation's name cannot ask for


@register_jitable
def selu(x):
    return 1.0507009873554805 * where(x > 0.0, x, expm1_nonpositive(minimum(x, 0.0)) * 1.6732632423543772)


@register_jitable
def softplus(x):
    return maximum(x, 0.0) + log1p_of_fraction(exp_nonpositive(-fabs(x)))


@register_jitable
def log_sigmoid(x):
    return -softplus(-x)


@register_jitable
def softsign(x):
    return x / (fabs(x) + 1.0)


@register_jitable
def squareplus(x):
    w = fabs(x) + sqrt(fma(x, x, 4.0))
    return where(x < 0.0, 2.0 / w, w * 0.5)  # x + sqrt(x^2 + 4) would cancel below 0


@register_jitable
def silu(x):
    return x * sigmoid(x)


@register_jitable
def mish(x):
    return x * tanh(softplus(x))


# e^(z^2) erfc(z) over s = (z - c) / (z + c), z from 0 to where erfc is 0: Chebyshev interpolation of degree 11 (float32, c = 2)
# and 24 (float64, c = 3.5), relative errors 1e-8 and 1e-13; fitted again by `tests/kernels/cpu/test_ops.py`.
ERFC_CENTRE = polynomial([2.0], [3.5])
ERFC_ZERO = polynomial([10.0], [26.0])
# fmt: off
ERFCX_FLOAT32 = [
    0.255395676, -0.427185852, 0.241658231, -0.0789784004, 0.00373230862, 0.00699536274, -0.000844230467,
    -0.000971492077, 3.95444232e-05, 0.000150467627, 2.20362616e-05, -6.52018202e-06,
]
ERFCX_FLOAT64 = [
    0.15529365560889474, -0.289265044832758, 0.23313048160006708, -0.16133852476574467, 0.094427806920827834,
    -0.045436761135199136, 0.016976760645200838, -0.0042422394900244543, 0.00026738869251221892,
    0.00028856437645551736, -0.00010811106020313196, -4.7330307165545697e-06, 1.3463749904040313e-05,
    -1.3755420506917801e-06, -1.8474942214412879e-06, -3.5259683236036611e-07, 7.4408432488683777e-07,
    1.3074509126838758e-06, -5.0527706226903341e-07, -1.6402089256656924e-06, 4.8716672877150488e-08,
    1.1412770978610285e-06, 2.5215004456996195e-07, -3.4598908088976405e-07, -1.4282382917408149e-07,
]
# fmt: on
ERFCX = polynomial(ERFCX_FLOAT32, ERFCX_FLOAT64)


@register_jitable
def gelu(x):
    z = minimum(fabs(x) * 0.7071067811865476, ERFC_ZERO(x))
    s = (z - ERFC_CENTRE(x)) / (z + ERFC_CENTRE(x))
    upper = 0.5 * (ERFCX(s) * exp_nonpositive(-(z * z)))  # the normal distribution's upper tail beyond |x|
    return x * where(x < 0.0, upper, 1.0 - upper)


@register_jitable
def hard_sigmoid(x):
    return clip(x / 6.0 + 0.5, 0.0, 1.0)


@register_jitable
def keras2_hard_sigmoid(x):
    return clip(x * 0.2 + 0.5, 0.0, 1.0)


@register_jitable
def hard_silu(x):
    return x * hard_sigmoid(x)


@register_jitable
def hard_tanh(x):
    return clip(x, -1.0, 1.0)


@register_jitable
def hard_shrink(x):
    return where(fabs(x) <= 0.5, 0.0, x)


@register_jitable
def soft_shrink(x):
    return x - clip(x, -0.5, 0.5)


@register_jitable
def tanh_shrink(x):
    return x - tanh(x)


@register_jitable
def sparse_plus(x):
    bent = maximum(x, -1.0) * 0.5 + 0.5
    return where(x < 1.0, bent * bent, x)


@register_jitable
def sparse_sigmoid(x):
    return clip(x * 0.5 + 0.5, 0.0, 1.0)


ACTIVATIONS = {
    f.__name__: f
    for f in (
        elu, exponential, gelu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, keras2_hard_sigmoid, leaky_relu, linear,
        log_sigmoid, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softplus, softsign, sparse_plus, sparse_sigmoid,
        squareplus, tanh, tanh_shrink,
    )
} | {"celu": celu}  # fmt: skip
