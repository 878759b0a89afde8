"""The allow-list: Keras' own classes of layers and models that a file may name (the user's are in `custom`)."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["LAYERS", "register"]

LAYERS: dict[str, type] = {}

T = TypeVar("T", bound=type)


def register(cls: T) -> T:
    """Class decorator: files may hold layers or models of this class, under its own name."""
    LAYERS[cls.__name__] = cls
    return cls
