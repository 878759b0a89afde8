"""The model that a `config.json` describes."""

from __future__ import annotations

import json
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.serialization import deserialize, reading
from numba_rnn.models import files

__all__ = ["deserialize_model", "model_from_json"]

OBJECTS = 10_000  # in a config; a recurrent layer has about 8: itself, initializers, its dtype (a guess)


def deserialize_model(
    config: dict[str, Any], version: tuple[int, int] = (3, 15), custom_objects: dict[str, Any] | None = None
) -> Any:
    """Build the model from the top object of a `config.json` (or of the `model_config` of a whole-model `.h5`).

    Args:
        config: `{"class_name": "Sequential" or "Functional", "config": {...}, ...}`.
        version: the Keras that wrote it, (major, minor): from 3.16 on recurrent layers do not pass masks on.
        custom_objects: classes and functions of the user's own that it may name.

    Raises:
        ModelFileError: it names a class, an operation or an option that this library does not have, or is no model.
    """
    if (count := _count(config)) > OBJECTS:
        raise ModelFileError(
            f"The file's config describes too much. Expected: at most {OBJECTS} objects. Received: {count}."
        )
    try:
        with reading(version, custom_objects):
            model = deserialize(config)
    except RecursionError as error:
        raise ModelFileError("The file's config is nested too deeply.") from error
    except (MemoryError, OverflowError) as error:
        raise ModelFileError(f"The file's config asks for sizes that no machine has: {error}.") from error
    if not isinstance(model, Layer):
        raise ModelFileError(f"Expected a model. Received: {type(model).__name__}.")
    return model


def _count(config: Any) -> int:
    """How many objects, layers and others, a config describes."""
    count, pending = 0, [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            count += "class_name" in value
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return count


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `Model.to_json` described, here or in any Keras, with weights of its own.

    Raises:
        ModelFileError: as `deserialize_model`.
        ValueError: no JSON.
    """
    config = json.loads(json_string)
    if isinstance(config, dict) and "keras_version" in config:  # which Keras 3 leaves out
        return files.model_from_old_json(config, custom_objects)
    return deserialize_model(config, custom_objects=custom_objects)
