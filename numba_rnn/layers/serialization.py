"""Objects to Keras' JSON and back. What a file may name is in the allow-list (`registry`); nothing else is ever made."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np

from numba_rnn.config import settings
from numba_rnn.custom import custom_object_scope, find_own, is_foreign
from numba_rnn.described import Stored, describe
from numba_rnn.errors import ModelFileError
from numba_rnn.layers.registry import LAYERS
from numba_rnn.layers.weight import Variable
from numba_rnn.ops.activations import get_activation
from numba_rnn.ops.bounds import limited
from numba_rnn.ops.dtypes import standardize_dtype

__all__ = [
    "KERAS_2_HARD_SIGMOID", "decode", "deserialize", "is_old", "is_reading", "passes_masks", "reading", "serialize", "writing",
]  # fmt: skip

# What Keras 3 has no name for, in its own words: it takes any layer for an activation, a model too.
KERAS_2_HARD_SIGMOID: dict[str, Any] = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {
        "name": "keras2_hard_sigmoid",
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "Rescaling",
                "config": {"scale": 0.2, "offset": 0.5},
                "registered_name": None,
            },
            {"module": "keras.layers", "class_name": "ReLU", "config": {"max_value": 1.0}, "registered_name": None},
        ],
    },
    "registered_name": None,
}

_version: ContextVar[tuple[int, int] | None] = ContextVar("keras_version", default=None)
_shared: ContextVar[dict[Any, Any] | None] = ContextVar("shared_objects", default=None)
_written: ContextVar[dict[int, dict[str, Any]] | None] = ContextVar("written_objects", default=None)


@contextlib.contextmanager
def reading(version: tuple[int, int], custom_objects: dict[str, Any] | None = None) -> Iterator[None]:
    """Inside, `deserialize` reads a file as this version of Keras wrote it and makes the user's own classes too.

    An object that occurs several times in the file is made once.
    """
    tokens = _version.set(version), _shared.set({})
    try:
        with custom_object_scope(custom_objects), limited():
            yield
    finally:
        _version.reset(tokens[0])
        _shared.reset(tokens[1])


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Inside, `serialize` marks the configs of a layer that occurs several times as those of one object."""
    token = _written.set({})
    try:
        yield
    finally:
        _written.reset(token)


def is_reading() -> bool:
    """Whether a model from a file is being made."""
    return _version.get() is not None


def is_old() -> bool:
    """Whether a model of Keras 1 or 2 is being made, which calls its layers by other rules."""
    return (_version.get() or (3, 0)) < (3, 0)


def passes_masks() -> bool:
    """Whether a recurrent layer or wrapper that is made now passes masks on; not since Keras 3.16 (keras-team/keras#23235)."""
    if settings.masks == "auto":
        return (_version.get() or (3, 15)) < (3, 16)
    return settings.masks == "3.15"


def serialize(value: Any) -> Any:
    """Keras' JSON for a constructor's argument: a layer or initializer, an activation, plain data.

    Raises:
        ValueError: a function without a name of its own.
    """
    if isinstance(value, Stored):
        return describe(value)
    if hasattr(value, "get_config"):
        return _marked(value, {**describe(value), **_build_config(value)})
    if isinstance(value, (list, tuple)):
        return [serialize(v) for v in value]
    if isinstance(value, dict):
        return {k: serialize(v) for k, v in value.items()}
    if isinstance(value, (np.ndarray, Variable)):  # a variable in a graph is written as the numbers it has
        array = np.asarray(value)
        return {"class_name": "__numpy__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    if isinstance(value, np.generic):
        return value.item()
    if callable(value):
        name = get_activation(value)[0]
        return KERAS_2_HARD_SIGMOID if name == "keras2_hard_sigmoid" else name or describe(value)
    return value


def _marked(value: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The config, with the same number as the other configs of this object, where there are others."""
    written = _written.get()
    if written is not None and hasattr(value, "_inbound_nodes"):
        first = written.setdefault(id(value), config)
        if first is not config:
            config["shared_object_id"] = first.setdefault("shared_object_id", list(written).index(id(value)) + 1)
    return config


def _build_config(value: Any) -> dict[str, Any]:
    config = value.get_build_config() if hasattr(value, "get_build_config") else None
    return {} if config is None else {"build_config": serialize(config)}


def decode(value: Any) -> Any:
    """Plain data out of Keras' JSON: its marks for tuples, slices, arrays and the ellipsis resolved, all else as it is."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__tuple__":
        return tuple(decode(value.get("items", [])))
    if kind == "__ellipsis__":
        return ...
    if kind == "__slice__" and isinstance(config, dict):
        return slice(*(decode(config.get(k)) for k in ("start", "stop", "step")))
    if kind in {"__numpy__", "__tensor__"} and isinstance(config, dict):
        try:
            return np.asarray(config.get("value"), standardize_dtype(config.get("dtype", "float32")))
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"The file holds an array that cannot be read: {error}.") from error
    return {k: decode(v) for k, v in value.items()}


def deserialize(config: Any) -> Any:
    """The layer, cell or model that Keras' JSON `{"class_name", "config", ...}` describes.

    Raises:
        ModelFileError: a class that is not in the allow-list, an option that the class does not have, a value it refuses.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise ModelFileError(f"Expected an object with a `class_name`. Received: {str(config)[:200]}.")
    name, options = config["class_name"], config.get("config", {})
    registered, identity, shared = config.get("registered_name"), config.get("shared_object_id"), _shared.get()
    if shared is not None and isinstance(identity, (int, str)) and identity in shared:
        return shared[identity]
    own = find_own(registered) or find_own(name)
    cls: Any = own or LAYERS.get(name)
    if cls is None or (own is None and is_foreign(name, config.get("module"), registered)):
        raise ModelFileError(_unknown(name, config.get("module"), registered))
    if not isinstance(options, (dict, list)):
        raise ModelFileError(f"Class {name!r} needs a `config`. Received: {str(options)[:200]}.")
    label = f"{name} {options.get('name')!r}" if isinstance(options, dict) else name
    try:
        made = cls.from_config(_known_options(cls, label, options) if isinstance(options, dict) else options)
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelFileError(f"The file's {label} cannot be made: {error}") from error
    if own is not None:
        _build(made, config.get("build_config"), label)
    if shared is not None and isinstance(identity, (int, str)):
        shared[identity] = made
    return made


def _build(layer: Any, build_config: Any, label: str) -> None:
    """Build a layer of the user's own as it was when it was saved: its own way to be called may be known to nobody else."""
    if getattr(layer, "built", True) or not isinstance(build_config, dict):
        return
    try:
        layer.build_from_config(_shape(decode(build_config)))
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelFileError(f"The file's {label} cannot be built: {error}") from error


def _shape(value: Any) -> Any:
    """JSON's lists of sizes as tuples; lists or dicts of such shapes stay what they are."""
    if isinstance(value, dict):
        return {k: _shape(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shape(v) for v in value] if any(isinstance(v, (list, tuple, dict)) for v in value) else tuple(value)
    return value


def _known_options(cls: Any, label: str, options: dict[str, Any]) -> dict[str, Any]:
    known = _parameters(cls)
    kept = {}
    for key, value in options.items():
        if key in known:
            kept[key] = value
        elif value not in (None, False, "", [], {}, 0):
            raise ModelFileError(
                f"The file's {label} has the option {key!r} = {str(value)[:200]}, which this library does not know and whose "
                "effect it cannot give."
            )
    return kept


@cache
def _parameters(cls: Any) -> set[str]:
    """The names that `from_config` takes: the constructors' along the inheritance, and those a class adds."""
    names = set(getattr(cls, "config_extras", ()))
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(base.__init__).parameters.values()
            names.update(p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return names - {"self"}


def _unknown(name: str, module: Any, registered: Any) -> str:
    if name == "Lambda":
        return "The file holds a Lambda layer, whose Python code this library never runs. Rebuild the model with named layers."
    if is_foreign(name, module, registered):
        return (
            f"The file holds {registered or name!r} (module {module!r}), its author's own class: pass it in `custom_objects`, or "
            "register it with `register_keras_serializable`."
        )
    where = f" (module {module!r})" if module else ""
    return f"The file holds the class {name!r}{where}, which this library does not have. It has: {', '.join(sorted(LAYERS))}."
