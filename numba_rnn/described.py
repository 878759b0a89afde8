"""The small objects that configs hold (initializers, regularizers, constraints), and how these describe them."""

from __future__ import annotations

from typing import Any, ClassVar

from numba_rnn.custom import custom_object_scope, find_own, get_registered_name, is_foreign, is_ours
from numba_rnn.ops.naming import snake_case

__all__ = ["Described", "Family", "Stored", "describe"]


class Described:
    """An object that its constructor's arguments describe."""

    keras_module: ClassVar[str]
    config_keys: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {key: getattr(self, key) for key in self.config_keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` describes."""
        return cls(**config)


class Stored:
    """An object that this library does not have, as a file describes it: kept for the file's next reader, of no use before.

    Attributes:
        description: Keras' JSON.
    """

    def __init__(self, kind: str, description: dict[str, Any]) -> None:
        self.kind, self.description = kind, description

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Nobody knows what it does.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"Could not interpret {self.kind} identifier: {self.description}. Pass its class in `custom_objects` when loading, or "
            "register it with `register_keras_serializable`."
        )


def describe(value: Any) -> Any:
    """Keras' JSON for an object with `get_config`, a `Stored`, or a function.

    Raises:
        ValueError: a function without a name of its own.
    """
    if isinstance(value, Stored):
        return value.description
    if not hasattr(value, "get_config"):
        return _function(value)
    cls = type(value)
    if is_ours(cls):
        module, name = getattr(value, "keras_module", "keras.layers"), getattr(value, "keras_class_name", cls.__name__)
        registered = getattr(value, "keras_registered_name", None)
    else:
        module, name, registered = _module(cls), cls.__name__, get_registered_name(cls)
    return {"module": module, "class_name": name, "config": value.get_config(), "registered_name": registered}


def _module(value: Any) -> str | None:
    return None if value.__module__ == "__main__" else value.__module__


def _function(value: Any) -> Any:
    name = get_registered_name(value) if hasattr(value, "__name__") else ""
    if name and is_ours(value):  # a loss or metric of Keras'
        return name
    if not name or name == "<lambda>":
        raise ValueError(
            f"A config holds functions by their names, and this one has none. Expected: Keras' own, or a function made with `def`. "
            f"Received: {value}."
        )
    return {"module": _module(value), "class_name": "function", "config": name, "registered_name": name}


class Family:
    """All objects of one kind, under Keras' names: its `get`, `serialize` and `deserialize`.

    Args:
        kind: what messages call them.
        classes: theirs, found under their own name and in snake case.
        aliases: further names.
    """

    def __init__(self, kind: str, *classes: type, **aliases: type) -> None:
        self.kind = kind
        self.named = {cls.__name__: cls for cls in classes}
        self.named.update({snake_case(cls.__name__): cls for cls in classes}, **aliases)

    def __contains__(self, name: object) -> bool:
        return name in self.named

    def get(self, identifier: Any) -> Any:
        """The object of a name, a class, or Keras' JSON; None and callables as they are.

        Raises:
            ValueError: it is none of these.
        """
        if isinstance(identifier, dict) and "class_name" in identifier:
            return self.deserialize(identifier)
        found = identifier
        if isinstance(identifier, str):
            found = find_own(identifier) or self.named.get(identifier)
        if identifier is not None and not callable(found):
            raise ValueError(
                f"Could not interpret {self.kind} identifier: {identifier}. Known names: {', '.join(sorted(self.named))}."
            )
        return found() if isinstance(found, type) else found

    def serialize(self, value: Any) -> Any:
        """Keras' JSON for an object; None for None.

        Raises:
            ValueError: a function without a name of its own.
        """
        return None if value is None else describe(value)

    def deserialize(self, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """What Keras' JSON describes; a `Stored` where it is neither this library's nor registered, or has other options.

        Raises:
            ValueError: a name, alone, that none has; options that its class refuses.
        """
        with custom_object_scope(custom_objects):
            if not isinstance(config, dict):
                return self.get(config)
            name, registered = config.get("class_name"), config.get("registered_name")
            options: Any = config.get("config") or {}
            if name == "function":
                return find_own(registered) or find_own(options) or Stored(self.kind, config)
            own = find_own(registered) or find_own(name)
        if own is not None:
            return own.from_config(options)
        cls: Any = self.named.get(str(name))
        if cls is None or is_foreign(name, config.get("module"), registered):
            return Stored(self.kind, config)
        try:
            return cls.from_config(options)
        except TypeError:  # written by another version
            return Stored(self.kind, config)
