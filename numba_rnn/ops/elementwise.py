"""Operations on each element: arithmetic, comparisons, logic, simple functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.ops.base import op

__all__ = [
    "absolute", "add", "cast", "clip", "cos", "divide", "equal", "exp", "expm1", "floor_divide", "greater", "greater_equal", "less",
    "less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or", "maximum", "minimum", "mod", "multiply", "negative",
    "not_equal", "ones_like", "power", "rsqrt", "sign", "sin", "sqrt", "square", "subtract", "tanh", "true_divide", "where",
    "zeros_like",
]  # fmt: skip


@op("Add", tensors=2)
def add(x1: Any, x2: Any) -> Any:
    """x1 + x2."""
    return np.add(x1, x2)


@op("Subtract", tensors=2)
def subtract(x1: Any, x2: Any) -> Any:
    """x1 - x2."""
    return np.subtract(x1, x2)


@op("Multiply", tensors=2)
def multiply(x1: Any, x2: Any) -> Any:
    """x1 x2."""
    return np.multiply(x1, x2)


@op("TrueDivide", tensors=2)
def true_divide(x1: Any, x2: Any) -> Any:
    """x1 / x2."""
    return np.true_divide(x1, x2)


@op("Divide", tensors=2)
def divide(x1: Any, x2: Any) -> Any:
    """x1 / x2."""
    return np.divide(x1, x2)


@op("FloorDivide", tensors=2)
def floor_divide(x1: Any, x2: Any) -> Any:
    """The largest whole number not above x1 / x2."""
    return np.floor_divide(x1, x2)


@op("Mod", tensors=2)
def mod(x1: Any, x2: Any) -> Any:
    """The rest of `floor_divide`."""
    return np.mod(x1, x2)


@op("Power", tensors=2)
def power(x1: Any, x2: Any) -> Any:
    """x1 to the power of x2."""
    return np.power(x1, x2)


@op("Maximum", tensors=2)
def maximum(x1: Any, x2: Any) -> Any:
    """The larger of the two."""
    return np.maximum(x1, x2)


@op("Minimum", tensors=2)
def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of the two."""
    return np.minimum(x1, x2)


@op("Equal", tensors=2)
def equal(x1: Any, x2: Any) -> Any:
    """Whether x1 = x2."""
    return np.equal(x1, x2)


@op("NotEqual", tensors=2)
def not_equal(x1: Any, x2: Any) -> Any:
    """Whether x1 differs from x2."""
    return np.not_equal(x1, x2)


@op("Greater", tensors=2)
def greater(x1: Any, x2: Any) -> Any:
    """Whether x1 > x2."""
    return np.greater(x1, x2)


@op("GreaterEqual", tensors=2)
def greater_equal(x1: Any, x2: Any) -> Any:
    """Whether x1 is x2 or above."""
    return np.greater_equal(x1, x2)


@op("Less", tensors=2)
def less(x1: Any, x2: Any) -> Any:
    """Whether x1 < x2."""
    return np.less(x1, x2)


@op("LessEqual", tensors=2)
def less_equal(x1: Any, x2: Any) -> Any:
    """Whether x1 is x2 or below."""
    return np.less_equal(x1, x2)


@op("LogicalAnd", tensors=2)
def logical_and(x1: Any, x2: Any) -> Any:
    """Whether both are true."""
    return np.logical_and(x1, x2)


@op("LogicalOr", tensors=2)
def logical_or(x1: Any, x2: Any) -> Any:
    """Whether one is true."""
    return np.logical_or(x1, x2)


@op("LogicalNot")
def logical_not(x: Any) -> Any:
    """Whether x is false."""
    return np.logical_not(x)


@op("Where", tensors=3)
def where(condition: Any, x1: Any, x2: Any) -> Any:
    """x1 where the condition holds, x2 elsewhere."""
    return np.where(condition, x1, x2)


@op("Negative")
def negative(x: Any) -> Any:
    """-x."""
    return np.negative(x)


@op("Absolute")
def absolute(x: Any) -> Any:
    """|x|."""
    return np.absolute(x)


@op("Sign")
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return np.sign(x)


@op("Exp")
def exp(x: Any) -> Any:
    """e^x."""
    return np.exp(x)


@op("Expm1")
def expm1(x: Any) -> Any:
    """e^x - 1."""
    return np.expm1(x)


@op("Log")
def log(x: Any) -> Any:
    """ln x."""
    return np.log(x)


@op("Log1p")
def log1p(x: Any) -> Any:
    """ln(1 + x)."""
    return np.log1p(x)


@op("Sqrt")
def sqrt(x: Any) -> Any:
    """The square root."""
    return np.sqrt(x)


@op("Rsqrt", "keras.src.ops.math")
def rsqrt(x: Any) -> Any:
    """One over the square root."""
    return 1 / np.sqrt(x)


@op("Square")
def square(x: Any) -> Any:
    """x times x."""
    return np.square(x)


@op("Sin")
def sin(x: Any) -> Any:
    """The sine."""
    return np.sin(x)


@op("Cos")
def cos(x: Any) -> Any:
    """The cosine."""
    return np.cos(x)


@op("Tanh")
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


@op("Clip")
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x held between x_min and x_max."""
    return np.clip(x, x_min, x_max)


@op("Cast", "keras.src.ops.core")
def cast(x: Any, dtype: Any) -> Any:
    """x in another dtype."""
    return np.asarray(x).astype(dtype)


@op("ZerosLike")
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of x's shape."""
    return np.zeros_like(x, dtype)


@op("OnesLike")
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of x's shape."""
    return np.ones_like(x, dtype)
