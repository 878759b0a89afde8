"""The `.keras` file: a zip archive of `metadata.json`, `config.json` and `model.weights.h5`, of which no more is read.

Keras has written it since 2.12; what a file of Keras 2 says otherwise is rewritten in `keras_v2` first.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py

from numba_rnn.custom import custom_object_scope
from numba_rnn.errors import ModelFileError
from numba_rnn.layers.serialization import serialize, writing
from numba_rnn.loaders.compiled import compile_config, compile_from
from numba_rnn.loaders.keras_v2 import upgrade, upgrade_compiled
from numba_rnn.loaders.keras_v2.layout import orders_of
from numba_rnn.loaders.safety import open_hdf5, parse_json, read_members
from numba_rnn.loaders.weights import load_layout, places, save_layout
from numba_rnn.models import deserialize_model

__all__ = [
    "KERAS_3", "archive_bytes", "check_version", "dialect", "load_archive", "load_archive_weights", "model_config",
    "own_version", "weights_bytes",
]  # fmt: skip

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
KERAS_3 = (3, 0)
NEWEST, NEWER = "3.15.1", "3.16.0"  # what is written


def archive_bytes(model: Any) -> bytes:
    """A `.keras` file of the model: members stored in Keras' order, nothing compressed.

    Raises:
        ValueError: the model holds something that no config can hold.
    """
    metadata = {
        "keras_version": dialect(model),
        "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),  # local, as Keras writes it
        "saved_by": f"numba_rnn {own_version()}",
    }
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(model_config(model)))
        archive.writestr(WEIGHTS, weights_bytes(model))
    return memory.getvalue()


def model_config(model: Any) -> dict[str, Any]:
    """The top object of a `config.json`.

    Raises:
        ValueError: the model holds something that no config can hold.
    """
    with writing():
        config: dict[str, Any] = serialize(model)
        compiled = compile_config(model)
    return {**config, "compile_config": compiled} if compiled else config


def dialect(model: Any) -> str:
    """The Keras whose rules the model follows: one from a file of 3.16 has recurrent layers that pass no mask on."""
    newer = any(vars(layer).get("supports_masking", True) is False for layer in places(model).values())
    return NEWER if newer else NEWEST


def weights_bytes(model: Any) -> bytes:
    """A `.weights.h5` file of the model."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        save_layout(model, file)
    return memory.getvalue()


def own_version() -> str:
    """Of this library."""
    try:
        return version("numba_rnn")
    except PackageNotFoundError:
        return "of a checkout"


def load_archive(path: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """The model in a `.keras` file, with its weights.

    Raises:
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
    """
    members = read_members(path, (METADATA, CONFIG, WEIGHTS))
    written_by = check_version(parse_json(members[METADATA], METADATA).get("keras_version"))
    config, orders = parse_json(members[CONFIG], CONFIG), None
    compiled = config.get("compile_config")
    if written_by < KERAS_3:
        config, compiled = upgrade(config, written_by), upgrade_compiled(compiled)
        orders = orders_of(config)
    model = deserialize_model(config, written_by, custom_objects)
    with custom_object_scope(custom_objects):
        compile_from(model, compiled, use=compile)
    with open_hdf5(members[WEIGHTS]) as file:
        load_layout(model, file, check_names=True, orders=orders)
    return model


def load_archive_weights(model: Any, path: Path, skip_mismatch: bool = False) -> None:
    """Fill a model from the weights in a `.keras` file."""
    with open_hdf5(read_members(path, (WEIGHTS,))[WEIGHTS]) as file:
        load_layout(model, file, check_names=False, skip_mismatch=skip_mismatch)


def check_version(text: Any) -> tuple[int, int]:
    """Keras' version as (major, minor).

    Raises:
        ModelFileError: no version, or not one of Keras 1 to 3.
    """
    parts = text.split(".")[:2] if isinstance(text, str) else []
    if len(parts) < 2 or not all(p.isascii() and p.isdigit() and len(p) < 4 for p in parts) or parts[0] not in {*"123"}:
        raise ModelFileError(
            f"Expected: a file saved by Keras 1, 2 or 3. Received: {f'version {text!r}' if text else 'no version'}. "
            "Load it with the Keras that saved it, build the same model with Keras 3, copy the weights and save that."
        )
    return int(parts[0]), int(parts[1])
