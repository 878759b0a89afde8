"""Keras' `keras.saving`: files of models and weights, and the classes of one's own that they may name."""

from __future__ import annotations

from typing import Any

from numba_rnn import constraints, initializers, regularizers
from numba_rnn.custom import (
    REGISTERED,
    custom_object_scope,
    find_own,
    get_registered_name,
    register_keras_serializable,
)
from numba_rnn.layers.options import activation_of
from numba_rnn.layers.serialization import decode, deserialize, serialize
from numba_rnn.models.files import load_model, load_weights, save_model, save_weights

__all__ = [
    "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects", "get_registered_name",
    "get_registered_object", "load_model", "load_weights", "register_keras_serializable", "save_model", "save_weights",
    "serialize_keras_object",
]  # fmt: skip

CustomObjectScope = custom_object_scope


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions under `package>name`: the dict itself, to look into or to change."""
    return REGISTERED


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """The class or function that files call `name`: of a `custom_object_scope`, registered, or in one of the dicts; else None."""
    own = find_own(name)
    return own if own is not None else {**(module_objects or {}), **(custom_objects or {})}.get(name)


def serialize_keras_object(obj: Any) -> Any:
    """Keras' JSON for a layer, a model, an initializer, a function or plain data.

    Raises:
        ValueError: a function without a name of its own.
    """
    return serialize(obj)


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True, **kept: Any
) -> Any:
    """The object that Keras' JSON describes; what describes none is data, its marks for tuples and arrays resolved.

    Args:
        config: as from `serialize_keras_object`, or as Keras writes it.
        custom_objects: classes and functions of your own that it may name.
        safe_mode: accepted for Keras' sake; nothing is ever imported or executed, whatever the JSON says.
        **kept: accepted for Keras' sake.

    Raises:
        ModelFileError: it names what this library does not have and the user did not register.
    """
    with custom_object_scope(custom_objects):
        return _made(config)


def _made(config: Any) -> Any:
    if isinstance(config, list):
        return [_made(c) for c in config]
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if not isinstance(name, str):
        return {k: _made(v) for k, v in config.items()}
    if name.startswith("__"):
        return decode(config)
    if name == "function":
        return activation_of(config)
    for family in (initializers.FAMILY, regularizers.FAMILY, constraints.FAMILY):
        if name in family:
            return family.deserialize(config)
    return deserialize(config)
