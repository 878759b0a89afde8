"""What each activation of Keras' table means, in NumPy, in the dtype it is given.

Source: Keras 3.15, `keras.activations`. The oracle runs these in float64; every compiled form is tested against them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from numba_rnn._typing import Activation, Array

__all__ = ["ELEMENTWISE", "NAMES", "ROW_WISE", "get_activation"]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def linear(x: Array) -> Array:
    """x."""
    return x


def relu(x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """max(x, 0); with Keras' `ReLU` layer's options, negative_slope (x - threshold) below `threshold`, cut at `max_value`."""
    below = (
        np.asarray(negative_slope, x.dtype) * (x - np.asarray(threshold, x.dtype))
        if negative_slope
        else np.zeros_like(x)
    )
    y = np.where(x < threshold, below, x)  # NaN stays NaN
    return y if max_value is None else np.minimum(y, np.asarray(max_value, x.dtype))


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """max(x, negative_slope x)."""
    return np.maximum(x, np.asarray(negative_slope, x.dtype) * x)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha (e^x - 1)."""
    return np.where(x > 0, x, np.asarray(alpha, x.dtype) * np.expm1(np.minimum(x, 0)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """max(x, 0) + min(0, alpha (e^(x/alpha) - 1))."""
    a = np.asarray(alpha, x.dtype)
    return np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0) / a)


def selu(x: Array) -> Array:
    """scale elu(x, alpha), the self-normalising pair of Klambauer et al., 2017."""
    return np.asarray(SELU_SCALE, x.dtype) * elu(x, SELU_ALPHA)


def exponential(x: Array) -> Array:
    """e^x."""
    return np.exp(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), without overflow on either side."""
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, t) / (1 + t)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def softplus(x: Array) -> Array:
    """ln(1 + e^x)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def log_sigmoid(x: Array) -> Array:
    """ln sigmoid(x)."""
    return -softplus(-x)


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def squareplus(x: Array, b: float = 4) -> Array:
    """(x + sqrt(x^2 + b)) / 2."""
    w = np.abs(x) + np.sqrt(x * x + np.asarray(b, x.dtype))
    return np.where(x < 0, np.asarray(b / 2, x.dtype) / w, w / 2)  # the sum would cancel below 0


def silu(x: Array) -> Array:
    """x sigmoid(x)."""
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    """x tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


def erf(x: Array) -> Array:
    """The error function, element by element: NumPy has none of its own."""
    return np.array([math.erf(v) for v in np.ravel(x).tolist()], x.dtype).reshape(np.shape(x))


def gelu(x: Array, approximate: bool = False) -> Array:
    """x Φ(x), Φ the normal distribution function; the tanh form where `approximate`."""
    if approximate:
        return (
            x
            * (1 + np.tanh(np.asarray(math.sqrt(2 / math.pi), x.dtype) * (x + np.asarray(0.044715, x.dtype) * x**3)))
            / 2
        )
    return x * (1 + erf(x * np.asarray(math.sqrt(0.5), x.dtype))) / 2


def hard_sigmoid(x: Array) -> Array:
    """clip(x/6 + 1/2, 0, 1): Keras 3's slope."""
    return np.clip(x / 6 + np.asarray(0.5, x.dtype), 0, 1)


def keras2_hard_sigmoid(x: Array) -> Array:
    """clip(x/5 + 1/2, 0, 1): what `hard_sigmoid` was until Keras 3."""
    return np.clip(np.asarray(0.2, x.dtype) * x + np.asarray(0.5, x.dtype), 0, 1)


def hard_silu(x: Array) -> Array:
    """x hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_tanh(x: Array) -> Array:
    """clip(x, -1, 1)."""
    return np.clip(x, -1, 1)


def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """x where |x| > threshold, else 0."""
    return np.where(np.abs(x) <= threshold, np.zeros_like(x), x)


def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """x moved towards 0 by threshold, 0 within it."""
    return x - np.clip(x, -threshold, threshold)


def tanh_shrink(x: Array) -> Array:
    """x - tanh(x)."""
    return x - np.tanh(x)


def sparse_plus(x: Array) -> Array:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    bent = np.clip(x, -1, 1) + 1
    return bent * bent / 4 + np.maximum(x, 1) - 1


def sparse_sigmoid(x: Array) -> Array:
    """clip((x + 1) / 2, 0, 1)."""
    return np.clip((x + 1) / 2, 0, 1)


def threshold(x: Array, threshold: float, default_value: float) -> Array:
    """x where x > threshold, else default_value."""
    return np.where(x > threshold, x, np.asarray(default_value, x.dtype))


def softmax(x: Array, axis: Any = -1) -> Array:
    """e^x over its sum along `axis`."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Any = -1) -> Array:
    """ln softmax(x)."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def sparsemax(x: Array, axis: int = -1) -> Array:
    """max(x - tau, 0) after Martins and Astudillo, 2016, with Keras' tau: it adds up the cumulative sums of the support.

    The paper takes the last of them alone, which projects x onto the simplex; a trained model counts on Keras' numbers.
    """
    z = np.flip(np.sort(x, axis=axis), axis=axis)
    k = np.moveaxis(np.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape((-1,) + (1,) * (x.ndim - 1)), 0, axis)
    cumulative = np.cumsum(z, axis=axis)
    support = 1 + k * z > cumulative
    size = np.sum(support, axis=axis, keepdims=True)
    tau = (np.sum(np.where(support, cumulative, 0), axis=axis, keepdims=True) - 1) / size
    return np.maximum(x - tau.astype(x.dtype), 0)


def glu(x: Array, axis: int = -1) -> Array:
    """a sigmoid(b), a and b the halves of x along `axis`."""
    if x.shape[axis] % 2:
        raise ValueError(f"`glu` halves axis {axis}, which must be even. Received: shape {x.shape}.")
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)


_ELEMENTWISE: tuple[Activation, ...] = (
    celu, elu, exponential, gelu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, keras2_hard_sigmoid, leaky_relu, linear,
    log_sigmoid, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softplus, softsign, sparse_plus, sparse_sigmoid, squareplus,
    tanh, tanh_shrink,
)  # fmt: skip
ELEMENTWISE: dict[str, Activation] = {f.__name__: f for f in _ELEMENTWISE}
ROW_WISE: dict[str, Activation] = {f.__name__: f for f in (softmax, log_softmax, sparsemax, glu)}
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
# The functions known by name: these, and those of `numba_rnn.ops` that compute the same on whatever they are given.
NAMES: dict[Hashable, str] = {f: name for name, f in [*ELEMENTWISE.items(), *ROW_WISE.items()]}


def get_activation(identifier: str | Activation | None) -> tuple[str | None, Activation]:
    """Keras' `activations.get`: a name, a callable, or None for linear.

    Returns:
        The canonical name, None for a callable of the user's own, and the NumPy function.

    Raises:
        ValueError: no activation has that name.
    """
    if identifier is None:
        return "linear", linear
    if isinstance(identifier, str):
        name = ALIASES.get(identifier, identifier)
        if name in ELEMENTWISE:
            return name, ELEMENTWISE[name]
        if name in ROW_WISE:
            return name, ROW_WISE[name]
    elif callable(identifier):
        known = NAMES.get(identifier) if isinstance(identifier, Hashable) else None
        return (None, identifier) if known is None else get_activation(known)
    raise ValueError(
        f"Could not interpret activation function identifier: {identifier}. "
        f"Expected a callable, None, or one of: {', '.join(sorted([*ELEMENTWISE, *ROW_WISE, *ALIASES]))}."
    )
