"""Keras' `keras.activations`: the functions, on arrays and on symbolic tensors, by name and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba_rnn import ops
from numba_rnn.custom import custom_object_scope
from numba_rnn.layers.options import activation_of
from numba_rnn.layers.serialization import serialize as _serialize
from numba_rnn.ops.activations import NAMES
from numba_rnn.ops.nn import mish
from numba_rnn.ops.nn import relu_with_options as relu

__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip

celu, elu, glu, relu6, selu = ops.celu, ops.elu, ops.glu, ops.relu6, ops.selu
hard_shrink, hard_sigmoid, hard_silu, hard_tanh = ops.hard_shrink, ops.hard_sigmoid, ops.hard_silu, ops.hard_tanh
leaky_relu, log_sigmoid, log_softmax, sigmoid, silu = (
    ops.leaky_relu,
    ops.log_sigmoid,
    ops.log_softmax,
    ops.sigmoid,
    ops.silu,
)
soft_shrink, softmax, softplus, softsign = ops.soft_shrink, ops.softmax, ops.softplus, ops.softsign
sparse_plus, sparse_sigmoid, sparsemax, squareplus = ops.sparse_plus, ops.sparse_sigmoid, ops.sparsemax, ops.squareplus
tanh, tanh_shrink, threshold = ops.tanh, ops.tanh_shrink, ops.threshold
hard_swish, swish = hard_silu, silu


def linear(x: Any) -> Any:
    """x."""
    return x


def exponential(x: Any) -> Any:
    """e^x."""
    return ops.exp(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x Φ(x), Φ the normal distribution function; the tanh form where `approximate`."""
    return ops.gelu(x, approximate)


_BY_NAME: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid,
        log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid,
        sparsemax, squareplus, tanh, tanh_shrink, threshold,
    )
}  # fmt: skip
# Layers compute with their own, faster form of these.
NAMES.update({linear: "linear", exponential: "exponential", gelu: "gelu"})


def get(identifier: Any) -> Any:
    """The function behind a name, None (`linear`), a callable, or a description in Keras' JSON.

    Raises:
        ValueError: no activation has that name.
    """
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]
    found = activation_of(identifier)
    return _BY_NAME.get(NAMES.get(found, ""), found)


def serialize(activation: Any) -> Any:
    """The name of one of Keras' own; Keras' JSON for a registered one or an object.

    Raises:
        ValueError: a function without a name of its own.
    """
    return _serialize(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """What `serialize` described; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
