"""Keras' operations: on arrays they compute, on symbolic tensors they record a node. Importing this makes tensors do arithmetic."""

from __future__ import annotations

from numba_rnn.ops import operators as operators
from numba_rnn.ops.elementwise import (
    absolute, add, cast, clip, cos, divide, equal, exp, expm1, floor_divide, greater, greater_equal, less, less_equal, log, log1p,
    logical_and, logical_not, logical_or, maximum, minimum, mod, multiply, negative, not_equal, ones_like, power, rsqrt, sign, sin,
    sqrt, square, subtract, tanh, true_divide, where, zeros_like,
)  # fmt: skip
from numba_rnn.ops.nn import (
    celu, elu, gelu, glu, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, log_sigmoid, log_softmax, mish, relu, relu6, selu,
    sigmoid, silu, softmax, softplus, softsign, swish,
)  # fmt: skip
from numba_rnn.ops.reductions import all, any, argmax, argmin, cumsum, max, mean, min, prod, std, sum, var
from numba_rnn.ops.shaping import (
    broadcast_to, concatenate, expand_dims, flip, get_item, matmul, moveaxis, repeat, reshape, roll, split, squeeze, stack, swapaxes,
    take, tile, transpose,
)  # fmt: skip

__all__ = [
    "absolute", "add", "all", "any", "argmax", "argmin", "broadcast_to", "cast", "celu", "clip", "concatenate", "cos", "cumsum",
    "divide", "elu", "equal", "exp", "expand_dims", "expm1", "flip", "floor_divide", "gelu", "get_item", "glu", "greater",
    "greater_equal", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "less", "less_equal", "log", "log1p", "log_sigmoid",
    "log_softmax", "logical_and", "logical_not", "logical_or", "matmul", "max", "maximum", "mean", "min", "minimum", "mish", "mod",
    "moveaxis", "multiply", "negative", "not_equal", "ones_like", "power", "prod", "relu", "relu6", "repeat", "reshape", "roll",
    "rsqrt", "selu", "sigmoid", "sign", "silu", "sin", "softmax", "softplus", "softsign", "split", "sqrt", "square", "squeeze",
    "stack", "std", "subtract", "sum", "swapaxes", "swish", "take", "tanh", "tile", "transpose", "true_divide", "var", "where",
    "zeros_like",
]  # fmt: skip
