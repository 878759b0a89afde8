"""What stands in front of a sigmoid or softmax: while a model is evaluated their results carry it, for crossentropies to use.

Where a probability has become 0 or 1 its crossentropy is lost, but not with the logits. Keras on TensorFlow takes them wherever the
predictions come straight from one of the two, whichever of the crossentropies asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops import activations

__all__ = ["LogitsArray", "carried", "get_logits", "keeping", "keeping_logits", "sigmoid", "softmax"]

_keeping: ContextVar[bool] = ContextVar("keeping_logits", default=False)


class LogitsArray(np.ndarray[Any, np.dtype[Any]]):
    """An array with Keras' `_keras_logits`. Slices and arithmetic have none."""

    _keras_logits: Any = None


@contextlib.contextmanager
def keeping_logits() -> Iterator[None]:
    """Inside, the results of `sigmoid` and `softmax` carry their logits."""
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


def get_logits(x: Any) -> Any:
    """The logits that an array carries, else None."""
    return getattr(x, "_keras_logits", None)


def carried(x: Array, like: Any) -> Array:
    """`x` with the logits of `like`, whose numbers it has; in another dtype it has none."""
    logits = get_logits(like)
    return x if logits is None or x.dtype != like.dtype else _with(x, logits)


def _with(x: Array, logits: Array) -> Array:
    made = x if isinstance(x, LogitsArray) else x.view(LogitsArray)
    made._keras_logits = logits
    return made


def sigmoid(x: Array) -> Array:
    """`activations.sigmoid`, which while keeping logits carries x."""
    y = activations.sigmoid(x)
    return _with(y, x) if _keeping.get() else y


def softmax(x: Array, axis: Any = -1) -> Array:
    """`activations.softmax`, which while keeping logits carries x."""
    y = activations.softmax(x, axis)
    return _with(y, x) if _keeping.get() else y


def keeping(activation: Callable[..., Any]) -> Callable[..., Any]:
    """The form of an activation that carries logits, where it has one."""
    if activation is activations.sigmoid:
        return sigmoid
    return softmax if activation is activations.softmax else activation


activations.NAMES.update({sigmoid: "sigmoid", softmax: "softmax"})
