"""What a file says about `compile`: used as far as `evaluate` goes, and kept as it is for the next file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from numba_rnn import losses, metrics
from numba_rnn.custom import find_own
from numba_rnn.layers.serialization import decode, serialize

__all__ = ["compile_config", "compile_from"]

# Whose names and classes are looked up where; nothing else is made.
MADE: dict[str, Callable[[Any], Any]] = {
    "optimizer": lambda value: value,
    "loss": losses.get,
    "loss_weights": decode,
    "metrics": metrics.get,
    "weighted_metrics": metrics.get,
}
# The most that a file's numbers may add up to, such as how many thresholds its metrics have: they take memory (a guess).
LARGEST = 1e6


def compile_from(model: Any, config: Any, *, use: bool) -> None:
    """Compile a model as the file says, if all of it is known here; else it stays uncompiled, and `evaluate` says so.

    Args:
        model: just made.
        config: the file's `compile_config`, anything.
        use: without it nothing is compiled, only kept.
    """
    if not isinstance(config, dict) or not config:
        return
    model.file_compile_config = config
    if use and hasattr(model, "compile") and _total([config.get(key) for key in MADE if key != "optimizer"]) <= LARGEST:
        # Whatever is strange in it: a model that predicts is not refused for what training was like.
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, IndexError):
            model.compile(**{key: _made(config[key], get) for key, get in MADE.items() if config.get(key) is not None})


def compile_config(model: Any) -> dict[str, Any]:
    """What to write: what `compile` was given, in place of what the model's own file said.

    Raises:
        ValueError: a loss or metric without a name, such as a lambda.
    """
    kept = getattr(model, "file_compile_config", {})
    given = model.get_compile_config() if hasattr(model, "get_compile_config") else None
    if given is None:
        return dict(kept)
    return {**{key: value for key, value in kept.items() if key not in MADE}, **serialize(given)}


def _made(value: Any, get: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_made(v, get) for v in value]
    if not isinstance(value, dict) or get is MADE["optimizer"]:
        return find_own(value) or value
    name = value.get("class_name")
    if not isinstance(name, str):
        return {k: _made(v, get) for k, v in value.items()}
    if name == "function":
        return find_own(value.get("config")) or value.get("config")
    if name.startswith("__"):
        return _made(decode(value), get)
    own = find_own(value.get("registered_name"))
    return get(value) if own is None else own(**value.get("config", {}))


def _total(value: Any) -> float:
    if isinstance(value, dict):
        return _total(list(value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_total, value))
    return abs(value) if isinstance(value, (int, float)) else 0.0
