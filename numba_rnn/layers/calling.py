"""What a layer's methods take, and what calls tell each other: whether they are for training, and which losses they add."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

__all__ = ["added_losses", "in_training", "loss_scope", "signature_of", "training_scope"]

_training: ContextVar[bool | None] = ContextVar("training", default=None)

_added: ContextVar[list[Any] | None] = ContextVar("added", default=None)

# None where nobody has asked: what layers add is then forgotten.
added_losses = _added.get

# None where nobody has said: a layer then keeps its own default. Bound once, since every call of a layer asks.
in_training = _training.get


@contextlib.contextmanager
def training_scope(training: bool | None) -> Iterator[None]:
    """Inside, layers that are not told otherwise run with this `training`; None leaves things as they are."""
    if training is None:
        yield
        return
    token = _training.set(bool(training))
    try:
        yield
    finally:
        _training.reset(token)


@contextlib.contextmanager
def loss_scope() -> Iterator[None]:
    """Inside, `added_losses` returns what layers add with `add_loss`."""
    token = _added.set([])
    try:
        yield
    finally:
        _added.reset(token)


@cache
def signature_of(method: Callable[..., Any]) -> inspect.Signature:
    """Of a class's method, without `self`."""
    signature = inspect.signature(method)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
