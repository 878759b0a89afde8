"""The older `.h5`, of whole models or of their weights: the config in an attribute, each layer's weights in the order of a list."""

from __future__ import annotations

import io
import json
from typing import Any

import h5py

from numba_rnn.errors import ModelFileError
from numba_rnn.layers.weight import Weight
from numba_rnn.loaders.keras_v2 import upgrade
from numba_rnn.loaders.keras_v2.weights import old_pieces, warn_of_hard_sigmoid
from numba_rnn.loaders.keras_v3 import KERAS_3, check_version, dialect, model_config
from numba_rnn.loaders.safety import Contents, attribute, look_over, parse_json, text_attribute
from numba_rnn.loaders.weights import Piece, assign, fitting
from numba_rnn.models import deserialize_model

__all__ = ["h5_bytes", "holds_layers", "is_whole_model", "load_h5", "load_h5_weights"]

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
    version = _version(file)
    config = parse_json(text_attribute(file, "model_config") or "", "model_config")
    if version < KERAS_3:
        shapes = [(path, dataset.shape) for path, dataset in look_over(file).datasets.items()]
        config = upgrade(config, version, [one for one in shapes if one[0].split("/")[-1].startswith("bias")])
    model = deserialize_model(config, version, custom_objects)
    load_h5_weights(model, file, of_this_model=True)
    return model


def _version(file: h5py.File) -> tuple[int, int]:
    """The Keras that wrote a file; the first did not say so."""
    text = text_attribute(file, "keras_version")
    return (1, 0) if text is None else check_version(text)


def load_h5_weights(
    model: Any, file: h5py.File, *, of_this_model: bool, skip_mismatch: bool = False, by_name: bool = False
) -> None:
    """Fill a model from a whole-model `.h5`, or from one of weights alone; untouched unless everything fits, or `skip_mismatch`.

    Args:
        model: built.
        file: open.
        of_this_model: the file is where the model comes from, so its layers have the same names; they are matched in their order
            otherwise.
        skip_mismatch: layers whose weights do not fit keep their own, with a warning each.
        by_name: layers are matched by their names, and those without a namesake left alone.

    Raises:
        ModelFileError: another number of layers, other shapes, or something that is not safe to read.
    """
    contents = look_over(file)
    root = ROOT if is_whole_model(file) else ""
    if root not in contents.groups:
        raise ModelFileError(f"The HDF5 file has no group {ROOT!r}. It is damaged: copy or save it again.")
    old = _version(file) < KERAS_3
    stored = _stored(contents, root)
    layers = [layer for layer in model.layers if layer.weights]
    expected, received = [layer.name for layer in layers], [name for name, _ in stored]
    if by_name:
        named = dict(stored)
        layers = [layer for layer in layers if layer.name in named]
        stored = [(layer.name, named[layer.name]) for layer in layers]
    elif old and of_this_model and sorted(expected) == sorted(received):
        stored.sort(key=lambda one: expected.index(one[0]))  # a graph of ours may have its layers in another order
    elif len(expected) != len(received) or (of_this_model and expected != received):
        raise ModelFileError(
            f"The layers with weights do not match. Expected: {', '.join(expected) or 'none'}. Received: "
            f"{', '.join(received) or 'none'}. Is it the file of another model?"
        )
    pieces: list[Piece] = []
    for layer, (name, kept) in zip(layers, stored, strict=True):
        where = f"{root}/{name}".removeprefix("/")
        if old:
            pieces += old_pieces(layer, where, kept, skip_mismatch)
        else:
            pieces += fitting(
                layer.name, where, layer.trainable_weights + layer.non_trainable_weights, kept, skip_mismatch
            )
    assign(pieces)
    if old and not of_this_model:
        warn_of_hard_sigmoid(model)


def _stored(contents: Contents, root: str) -> list[tuple[str, list[h5py.Dataset]]]:
    """The layers in a file that have weights, in its order, and these in theirs."""
    stored = []
    groups = {path: group for path, group in contents.groups.items() if path}
    for name in [*_names(contents.groups[root], "layer_names"), TOP]:
        place = f"{root}/{name}".removeprefix("/")
        group = groups.get(place)
        if group is None:
            if name == TOP:  # none before Keras 2.6
                continue
            raise ModelFileError(
                f"The HDF5 file has no group for layer {name!r}. It is damaged: copy or save it again."
            )
        keys = [f"{place}/{weight}" for weight in _names(group, "weight_names")]
        if missing := [key for key in keys if key not in contents.datasets]:
            raise ModelFileError(f"The HDF5 file has no dataset {missing[0]!r}. It is damaged: copy or save it again.")
        if keys:
            stored.append((name, [contents.datasets[key] for key in keys]))
    return stored


def holds_layers(file: h5py.File) -> bool:
    """Whether an HDF5 file holds a model's weights layer by layer, as whole models do, not in the newer layout."""
    return is_whole_model(file) or any(attribute(file, name) is not None for name in ("layer_names", "layer_names0"))


def _names(group: h5py.Group, attr: str) -> list[str]:
    """A list of names; one too long for an attribute is cut into `attr0`, `attr1`, ..."""
    values = attribute(group, attr)
    parts: list[Any] = []
    if values is None:
        while (part := attribute(group, f"{attr}{len(parts)}")) is not None:
            parts.append(part)
        if not parts:
            raise ModelFileError(f"The HDF5 group {group.name!r} has no attribute {attr!r}. The file is damaged.")
    else:
        parts = [values]
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
    except (TypeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"The HDF5 attribute {attr!r} must be a list of names. The file is damaged.") from error
