"""Operations on each element: arithmetic, comparisons, logic, simple functions, as tables of names and NumPy functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.ops import activations
from numba_rnn.ops.base import CORE, MATH, NUMPY, op
from numba_rnn.ops.dtypes import common, convert, floats, standardize_dtype
from numba_rnn.ops.naming import snake_case

__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "bitwise_and",
    "bitwise_not", "bitwise_or", "bitwise_xor", "cast", "cbrt", "ceil", "clip", "convert_to_tensor", "copy", "cos", "cosh",
    "deg2rad", "divide", "divide_no_nan", "equal", "erf", "exp", "exp2", "expm1", "floor", "floor_divide", "full_like",
    "greater", "greater_equal", "hypot", "isclose", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log1p", "log2",
    "log10", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply",
    "nan_to_num", "negative", "not_equal", "ones_like", "power", "rad2deg", "reciprocal", "round", "rsqrt", "saturate_cast",
    "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "subtract", "tan", "tanh", "true_divide", "trunc", "where",
    "zeros_like",
]  # fmt: skip

Given = Callable[..., list[Any]]


def _own(*xs: Any) -> list[Any]:
    return [convert(x) for x in xs]


def _numbers(*xs: Any) -> list[Any]:
    """Booleans count as 0 and 1."""
    return common(*xs, also=(int,)) if common(*xs)[0].dtype == bool else common(*xs)


def _counted(*xs: Any) -> list[Any]:
    """As `_numbers`, and here Keras counts a Python number as an array of 32 bits."""
    return _numbers(*_own(*xs))


def _truths(*xs: Any) -> list[Any]:
    return [x.astype(bool) for x in _own(*xs)]


def _unary(class_name: str, function: Any, doc: str, given: Given = floats, module: str = NUMPY) -> Any:
    def call(x: Any) -> Any:
        return function(*given(x))

    call.__name__, call.__doc__ = snake_case(class_name), doc
    return op(class_name, module)(call)


def _binary(class_name: str, function: Any, doc: str, given: Given = common) -> Any:
    def call(x1: Any, x2: Any) -> Any:
        return function(*given(x1, x2))

    call.__name__, call.__doc__ = snake_case(class_name), doc
    return op(class_name, tensors=2)(call)


def _power(x1: Any, x2: Any) -> Any:
    if x1.dtype.kind in "iub" and (x2 < 0).any():
        return np.trunc(np.power(x1.astype(np.float64), x2)).astype(x1.dtype)  # NumPy refuses; TensorFlow truncates
    return np.power(x1, x2)


def _no_nan(x1: Any, x2: Any) -> Any:
    return np.where(x2 == 0, x1.dtype.type(0), np.divide(x1, x2))


add = _binary("Add", np.add, "x1 + x2.")
subtract = _binary("Subtract", np.subtract, "x1 - x2.")
multiply = _binary("Multiply", np.multiply, "x1 x2.")
true_divide = _binary("TrueDivide", np.true_divide, "x1 / x2.", floats)
divide = _binary("Divide", np.divide, "x1 / x2.", floats)
divide_no_nan = _binary("DivideNoNan", _no_nan, "x1 / x2, 0 where x2 is 0.", floats)
floor_divide = _binary("FloorDivide", np.floor_divide, "The largest whole number not above x1 / x2.")
mod = _binary("Mod", np.mod, "The rest of `floor_divide`.", _counted)
power = _binary("Power", _power, "x1 to the power of x2.")
maximum = _binary("Maximum", np.maximum, "The larger of the two.")
minimum = _binary("Minimum", np.minimum, "The smaller of the two.")
arctan2 = _binary("Arctan2", np.arctan2, "The angle of the point (x2, x1).", floats)
hypot = _binary("Hypot", np.hypot, "The length of the vector (x1, x2).", floats)
logaddexp = _binary("Logaddexp", np.logaddexp, "ln(e^x1 + e^x2).", floats)

equal = _binary("Equal", np.equal, "Whether x1 = x2.")
not_equal = _binary("NotEqual", np.not_equal, "Whether x1 differs from x2.")
greater = _binary("Greater", np.greater, "Whether x1 > x2.")
greater_equal = _binary("GreaterEqual", np.greater_equal, "Whether x1 is x2 or above.")
less = _binary("Less", np.less, "Whether x1 < x2.")
less_equal = _binary("LessEqual", np.less_equal, "Whether x1 is x2 or below.")
logical_and = _binary("LogicalAnd", np.logical_and, "Whether both are true.", _truths)
logical_or = _binary("LogicalOr", np.logical_or, "Whether one is true.", _truths)
logical_xor = _binary("LogicalXor", np.logical_xor, "Whether one alone is true.", _truths)
logical_not = _unary("LogicalNot", np.logical_not, "Whether x is false.", _truths)
isnan = _unary("Isnan", np.isnan, "Whether x is no number.")
isinf = _unary("Isinf", np.isinf, "Whether x is infinite.")
isfinite = _unary("Isfinite", np.isfinite, "Whether x is neither infinite nor NaN.")

negative = _unary("Negative", np.negative, "-x.", _own)
absolute = _unary("Absolute", np.absolute, "|x|.", _own)
abs = _unary("Abs", np.absolute, "|x|.", _own)
sign = _unary("Sign", np.sign, "-1, 0 or 1.", _own)
square = _unary("Square", np.square, "x times x.", _numbers)
floor = _unary("Floor", np.floor, "The largest whole number not above x.")
ceil = _unary("Ceil", np.ceil, "The smallest whole number not below x.")
trunc = _unary("Trunc", np.trunc, "x without what follows the point.", _own)
copy = _unary("Copy", np.array, "Another array with the same numbers.", _own)

reciprocal = _unary("Reciprocal", np.reciprocal, "1 / x.")
exp = _unary("Exp", np.exp, "e^x.")
exp2 = _unary("Exp2", np.exp2, "2^x.")
expm1 = _unary("Expm1", np.expm1, "e^x - 1.")
log = _unary("Log", np.log, "ln x.")
log2 = _unary("Log2", np.log2, "The logarithm to base 2.")
log10 = _unary("Log10", np.log10, "The logarithm to base 10.")
log1p = _unary("Log1p", np.log1p, "ln(1 + x).")
sqrt = _unary("Sqrt", np.sqrt, "The square root.")
rsqrt = _unary("Rsqrt", lambda x: 1 / np.sqrt(x), "One over the square root.", floats, MATH)
cbrt = _unary("Cbrt", np.cbrt, "The cubic root.")
erf = _unary("Erf", activations.erf, "The error function.", floats, MATH)
sin = _unary("Sin", np.sin, "The sine.")
cos = _unary("Cos", np.cos, "The cosine.")
tan = _unary("Tan", np.tan, "The tangent.")
arcsin = _unary("Arcsin", np.arcsin, "The angle of that sine.")
arccos = _unary("Arccos", np.arccos, "The angle of that cosine.")
arctan = _unary("Arctan", np.arctan, "The angle of that tangent.")
sinh = _unary("Sinh", np.sinh, "The hyperbolic sine.")
cosh = _unary("Cosh", np.cosh, "The hyperbolic cosine.")
tanh = _unary("Tanh", np.tanh, "The hyperbolic tangent.")
arcsinh = _unary("Arcsinh", np.arcsinh, "Where the hyperbolic sine is x.")
arccosh = _unary("Arccosh", np.arccosh, "Where the hyperbolic cosine is x.")
arctanh = _unary("Arctanh", np.arctanh, "Where the hyperbolic tangent is x.")
deg2rad = _unary("Deg2rad", np.deg2rad, "Degrees in radians.")
rad2deg = _unary("Rad2deg", np.rad2deg, "Radians in degrees.")


def _bits(class_name: str, function: Any, doc: str) -> Any:
    def call(x: Any, y: Any) -> Any:
        return function(*common(convert(x), convert(y)))

    call.__name__, call.__doc__ = snake_case(class_name), doc
    return op(class_name, tensors=2)(call)


bitwise_and = _bits("BitwiseAnd", np.bitwise_and, "The bits that both have.")
bitwise_or = _bits("BitwiseOr", np.bitwise_or, "The bits that one has.")
bitwise_xor = _bits("BitwiseXor", np.bitwise_xor, "The bits that one alone has.")
bitwise_not = _unary("BitwiseNot", np.bitwise_not, "The bits that x has not.", _own)


@op("Isclose", tensors=4)
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |x1 - x2| is at most atol + rtol |x2|."""
    x1, x2 = common(x1, x2)
    return np.isclose(x1, x2, rtol, atol, equal_nan)


@op("Where", tensors=3)
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, x2 elsewhere; without either, the indices of where it holds, one array an axis.

    Raises:
        ValueError: only one of x1 and x2.
    """
    holds = convert(condition).astype(bool, copy=False)
    if x1 is None and x2 is None:
        return tuple(i.astype(np.int32) for i in np.nonzero(holds))
    if x1 is None or x2 is None:
        raise ValueError("`x1` and `x2` either both should be `None` or both should have non-None value.")
    return np.where(holds, *common(x1, x2))


@op("Clip")
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x held between x_min and x_max."""
    (x,) = _numbers(x)
    return np.clip(x, convert(x_min, x.dtype), convert(x_max, x.dtype))


@op("Round")
def round(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals, half to even."""
    x = convert(x)
    return x if x.dtype.kind in "iub" and decimals >= 0 else np.round(x, decimals)


@op("NanToNum")
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """x with numbers for NaN and the infinities, the dtype's ends unless told otherwise."""
    return np.nan_to_num(convert(x), nan=nan, posinf=posinf, neginf=neginf)


@op("StopGradient", CORE)
def stop_gradient(variable: Any) -> Any:
    """The same: there are no gradients here."""
    return convert(variable)


@op("Cast", CORE)
def cast(x: Any, dtype: Any) -> Any:
    """x in another dtype."""
    return convert(x).astype(standardize_dtype(dtype), copy=False)


@op("SaturateCast", CORE)
def saturate_cast(x: Any, dtype: Any) -> Any:
    """x in another dtype, the nearest number there is where it has none."""
    x, dtype = convert(x), np.dtype(standardize_dtype(dtype))
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        low, high = (float(ends.min), float(ends.max)) if x.dtype.kind == "f" else (ends.min, ends.max)
        inside = np.clip(x, *(np.asarray(v).astype(x.dtype) for v in (low, high))) if x.dtype.kind == "f" else x
        if x.dtype.kind == "f":  # the rounded end may lie beyond the largest integer
            return np.where(inside >= high, ends.max, np.where(inside <= low, ends.min, inside.astype(dtype))).astype(
                dtype
            )
        return np.where(x > high, high, np.where(x < low, low, x)).astype(dtype)
    if dtype.kind == "f":
        span = np.finfo(dtype)
        return np.clip(x.astype(np.float64), float(span.min), float(span.max)).astype(dtype)
    return x.astype(dtype)


@op("ConvertToTensor", CORE)
def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """x as an array; Python's numbers get 32 bits unless told otherwise.

    Raises:
        ValueError: a sparse or ragged one is asked for.
    """
    if sparse or ragged:
        raise ValueError("Arrays are dense here: leave `sparse` and `ragged` out.")
    return convert(x, None if dtype is None else standardize_dtype(dtype))


@op("ZerosLike")
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of x's shape, and dtype unless told otherwise."""
    return np.zeros_like(convert(x), dtype)


@op("OnesLike")
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of x's shape, and dtype unless told otherwise."""
    return np.ones_like(convert(x), dtype)


@op("FullLike", tensors=2)
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """`fill_value` in x's shape, and dtype unless told otherwise."""
    return np.full_like(convert(x), fill_value, dtype)
