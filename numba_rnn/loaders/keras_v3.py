"""The `.keras` file: a zip archive of which `metadata.json`, `config.json` and `model.weights.h5` are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.safety import open_hdf5, parse_json, read_members
from numba_rnn.loaders.weights import load_layout
from numba_rnn.models import deserialize_model

__all__ = ["check_version", "load_archive", "load_archive_weights"]

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"


def load_archive(path: Path, custom_objects: dict[str, type] | None = None) -> Any:
    """The model in a `.keras` file, with its weights.

    Raises:
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
    """
    members = read_members(path, (METADATA, CONFIG, WEIGHTS))
    version = check_version(parse_json(members[METADATA], METADATA).get("keras_version"))
    model = deserialize_model(parse_json(members[CONFIG], CONFIG), version, custom_objects)
    with open_hdf5(members[WEIGHTS]) as file:
        load_layout(model, file, check_names=True)
    return model


def load_archive_weights(model: Any, path: Path) -> None:
    """Fill a model from the weights in a `.keras` file."""
    with open_hdf5(read_members(path, (WEIGHTS,))[WEIGHTS]) as file:
        load_layout(model, file, check_names=False)


def check_version(text: Any) -> tuple[int, int]:
    """Keras' version as (major, minor).

    Raises:
        ModelFileError: no version, or not Keras 3.
    """
    parts = text.split(".")[:2] if isinstance(text, str) else []
    if len(parts) < 2 or not all(p.isascii() and p.isdigit() and len(p) < 4 for p in parts) or parts[0] != "3":
        raise ModelFileError(
            f"Expected: a file saved by Keras 3. Received: {f'version {text!r}' if text else 'no version'}. "
            "Load it with the Keras that saved it, build the same model with Keras 3, copy the weights and save that."
        )
    return int(parts[0]), int(parts[1])
