"""The way from a model to its file: the loaders lie above the models, so the package leaves them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["load_model", "load_weights", "model_from_old_json", "save_model", "save_weights", "set_loaders"]

_find_loaders: Callable[[], Any]


def set_loaders(find: Callable[[], Any]) -> None:
    """`find()` returns the module of the loaders; it is called when the first file is read, not before."""
    global _find_loaders  # noqa: PLW0603
    _find_loaders = find


def load_model(
    filepath: Any,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    weights: str | None = None,
) -> Any:
    """The model in a `.keras` or whole-model `.h5` file saved by any Keras, with its weights.

    Args:
        filepath: the file; its content decides the format, not its extension.
        custom_objects: classes and functions of your own that the file may name, under their names there.
        compile: whether a `.keras` file's losses and metrics are those of `evaluate`, if all of them are known here.
        safe_mode: accepted for Keras' sake; nothing in a file is ever executed, imported or unpickled.
        weights: "bfloat16", "float16" or "int8": recurrent cells and `Dense` layers compute with matrices of fewer bytes, as by
            `model.compress_weights`, at the price that `numba-rnn info --compare` shows.

    Returns:
        A `Sequential` or `Model` that predicts what Keras predicts.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
        TypeError: `filepath` is neither a string nor a path.
        ValueError: other `weights`, before the file is looked at; a weight that cannot be kept so.
        DTypeError: `weights`, and such a layer computes in float64.
    """
    return _find_loaders().load_model(filepath, custom_objects, compile, safe_mode, weights=weights)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Fill a model from a file; see `numba_rnn.loaders.load_weights`."""
    _find_loaders().load_weights(model, filepath, skip_mismatch, by_name)


def model_from_old_json(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that the JSON of Keras 1 or 2 describes; see `numba_rnn.loaders.model_from_old_json`."""
    return _find_loaders().model_from_old_json(config, custom_objects)


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kept: Any) -> None:
    """Write a model to a `.keras` or `.h5` file; see `numba_rnn.loaders.save_model`."""
    _find_loaders().save_model(model, filepath, overwrite, zipped, **kept)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model's weights to a `.weights.h5` file; see `numba_rnn.loaders.save_weights`."""
    _find_loaders().save_weights(model, filepath, overwrite)
