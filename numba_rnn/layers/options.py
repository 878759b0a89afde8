"""What constructors do with their arguments: forward them in one go, read activations, check units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba_rnn.custom import find_own
from numba_rnn.layers.base import Layer
from numba_rnn.layers.serialization import KERAS_2_HARD_SIGMOID, deserialize
from numba_rnn.ops.activations import get_activation

__all__ = ["activation_of", "forwarded", "function_of", "positive_units", "share_of"]


def forwarded(names: dict[str, Any]) -> dict[str, Any]:
    """A constructor's arguments out of its `locals()`, to hand on as keywords."""
    own = {k: v for k, v in names.items() if k not in {"self", "kwargs", "__class__"}}
    return {**own, **names.get("kwargs", {})}


def activation_of(identifier: Any) -> Any:
    """A layer's `activation=`: a name (Keras' own or a registered one), a callable, None, a layer, or a file's description of one.

    Raises:
        ValueError: no activation has that name.
    """
    if isinstance(identifier, dict):
        if _is_keras_2_hard_sigmoid(identifier):
            return get_activation("keras2_hard_sigmoid")[1]
        if identifier.get("class_name") != "function":
            return deserialize(identifier)
        identifier = identifier.get("config")
    identifier = find_own(identifier) or identifier
    return identifier if isinstance(identifier, Layer) else get_activation(identifier)[1]


def _is_keras_2_hard_sigmoid(description: dict[str, Any]) -> bool:
    """Whether it is what `serialize` wrote; Keras adds keys and an input when it saves it again."""
    try:
        layers = [one for one in description["config"]["layers"] if one["class_name"] != "InputLayer"]
        pairs = list(zip(layers, KERAS_2_HARD_SIGMOID["config"]["layers"], strict=True))
        return all(
            one["class_name"] == known["class_name"] and known["config"].items() <= one["config"].items()
            for one, known in pairs
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def function_of(activation: Any) -> Callable[[Any], Any]:
    """The NumPy function of what `activation_of` returned."""
    function: Callable[[Any], Any] = activation.call if isinstance(activation, Layer) else activation
    return function


def positive_units(units: Any) -> int:
    """`units` of a recurrent cell.

    Raises:
        ValueError: not a positive whole number.
        TypeError: no number.
    """
    if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
        kind = ValueError if isinstance(units, (int, float)) or hasattr(units, "dtype") else TypeError
        raise kind(f"Received an invalid value for argument `units`, expected a positive integer, got {units!r}.")
    return units


def share_of(name: str, value: Any) -> float:
    """A rate of dropping out, brought into 0 to 1 as Keras does.

    Raises:
        ValueError: no number.
    """
    if not isinstance(value, (int, float)):
        raise ValueError(f"`{name}` must be a number from 0 to 1. Received: {name}={value!r}.")
    return min(1.0, max(0.0, value))
