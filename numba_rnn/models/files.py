"""How `Model.load_weights` reaches the loaders, which lie above: they leave their function here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["load_weights", "set_weights_loader"]

_loader: Callable[[Any, Any], None] | None = None


def set_weights_loader(loader: Callable[[Any, Any], None]) -> None:
    """From now on `Model.load_weights(path)` calls `loader(model, path)`."""
    global _loader  # noqa: PLW0603
    _loader = loader


def load_weights(model: Any, path: Any) -> None:
    """Read a model's weights from a file, by the loader that was set."""
    if _loader is None:
        raise RuntimeError("No loader for weight files is set: import numba_rnn, which brings its own.")
    _loader(model, path)
