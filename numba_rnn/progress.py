"""Who is told when something takes long: kernels announce a compilation here, a front end that wants to show it listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["compiling", "set_listener"]

Listener = Callable[[str], AbstractContextManager[object]]
_listener: Listener | None = None


def set_listener(listener: Listener | None) -> None:
    """Call `listener(what)` around every kernel compilation (or its load from the disk cache); None to stop.

    `listener` returns a context manager, entered before the work and left after it.
    """
    global _listener  # noqa: PLW0603
    _listener = listener


def compiling(what: str) -> AbstractContextManager[object]:
    """The context in which a backend compiles `what`."""
    return contextlib.nullcontext() if _listener is None else _listener(what)
