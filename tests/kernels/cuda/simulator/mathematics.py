"""Python's `math` as kernels have it: float32 stays float32, nothing raises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["MATH", "fma"]

FLOAT32, FLOAT64 = np.float32, np.float64


def unary(exact: Callable[[float], float], numpy_twin: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Rounded from float64; where Python raises, what IEEE 754 says."""

    def twin(x: Any) -> Any:
        kind = FLOAT32 if x.__class__ is FLOAT32 else FLOAT64
        try:
            return kind(exact(x))
        except (OverflowError, ValueError):
            if numpy_twin is None:
                raise
            return kind(numpy_twin(FLOAT64(x)))

    return twin


def binary(exact: Callable[[Any, Any], Any], always: bool = False) -> Callable[[Any, Any], Any]:
    """NumPy's, in the wider type of the two."""

    def twin(x: Any, y: Any) -> Any:
        kind = FLOAT32 if x.__class__ is FLOAT32 and y.__class__ is FLOAT32 else FLOAT64
        return kind(exact(kind(x), kind(y)))

    return twin


class Mathematics:
    """What `math` is in a kernel."""

    pi, e, inf, nan, tau = math.pi, math.e, math.inf, math.nan, math.tau
    isnan, isinf, isfinite = staticmethod(math.isnan), staticmethod(math.isinf), staticmethod(math.isfinite)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"math.{name} has no twin in the simulator: add it to {__name__}")


def floor(x: Any) -> Any:
    """A float, as on the GPU."""
    return np.floor(x) if isinstance(x, np.floating) else FLOAT64(math.floor(x))


def ceil(x: Any) -> Any:
    """A float, as on the GPU."""
    return np.ceil(x) if isinstance(x, np.floating) else FLOAT64(math.ceil(x))


def ldexp(x: Any, n: Any) -> Any:
    """x 2^n."""
    kind = FLOAT32 if x.__class__ is FLOAT32 else FLOAT64
    return kind(np.ldexp(kind(x), int(n)))


for _name in (
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "tanh",
    "sinh",
    "cosh",
    "sin",
    "cos",
    "tan",
    "sqrt",
    "fabs",
    "trunc",
):
    setattr(Mathematics, _name, staticmethod(unary(getattr(math, _name), getattr(np, _name))))
for _name in ("erf", "erfc", "lgamma", "gamma"):
    setattr(Mathematics, _name, staticmethod(unary(getattr(math, _name), None)))
for _name, _twin in (
    ("asin", np.arcsin),
    ("acos", np.arccos),
    ("atan", np.arctan),
    ("atanh", np.arctanh),
    ("asinh", np.arcsinh),
):
    setattr(Mathematics, _name, staticmethod(unary(getattr(math, _name), _twin)))
for _name, _twin in (
    ("copysign", np.copysign), ("pow", np.power), ("fmod", np.fmod), ("atan2", np.arctan2), ("hypot", np.hypot),
):  # fmt: skip
    setattr(Mathematics, _name, staticmethod(binary(_twin)))
for _name, _twin in (("floor", floor), ("ceil", ceil), ("ldexp", ldexp)):
    setattr(Mathematics, _name, staticmethod(_twin))

MATH = Mathematics()


def fma(x: Any, y: Any, z: Any) -> Any:
    """x y + z, rounded once. In float32 by way of float64: one in 2^29 results may be off by a last bit."""
    if x.__class__ is FLOAT32 and y.__class__ is FLOAT32 and z.__class__ is FLOAT32:
        return FLOAT32(float(x) * float(y) + float(z))
    x, y, z = float(x), float(y), float(z)
    product = x * y
    if not (math.isfinite(product) and math.isfinite(z)) or abs(x) > 1e290 or abs(y) > 1e290:
        return FLOAT64(product + z)
    # The error of the product (T. J. Dekker, 1971), then a sum that rounds once.
    a, b = x * 134217729.0, y * 134217729.0
    xh, yh = a - (a - x), b - (b - y)
    xl, yl = x - xh, y - yh
    error = ((xh * yh - product) + xh * yl + xl * yh) + xl * yl
    try:
        return FLOAT64(math.fsum((product, error, z)))
    except OverflowError:
        return FLOAT64(product + z)


Mathematics.fma = staticmethod(fma)
