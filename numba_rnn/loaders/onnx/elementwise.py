"""ONNX's operators that compute number by number: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx.graph import DTYPES, Node
from numba_rnn.loaders.onnx.registry import Function, Known, broadcast, operator
from numba_rnn.ops import activations

__all__ = ["sigmoid"]

sigmoid = activations.sigmoid


def _divide(a: Array, b: Array) -> Any:
    """Whole numbers are rounded towards zero."""
    if a.dtype.kind == "f":
        return a / b
    quotient = a // b
    return quotient + ((quotient < 0) & (quotient * b != a)) if a.dtype.kind == "i" else quotient


UNARY: dict[str, Callable[[Array], Any]] = {
    "Abs": np.abs, "Ceil": np.ceil, "Cos": np.cos, "Erf": activations.erf, "Exp": np.exp, "Floor": np.floor, "IsNaN": np.isnan,
    "Log": np.log, "Mish": activations.mish, "Neg": np.negative, "Not": np.logical_not, "Reciprocal": lambda x: 1 / x,
    "Relu": lambda x: np.maximum(x, x.dtype.type(0)), "Round": np.rint, "Sigmoid": sigmoid, "Sign": np.sign, "Sin": np.sin,
    "Softplus": activations.softplus, "Softsign": activations.softsign, "Sqrt": np.sqrt, "Tanh": np.tanh,
    "HardSwish": activations.hard_silu,
}  # fmt: skip
BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add, "And": np.logical_and, "Div": _divide, "Equal": np.equal, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Less": np.less, "LessOrEqual": np.less_equal, "Mul": np.multiply, "Or": np.logical_or,
    "Pow": lambda a, b: np.power(a, b).astype(a.dtype, copy=False), "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
    "Sub": np.subtract, "Xor": np.logical_xor,
}  # fmt: skip
ANY_NUMBER: dict[str, Callable[[Any, Any], Any]] = {"Max": np.maximum, "Min": np.minimum, "Sum": np.add}


def _enter_tables() -> None:
    # A lambda each: the table counts its arguments, which NumPy's own functions do not show.
    for name, one in UNARY.items():
        operator(name, growth=broadcast)(lambda node, known, f=one: lambda x: f(x))  # noqa: PLW0108
    for name, two in BINARY.items():
        operator(name, growth=broadcast)(lambda node, known, f=two: lambda a, b: f(a, b))  # noqa: PLW0108
    for name, many in ANY_NUMBER.items():
        operator(name, growth=broadcast)(lambda node, known, f=many: lambda *arrays: reduce(f, arrays))


_enter_tables()


@operator("Mean", growth=broadcast)
def mean(node: Node, known: Known) -> Function:
    """The mean of the inputs."""
    return lambda *arrays: reduce(np.add, arrays) / arrays[0].dtype.type(len(arrays))


@operator("Mod", growth=broadcast)
def mod(node: Node, known: Known, *, fmod: int = 0) -> Function:
    """The remainder, with the divisor's sign, or with the dividend's where `fmod`."""
    return lambda a, b: np.fmod(a, b) if fmod else np.mod(a, b)


@operator("Where", growth=broadcast)
def where(node: Node, known: Known) -> Function:
    """One of two, by a condition."""
    return lambda condition, a, b: np.where(condition, a, b)  # noqa: PLW0108


@operator("Clip", growth=broadcast)
def clip(node: Node, known: Known, *, min: float | None = None, max: float | None = None) -> Function:
    """Numbers between two bounds: attributes up to opset 10, then inputs. Where the bounds cross, the upper one holds."""
    if node.opset < 11:
        return lambda x: _clip(x, min, max)
    if "min" in node.attributes or "max" in node.attributes:
        raise ModelFileError(f"The {node} has its bounds as attributes, which opset {node.opset} does not know.")
    return lambda x, low=None, high=None: _clip(x, low, high)


def _clip(x: Array, low: Any, high: Any) -> Any:
    x = x if low is None else np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


@operator("Elu", growth=broadcast)
def elu(node: Node, known: Known, *, alpha: float = 1.0) -> Function:
    """x where x > 0, else alpha (e^x - 1)."""
    return lambda x: activations.elu(x, alpha)


@operator("Celu", growth=broadcast)
def celu(node: Node, known: Known, *, alpha: float = 1.0) -> Function:
    """max(x, 0) + min(0, alpha (e^(x/alpha) - 1))."""
    return lambda x: activations.celu(x, alpha)


@operator("Selu", growth=broadcast)
def selu(
    node: Node, known: Known, *, alpha: float = activations.SELU_ALPHA, gamma: float = activations.SELU_SCALE
) -> Function:
    """gamma elu(x, alpha)."""
    return lambda x: x.dtype.type(gamma) * activations.elu(x, alpha)


@operator("LeakyRelu", growth=broadcast)
def leaky_relu(node: Node, known: Known, *, alpha: float = 0.01) -> Function:
    """x where x >= 0, else alpha x."""
    return lambda x: np.where(x < 0, x.dtype.type(alpha) * x, x)


@operator("ThresholdedRelu", growth=broadcast)
def thresholded_relu(node: Node, known: Known, *, alpha: float = 1.0) -> Function:
    """x where x > alpha, else 0."""
    return lambda x: np.where(x > alpha, x, x.dtype.type(0))


@operator("HardSigmoid", growth=broadcast)
def hard_sigmoid(node: Node, known: Known, *, alpha: float = 0.2, beta: float = 0.5) -> Function:
    """clip(alpha x + beta, 0, 1)."""
    return lambda x: np.clip(x.dtype.type(alpha) * x + x.dtype.type(beta), 0, 1)


@operator("Gelu", growth=broadcast)
def gelu(node: Node, known: Known, *, approximate: str = "none") -> Function:
    """x Φ(x), or the tanh form."""
    if approximate not in {"none", "tanh"}:
        raise ModelFileError(f"The {node} approximates by {approximate!r}. Expected: 'none' or 'tanh'.")
    return lambda x: activations.gelu(x, approximate == "tanh")


@operator("Swish", growth=broadcast)
def swish(node: Node, known: Known, *, alpha: float = 1.0) -> Function:
    """x sigmoid(alpha x)."""
    return lambda x: x * sigmoid(x.dtype.type(alpha) * x)


@operator("Identity", growth=broadcast)
def identity(node: Node, known: Known) -> Function:
    """x."""
    return lambda x: x


@operator("Dropout", outputs=2)
def dropout(node: Node, known: Known, *, ratio: float = 0.5, seed: int = 0) -> Function:
    """x, and a mask of all true: nothing is dropped after training."""

    def run(x: Array, ratio: Array | None = None, training: Array | None = None) -> tuple[Array, Array]:
        if training is not None and training:
            raise ValueError("it is to drop numbers as in training, which is not supported.")
        return x, np.ones(x.shape, np.bool_)

    if len(known) > 2 and known[2] is not None and known[2]:
        raise ModelFileError(f"The {node} drops numbers as in training: export the model in evaluation mode.")
    return run


@operator("Cast", growth=broadcast)
def cast(node: Node, known: Known, *, to: int, saturate: int = 1) -> Function:
    """x in another data type."""
    if to not in DTYPES:
        raise ModelFileError(
            f"The {node} casts to data type {to}. Expected: {', '.join(d.name for d in DTYPES.values())}."
        )
    return lambda x: x.astype(DTYPES[to])


@operator("CastLike")
def cast_like(node: Node, known: Known, *, saturate: int = 1) -> Function:
    """x in the data type of another."""
    return lambda x, like: x.astype(like.dtype)
