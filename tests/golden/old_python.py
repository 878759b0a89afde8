"""What old versions of Keras miss in a newer Python, given back to Python before they are imported."""

from __future__ import annotations

import collections
import collections.abc
import inspect
from collections.abc import Callable
from typing import Any

ArgSpec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(function: Callable[..., Any]) -> Any:
    return ArgSpec(*inspect.getfullargspec(function)[:4])


def restore() -> None:
    """Names that `collections` dropped in Python 3.10 and `inspect` in 3.11."""
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    inspect.ArgSpec, inspect.getargspec = ArgSpec, getargspec
