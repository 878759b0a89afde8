"""The activations as operations, under the class names that Keras gives their nodes; normalizations and cross-entropies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import epsilon as default_epsilon
from numba_rnn.ops import activations, logits
from numba_rnn.ops.base import NN, op
from numba_rnn.ops.dtypes import convert, floats
from numba_rnn.ops.elementwise import exp, tanh
from numba_rnn.ops.tree import as_tuple

__all__ = [
    "batch_normalization", "binary_crossentropy", "categorical_crossentropy", "celu", "elu", "gelu", "glu", "hard_shrink",
    "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "layer_normalization", "leaky_relu", "log_sigmoid", "log_softmax",
    "mish", "relu", "relu6", "relu_with_options", "rms_normalization", "selu", "sigmoid", "silu", "soft_shrink", "softmax",
    "softplus", "softsign", "sparse_categorical_crossentropy", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh_shrink", "threshold",
]  # fmt: skip

ACTIVATIONS = "keras.src.activations.activations"


def _activation(class_name: str, function: Callable[..., Array], module: str = NN) -> Any:
    """The operation, known to layers by the activation's name."""

    @functools.wraps(function)
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = convert(x)
        return function(x if x.dtype.kind == "f" else floats(x)[0], *args, **kwargs)

    made = op(class_name, module)(call)
    if function in activations.NAMES:
        activations.NAMES[made] = activations.NAMES[function]
    return made


celu = _activation("Celu", activations.celu)
elu = _activation("Elu", activations.elu)
glu = _activation("Glu", activations.glu)
hard_shrink = _activation("HardShrink", activations.hard_shrink)
hard_sigmoid = _activation("HardSigmoid", activations.hard_sigmoid)
hard_silu = hard_swish = _activation("HardSilu", activations.hard_silu)
hard_tanh = _activation("HardTanh", activations.hard_tanh)
leaky_relu = _activation("LeakyRelu", activations.leaky_relu)
log_sigmoid = _activation("LogSigmoid", activations.log_sigmoid)
log_softmax = _activation("LogSoftmax", activations.log_softmax)
mish = _activation("Mish", activations.mish, ACTIVATIONS)
relu_with_options = _activation("ReLU", activations.relu, ACTIVATIONS)  # `keras.activations.relu`
selu = _activation("Selu", activations.selu)
sigmoid = _activation("Sigmoid", logits.sigmoid)
silu = swish = _activation("Silu", activations.silu)
soft_shrink = _activation("SoftShrink", activations.soft_shrink)
softmax = _activation("Softmax", logits.softmax)
softplus = _activation("Softplus", activations.softplus)
softsign = _activation("Softsign", activations.softsign)
sparse_plus = _activation("SparsePlus", activations.sparse_plus)
sparse_sigmoid = _activation("SparseSigmoid", activations.sparse_sigmoid)
sparsemax = _activation("Sparsemax", activations.sparsemax)
squareplus = _activation("Squareplus", activations.squareplus)
tanh_shrink = _activation("TanhShrink", activations.tanh_shrink)
threshold = _activation("Threshold", activations.threshold)


@op("Relu", NN)
def relu(x: Any) -> Any:
    """max(x, 0)."""
    return activations.relu(convert(x))


@op("Relu6", NN)
def relu6(x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return activations.relu6(convert(x))


activations.NAMES.update({relu: "relu", relu6: "relu6", tanh: "tanh", exp: "exponential"})


@op("Gelu", NN)
def gelu(x: Any, approximate: bool = True) -> Any:
    """x Φ(x); unlike the activation of that name it is the tanh form unless told otherwise, as in Keras."""
    return activations.gelu(floats(x)[0], approximate)


@op("LayerNorm", NN, tensors=3)
def _layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Any:
    (x,) = floats(x)
    axes = sorted(a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    shape = [n if i in axes else 1 for i, n in enumerate(x.shape)]

    def wide(v: Any) -> Array:
        v = convert(v, x.dtype)
        return v if v.ndim == x.ndim or axes == [x.ndim - 1] else v.reshape(shape)

    mean = 0 if rms_scaling else np.mean(x, tuple(axes), keepdims=True)
    scale = 1 / np.sqrt(np.var(x, tuple(axes), keepdims=True) + x.dtype.type(_epsilon(epsilon)))
    y = (x - mean) * (scale if gamma is None else scale * wide(gamma))
    return y if beta is None or rms_scaling else y + wide(beta)


def _epsilon(value: float | None) -> float:
    return default_epsilon() if value is None else value


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """x moved and scaled to mean 0 and variance 1 along `axis`, then times gamma, plus beta; of `axis`' sizes, both."""
    return _layer_norm(x, gamma, beta, axis, epsilon, bool(kwargs.pop("rms_scaling", False)), **kwargs)


@op("RMSNorm", NN, tensors=2)
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """x over the root of its mean square along `axis`, then times `scale`."""
    (x,) = floats(np.atleast_1d(convert(x)))
    y = x / np.sqrt(np.mean(np.square(x), as_tuple(axis), keepdims=True) + x.dtype.type(_epsilon(epsilon)))
    return y if scale is None else y * convert(scale, x.dtype)


@op("BatchNorm", NN, tensors=5)
def _batch_norm(
    x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, *, axis: int, epsilon: float = 1e-3
) -> Any:
    (x,) = floats(x)
    shape = [n if i == axis % x.ndim else 1 for i, n in enumerate(x.shape)]
    mean, variance, offset, scale = (
        None if v is None else convert(v, x.dtype).reshape(shape) for v in (mean, variance, offset, scale)
    )
    factor = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    factor = factor if scale is None else factor * scale
    return x * factor + ((0 if offset is None else offset) - mean * factor)


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """x moved and scaled by these means and variances, one of each for every place along `axis`."""
    return _batch_norm(x, mean, variance, offset, scale, axis=axis, epsilon=epsilon)


def _probabilities(output: Array) -> Array:
    low = output.dtype.type(default_epsilon())
    return np.clip(output, low, 1 - low)


def _same_shape(target: Any, output: Any) -> tuple[Array, Array]:
    output = floats(output)[0]
    target = convert(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    return target, output


@op("BinaryCrossentropy", NN, tensors=2)
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(t ln p + (1 - t) ln(1 - p)) for each element, p the output, or its sigmoid where the output is `from_logits`.

    Raises:
        ValueError: the shapes differ.
    """
    target, output = _same_shape(target, output)
    if from_logits:
        return activations.softplus(output) - target * output
    p = _probabilities(output)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


@op("CategoricalCrossentropy", NN, tensors=2)
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum(t ln p) along `axis`, p the output over its sum, or its softmax where the output is `from_logits`.

    Raises:
        ValueError: the shapes differ.
    """
    target, output = _same_shape(target, output)
    if from_logits:
        return -np.sum(target * activations.log_softmax(output, axis), axis)
    return -np.sum(target * np.log(_probabilities(output / np.sum(output, axis, keepdims=True))), axis)


@op("SparseCategoricalCrossentropy", NN, tensors=2)
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-ln p of the class that each target names: target (...) or (..., 1), output (..., classes).

    Raises:
        ValueError: the shapes do not go together; another axis than the last.
    """
    (output,) = floats(output)
    target = convert(target).astype(np.int64, copy=False)
    if axis not in (-1, output.ndim - 1):
        raise ValueError(f"Only axis=-1 is currently supported. Received: axis={axis}")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target[..., 0]
    if target.shape != output.shape[:-1]:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={target.shape}, output.shape={output.shape}"
        )
    logits = output if from_logits else np.log(_probabilities(output))
    picked = np.take_along_axis(activations.log_softmax(logits), target[..., None], -1)
    return -picked[..., 0]
