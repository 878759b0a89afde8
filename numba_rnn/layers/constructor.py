"""What a class of the user's own was made with, so that it can be made again where it says nothing of that itself."""

from __future__ import annotations

import inspect
from typing import Any

from numba_rnn.ops.tree import flatten

__all__ = ["arguments_of", "taken", "without_config"]

PLAIN = (str, int, float, bool, type(None))


def arguments_of(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """A constructor's arguments by name, defaults included, but for `name`; None where a config cannot hold them."""
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for place, (name, parameter) in enumerate(signature.parameters.items()):
        value = bound.arguments.get(name)
        if place == 0:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY or (parameter.kind is parameter.VAR_POSITIONAL and value):
            return None
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(value or {})
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            found[name] = value
    found.pop("name", None)
    return found if all(isinstance(leaf, PLAIN) for leaf in flatten(found)) else None


def taken(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """The keys that the constructor takes."""
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return config
    return {key: value for key, value in config.items() if key in parameters}


def without_config(layer: Any) -> NotImplementedError:
    """The error for a layer whose arguments no config can hold."""
    return NotImplementedError(
        f"Object {type(layer).__name__} was created by passing non-serializable argument values in `__init__()`, and therefore the "
        "object must override `get_config()` in order to be serializable. Please implement `get_config()`: "
        "`return {**super().get_config(), 'units': self.units}`, say, with all that `__init__` takes. Without it numbers, texts, "
        "None and lists of them will do, given by name or place, not as `*args`."
    )
