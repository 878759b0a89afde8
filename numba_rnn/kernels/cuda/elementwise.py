"""Kernels that go over elements: a function of up to three strided arrays, a fold along an axis, rows of a table, whole rows.

Where a strided array's elements lie is said by its strides, in elements, and after them by the place of its first one; so one
compiled kernel takes every shape of up to four axes, views and repetitions included. NaN in gives NaN out.
"""

import math

from numba_rnn.kernels.cuda.ops import build_activations
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, int64, real_type

__all__ = [
    "AXES",
    "FOLDS",
    "WARP",
    "build_fold",
    "build_gather",
    "build_map",
    "build_normalize",
    "build_operations",
    "build_softmax",
]

AXES = 4  # of the arrays of `build_map`
WARP = 32  # threads of a block of `build_softmax` and `build_normalize`
EVERYONE = 0xFFFFFFFF
FOLDS = ("sum", "max", "different")


def build_operations(dtype):
    """What `build_map` can apply, by name: device functions of three elements a, b, c and three numbers p, q, r."""
    real = real_type(dtype)
    zero = real(0)

    def of_one(activation):
        @device_function
        def apply(a, b, c, p, q, r):
            return activation(a)

        return apply

    @device_function
    def copy(a, b, c, p, q, r):
        return a

    @device_function
    def number(a, b, c, p, q, r):
        return p

    @device_function
    def add(a, b, c, p, q, r):
        return a + b

    @device_function
    def subtract(a, b, c, p, q, r):
        return a - b

    @device_function
    def multiply(a, b, c, p, q, r):
        return a * b

    @device_function
    def divide(a, b, c, p, q, r):
        return a / b

    @device_function
    def maximum(a, b, c, p, q, r):
        return a if a != a or a >= b else b  # noqa: PLR0124 (true of NaN alone)

    @device_function
    def minimum(a, b, c, p, q, r):
        return a if a != a or a <= b else b  # noqa: PLR0124 (true of NaN alone)

    @device_function
    def scaled(a, b, c, p, q, r):
        return a * p

    @device_function
    def divided(a, b, c, p, q, r):
        return a / p

    @device_function
    def centred(a, b, c, p, q, r):
        return (a - b) * c

    @device_function
    def select(a, b, c, p, q, r):
        return b if a else c

    @device_function
    def select_or(a, b, c, p, q, r):
        return b if a else p

    @device_function
    def either(a, b, c, p, q, r):
        return a or b

    @device_function
    def different(a, b, c, p, q, r):
        return a != p

    @device_function
    def rectified(a, b, c, p, q, r):
        """`ReLU`'s: slope p below the threshold q, cut at r."""
        y = a
        if a < q:
            y = p * (a - q) if p != zero else zero
        return r if y > r else y

    @device_function
    def leaky(a, b, c, p, q, r):
        y = p * a
        return y if y > a else a

    @device_function
    def exponential_below(a, b, c, p, q, r):
        """`ELU`'s: p (e^a - 1) below 0."""
        return a if a > zero else p * math.expm1(a)

    own = (
        add, centred, copy, different, divide, divided, either, exponential_below, leaky, maximum, minimum, multiply, number,
        rectified, scaled, select, select_or, subtract,
    )  # fmt: skip
    activations = {name: of_one(function) for name, function in build_activations(dtype).items()}
    return activations | {f.py_func.__name__: f for f in own}


def build_map(operation):
    """out = operation(a, b, c, p, q, r), element by element; grid (any, any).

    a, b, c, out are flat, of any dtypes; `shape` has four sizes; `a_at` and the like are four strides and where the first one is.
    """

    def elementwise(a, b, c, out, shape, a_at, b_at, c_at, out_at, p, q, r):
        _, J, K, N = shape
        for row in range(cuda.blockIdx.y, shape[0] * J * K, cuda.gridDim.y):
            i, j, k = row // (J * K), row // K % J, row % K
            pa = a_at[4] + i * a_at[0] + j * a_at[1] + k * a_at[2]
            pb = b_at[4] + i * b_at[0] + j * b_at[1] + k * b_at[2]
            pc = c_at[4] + i * c_at[0] + j * c_at[1] + k * c_at[2]
            po = out_at[4] + i * out_at[0] + j * out_at[1] + k * out_at[2]
            for n in range(cuda.grid(1), N, cuda.gridsize(1)):
                value = operation(a[pa + n * a_at[3]], b[pb + n * b_at[3]], c[pc + n * c_at[3]], p, q, r)
                out[po + n * out_at[3]] = value

    return elementwise


@device_function
def larger(a, b):
    """NaN, if one is."""
    return a if a != a or a >= b else b  # noqa: PLR0124 (true of NaN alone)


def build_fold(dtype, name):
    """out[o, i], packed, = the fold along t of x[o, t, i]: `sum`, `max`, or whether one is `different` from p; grid (any, any).

    x is flat; `shape` has three sizes, `x_at` three strides and where the first element stands.
    """
    zero = real_type(dtype)(0)

    @device_function
    def add(total, x, p):
        return total + x

    @device_function
    def largest(total, x, p):
        return larger(total, x)

    @device_function
    def different(total, x, p):
        return total or x != p

    step = {"sum": add, "max": largest, "different": different}[name]
    start = False if name == "different" else zero
    from_first = name == "max"

    def fold(x, out, shape, x_at, p):
        O, T, N = shape  # noqa: E741
        for o in range(cuda.blockIdx.y, O, cuda.gridDim.y):
            for i in range(cuda.grid(1), N, cuda.gridsize(1)):
                at = x_at[3] + o * x_at[0] + i * x_at[2]
                total = start
                if from_first:
                    total = x[at]
                for t in range(T):
                    total = step(total, x[at + t * x_at[1]], p)
                out[o * N + i] = total

    return fold


def build_softmax(dtype, logarithm):
    """out = the softmax of each row of x (R, N), or its logarithm; grid (1, any), one warp a block."""
    real = real_type(dtype)
    zero = real(0)

    def softmax(x, out):
        R, N = x.shape
        for row in range(cuda.blockIdx.y, R, cuda.gridDim.y):
            top = x[row, 0]
            for j in range(cuda.threadIdx.x, N, WARP):
                top = larger(top, x[row, j])
            for lanes in (16, 8, 4, 2, 1):
                top = larger(top, cuda.shfl_xor_sync(EVERYONE, top, lanes))
            total = zero
            for j in range(cuda.threadIdx.x, N, WARP):
                total += math.exp(x[row, j] - top)
            for lanes in (16, 8, 4, 2, 1):
                total += cuda.shfl_xor_sync(EVERYONE, total, lanes)
            for j in range(cuda.threadIdx.x, N, WARP):
                if logarithm:
                    out[row, j] = x[row, j] - top - math.log(total)
                else:
                    out[row, j] = math.exp(x[row, j] - top) / total

    return softmax


def build_normalize(dtype, centre):
    """out = gamma (x - mean) / sqrt(variance + epsilon) + beta for each row of x (R, N); grid (1, any), one warp a block.

    gamma and beta are (N,); the mean is only taken away with `centre`.
    """
    real = real_type(dtype)
    zero = real(0)

    def normalize(x, gamma, beta, out, epsilon):
        R, N = x.shape
        for row in range(cuda.blockIdx.y, R, cuda.gridDim.y):
            total = zero
            for j in range(cuda.threadIdx.x, N, WARP):
                total += x[row, j]
            for lanes in (16, 8, 4, 2, 1):
                total += cuda.shfl_xor_sync(EVERYONE, total, lanes)
            mean = total / real(N)
            total = zero
            for j in range(cuda.threadIdx.x, N, WARP):
                total += (x[row, j] - mean) * (x[row, j] - mean)
            for lanes in (16, 8, 4, 2, 1):
                total += cuda.shfl_xor_sync(EVERYONE, total, lanes)
            deviation = math.sqrt(total / real(N) + epsilon)
            for j in range(cuda.threadIdx.x, N, WARP):
                value = x[row, j] - mean if centre else x[row, j]
                out[row, j] = value / deviation * gamma[j] + beta[j]

    return normalize


def build_gather(dtype):
    """out (n, D) = the rows of table (V, D) at indices (n,), negative ones from the end; grid (any, any).

    A row that there is none of is NaN, and error[0] then -1.
    """
    nan = real_type(dtype)(float("nan"))

    def gather(table, indices, out, error):
        V, D = table.shape
        for row in range(cuda.blockIdx.y, indices.shape[0], cuda.gridDim.y):
            index = int64(indices[row])
            if index < 0:
                index += V
            known = index >= 0 and index < V
            if not known and cuda.grid(1) == 0:
                error[0] = -1
            for j in range(cuda.grid(1), D, cuda.gridsize(1)):
                out[row, j] = table[max(0, min(index, V - 1)), j] if known else nan

    return gather
