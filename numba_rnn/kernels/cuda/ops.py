"""The activations on the device, float32 or float64; `numba_rnn.ops.activations` says what each means.

Constants are of the dtype itself: a Python number would make float32 arithmetic float64's. NaN in gives NaN out: every comparison
is written so that it lets NaN pass. float32's sigmoid and tanh take the hardware's own 2^x and 1/x, which err by about 1e-7.
"""

import math

import numpy as np

from numba_rnn.kernels.cuda.ptx import exp2, reciprocal
from numba_rnn.kernels.cuda.toolkit import cuda, device_function

__all__ = ["ACTIVATIONS", "build_activations"]


def build_activations(dtype):
    """Device functions by name, for one dtype."""

    def constant(value):
        return np.dtype(dtype).type(value)

    zero, half, one, two, minus_two, six = (constant(v) for v in (0, 0.5, 1, 2, -2, 6))
    fifth, sixth, four = constant(0.2), constant(1 / 6), constant(4)
    selu_scale, selu_slope = constant(1.0507009873554805), constant(1.0507009873554805 * 1.6732632423543772)
    sqrt_half, minus_log2_e, two_log2_e = (
        constant(0.7071067811865476),
        constant(-1.4426950408889634),
        constant(2.8853900817779268),
    )

    if np.dtype(dtype) == np.float32:

        @device_function
        def sigmoid(x):
            return reciprocal(one + exp2(minus_log2_e * x))

        @device_function
        def tanh(x):
            return cuda.fma(minus_two, reciprocal(one + exp2(two_log2_e * x)), one)

    else:

        @device_function
        def sigmoid(x):
            t = math.exp(-math.fabs(x))
            return (t if x < zero else one) / (one + t)

        @device_function
        def tanh(x):
            return math.tanh(x)

    @device_function
    def linear(x):
        return x

    @device_function
    def maximum(x, bound):
        return bound if x < bound else x

    @device_function
    def minimum(x, bound):
        return bound if x > bound else x

    @device_function
    def relu(x):
        return maximum(x, zero)

    @device_function
    def relu6(x):
        return minimum(maximum(x, zero), six)

    @device_function
    def leaky_relu(x):
        return x * fifth if x < zero else x

    @device_function
    def exponential(x):
        return math.exp(x)

    @device_function
    def elu(x):
        return x if x > zero else math.expm1(x)

    @device_function
    def selu(x):
        return selu_scale * x if x > zero else selu_slope * math.expm1(x)

    @device_function
    def softplus(x):
        return maximum(x, zero) + math.log1p(math.exp(-math.fabs(x)))

    @device_function
    def log_sigmoid(x):
        return -softplus(-x)

    @device_function
    def softsign(x):
        return x / (math.fabs(x) + one)

    @device_function
    def squareplus(x):
        w = math.fabs(x) + math.sqrt(cuda.fma(x, x, four))
        return two / w if x < zero else w * half  # x + sqrt(x^2 + 4) would cancel below 0

    @device_function
    def silu(x):
        return x * sigmoid(x)

    @device_function
    def mish(x):
        return x * math.tanh(softplus(x))

    @device_function
    def gelu(x):
        return x * (half * math.erfc(-x * sqrt_half))

    @device_function
    def hard_sigmoid(x):
        return minimum(maximum(x * sixth + half, zero), one)

    @device_function
    def keras2_hard_sigmoid(x):
        return minimum(maximum(x * fifth + half, zero), one)

    @device_function
    def hard_silu(x):
        return x * hard_sigmoid(x)

    @device_function
    def hard_tanh(x):
        return minimum(maximum(x, -one), one)

    @device_function
    def hard_shrink(x):
        return zero if math.fabs(x) <= half else x

    @device_function
    def soft_shrink(x):
        return x - minimum(maximum(x, -half), half)

    @device_function
    def tanh_shrink(x):
        return x - math.tanh(x)

    @device_function
    def sparse_plus(x):
        bent = maximum(x, -one) * half + half
        return bent * bent if x < one else x

    @device_function
    def sparse_sigmoid(x):
        return minimum(maximum(x * half + half, zero), one)

    names = (
        elu, exponential, gelu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, keras2_hard_sigmoid, leaky_relu, linear,
        log_sigmoid, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softplus, softsign, sparse_plus, sparse_sigmoid,
        squareplus, tanh, tanh_shrink,
    )  # fmt: skip
    return {f.py_func.__name__: f for f in names} | {"celu": elu}  # for an alpha of 1, all that a name can ask for


ACTIVATIONS = frozenset(build_activations(np.float32))
