"""The whole-model `.h5` of Keras 3: the config in an attribute, each layer's weights in the order of a list."""

from __future__ import annotations

import io
import json
from typing import Any

import h5py

from numba_rnn.errors import ModelFileError
from numba_rnn.layers.weight import Weight
from numba_rnn.loaders.keras_v3 import check_version, dialect, model_config
from numba_rnn.loaders.safety import attribute, look_over, parse_json, text_attribute
from numba_rnn.loaders.weights import assign, check_shapes
from numba_rnn.models import deserialize_model

__all__ = ["h5_bytes", "is_whole_model", "load_h5", "load_h5_weights"]

ROOT, TOP = "model_weights", "top_level_model_weights"


def is_whole_model(file: h5py.File) -> bool:
    """Whether an HDF5 file holds a whole model, not weights alone."""
    return attribute(file, "model_config") is not None


def h5_bytes(model: Any) -> bytes:
    """A whole-model `.h5` of the model.

    Text is of variable length throughout: it lies outside the attributes, which have room for 64 kB.

    Raises:
        ValueError: the model holds something that no config can hold.
    """
    memory = io.BytesIO()
    config = json.dumps(model_config(model))
    with h5py.File(memory, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = dialect(model), "tensorflow"
        file.attrs["model_config"] = config
        root = file.create_group(ROOT)
        root.attrs["keras_version"], root.attrs["backend"] = dialect(model), "tensorflow"
        _write_names(root, "layer_names", [layer.name for layer in model.layers])
        for layer in model.layers:
            _write_weights(root.create_group(layer.name), layer.trainable_weights + layer.non_trainable_weights)
        _write_weights(root.create_group(TOP), [])
    return memory.getvalue()


def _write_weights(group: h5py.Group, weights: list[Weight]) -> None:
    # Names are for people, only their order counts: numbered, since layers in different nested models may share theirs.
    names = [f"{weight.path}_{n}" for n, weight in enumerate(weights)]
    _write_names(group, "weight_names", names)
    for name, weight in zip(names, weights, strict=True):
        group[name] = weight.value


def _write_names(group: h5py.Group, attr: str, names: list[str]) -> None:
    group.attrs.create(attr, names, (len(names),), h5py.string_dtype())


def load_h5(file: h5py.File, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model in a whole-model `.h5`, with its weights.

    Raises:
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
    """
    version = check_version(text_attribute(file, "keras_version"))
    config = parse_json(text_attribute(file, "model_config") or "", "model_config")
    model = deserialize_model(config, version, custom_objects)
    load_h5_weights(model, file, check_names=True)
    return model


def load_h5_weights(model: Any, file: h5py.File, *, check_names: bool, skip_mismatch: bool = False) -> None:
    """Fill a model from a whole-model `.h5`, layer by layer in their order; untouched unless everything fits, or `skip_mismatch`.

    Raises:
        ModelFileError: another number of layers, other shapes, or something that is not safe to read.
    """
    contents = look_over(file)
    root = contents.groups.get(ROOT)
    if root is None:
        raise ModelFileError(f"The HDF5 file has no group {ROOT!r}. It is damaged: copy or save it again.")
    stored: list[tuple[str, list[h5py.Dataset]]] = []
    for name in [*_names(root, "layer_names"), TOP]:
        group = contents.groups.get(f"{ROOT}/{name}")
        if group is None:
            raise ModelFileError(
                f"The HDF5 file has no group for layer {name!r}. It is damaged: copy or save it again."
            )
        keys = [f"{ROOT}/{name}/{weight}" for weight in _names(group, "weight_names")]
        if missing := [key for key in keys if key not in contents.datasets]:
            raise ModelFileError(f"The HDF5 file has no dataset {missing[0]!r}. It is damaged: copy or save it again.")
        if keys:
            stored.append((name, [contents.datasets[key] for key in keys]))
    layers = [layer for layer in model.layers if layer.weights]
    expected, received = [layer.name for layer in layers], [name for name, _ in stored]
    if len(expected) != len(received) or (check_names and expected != received):
        raise ModelFileError(
            f"The layers with weights do not match. Expected: {', '.join(expected) or 'none'}. Received: "
            f"{', '.join(received) or 'none'}. Is it the file of another model?"
        )
    pairs: list[tuple[Weight, h5py.Dataset]] = []
    for layer, (name, kept) in zip(layers, stored, strict=True):
        weights = layer.trainable_weights + layer.non_trainable_weights
        if check_shapes(layer.name, f"{ROOT}/{name}", weights, kept, skip_mismatch):
            pairs += zip(weights, kept, strict=True)
    assign(pairs)


def _names(group: h5py.Group, attr: str) -> list[str]:
    """A list of names; one too long for an attribute is cut into `attr0`, `attr1`, ..."""
    values = attribute(group, attr)
    if values is None:
        parts: list[Any] = []
        while (part := attribute(group, f"{attr}{len(parts)}")) is not None:
            parts.append(part)
        if not parts:
            raise ModelFileError(f"The HDF5 group {group.name!r} has no attribute {attr!r}. The file is damaged.")
        values = [name for part in parts for name in part]
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in values]
    except (TypeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"The HDF5 attribute {attr!r} must be a list of names. The file is damaged.") from error
