"""Python's `math` as kernels have it: float32 stays float32, nothing raises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["MATH", "fma"]

FLOAT32, FLOAT64 = np.float32, np.float64
ROUNDED = np.empty((), FLOAT32)
ROUND = memoryview(ROUNDED)  # written here and read there, a number is rounded in half the time of FLOAT32(number)


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


def binary(exact: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
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


def rounding(numpy_twin: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A float of a float, as on the GPU; an int in Python."""

    def twin(x: Any) -> Any:
        return numpy_twin(x if isinstance(x, np.floating) else FLOAT64(x))

    return twin


def ldexp(x: Any, n: Any) -> Any:
    """x 2^n."""
    kind = FLOAT32 if x.__class__ is FLOAT32 else FLOAT64
    return kind(np.ldexp(kind(x), int(n)))


def twins() -> dict[str, Callable[..., Any]]:
    """By name."""
    plain = "exp", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sin", "cos", "tan", "sqrt", "fabs"
    of_another_name = {
        "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
        "erf": None, "erfc": None,
    }  # fmt: skip
    pairs = {"copysign": np.copysign, "pow": np.power, "fmod": np.fmod, "atan2": np.arctan2, "hypot": np.hypot}
    out = {name: unary(getattr(math, name), getattr(np, name)) for name in plain}
    out |= {name: unary(getattr(math, name), twin) for name, twin in of_another_name.items()}
    out |= {name: binary(twin) for name, twin in pairs.items()}
    out |= {name: rounding(getattr(np, name)) for name in ("floor", "ceil", "trunc")}
    return out | {"ldexp": ldexp, "fma": fma}


def fma(x: Any, y: Any, z: Any) -> Any:
    """x y + z, rounded once. In float32 by way of float64: one in 2^29 results may be off by a last bit."""
    if x.__class__ is FLOAT32 and y.__class__ is FLOAT32 and z.__class__ is FLOAT32:
        ROUND[()] = float(x) * float(y) + float(z)
        return ROUNDED[()]
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


MATH = Mathematics()
vars(MATH).update(twins())
