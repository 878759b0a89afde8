"""The activations as operations, under the class names that Keras gives their nodes."""

from __future__ import annotations

from typing import Any

from numba_rnn.ops import activations
from numba_rnn.ops.base import op

__all__ = [
    "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish",
]  # fmt: skip

NN = "keras.src.ops.nn"
ACTIVATIONS = "keras.src.activations.activations"

celu = op("Celu", NN)(activations.celu)
elu = op("Elu", NN)(activations.elu)
glu = op("Glu", NN)(activations.glu)
hard_sigmoid = op("HardSigmoid", NN)(activations.hard_sigmoid)
hard_silu = op("HardSilu", NN)(activations.hard_silu)
hard_tanh = op("HardTanh", NN)(activations.hard_tanh)
leaky_relu = op("LeakyRelu", NN)(activations.leaky_relu)
log_sigmoid = op("LogSigmoid", NN)(activations.log_sigmoid)
log_softmax = op("LogSoftmax", NN)(activations.log_softmax)
mish = op("Mish", ACTIVATIONS)(activations.mish)
relu6 = op("Relu6", NN)(activations.relu6)
selu = op("Selu", NN)(activations.selu)
sigmoid = op("Sigmoid", NN)(activations.sigmoid)
silu = swish = op("Silu", NN)(activations.silu)
softmax = op("Softmax", NN)(activations.softmax)
softplus = op("Softplus", NN)(activations.softplus)
softsign = op("Softsign", NN)(activations.softsign)
op("ReLU", ACTIVATIONS)(activations.relu)  # `keras.activations.relu` on a symbolic tensor, with its options


@op("Relu", NN)
def relu(x: Any) -> Any:
    """max(x, 0)."""
    return activations.relu(x)


@op("Gelu", NN)
def gelu(x: Any, approximate: bool = True) -> Any:
    """x Φ(x); unlike the activation of that name it is the tanh form unless told otherwise, as in Keras."""
    return activations.gelu(x, approximate)
