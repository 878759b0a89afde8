"""The classes and functions of one's own that files may name: registered, or given for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

__all__ = [
    "REGISTERED", "custom_object_scope", "find_own", "get_registered_name", "is_foreign", "is_ours",
    "register_keras_serializable",
]  # fmt: skip

REGISTERED: dict[str, Any] = {}  # under `package>name`
_names: dict[Any, str] = {}
_scope: ContextVar[dict[str, Any] | None] = ContextVar("custom_objects", default=None)


def is_ours(value: Any) -> bool:
    """Whether a class or function is the library's, not the user's."""
    return str(value.__module__).split(".")[0] == __name__.split(".")[0]


def is_foreign(name: Any, module: Any, registered: Any) -> bool:
    """Whether a file means its author's own class, though it may be called like one of Keras'; old files name no module."""
    return registered not in (None, name) or (module is not None and str(module).split(".")[0] != "keras")


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator for a class or function of one's own: files may name it `package>name`, in this process.

    Args:
        package: who it belongs to.
        name: what it is called; its own name if None.

    Raises:
        ValueError: a class without `get_config`.
    """

    def decorator(value: Any) -> Any:
        if isinstance(value, type) and not hasattr(value, "get_config"):
            raise ValueError(
                f"Cannot register a class that does not have a get_config() method. Received: {value}. Derive it from `Layer`."
            )
        full = f"{package}>{value.__name__ if name is None else name}"
        REGISTERED[full] = value
        _names[value] = full
        return value

    return decorator


def get_registered_name(obj: Any) -> str:
    """What files call a class or function: `package>name` where it was registered, else its Python name."""
    return _names.get(obj) or obj.__name__


@contextlib.contextmanager
def custom_object_scope(custom_objects: dict[str, Any] | None) -> Iterator[None]:
    """Inside, files may also name these classes and functions, by these names."""
    token = _scope.set({**(_scope.get() or {}), **(custom_objects or {})})
    try:
        yield
    finally:
        _scope.reset(token)


def find_own(name: Any) -> Any:
    """The user's class or function of this name: of the innermost `custom_object_scope`, else registered; None if there is none."""
    if not isinstance(name, str):
        return None
    scope = _scope.get() or {}
    return scope[name] if name in scope else REGISTERED.get(name)
