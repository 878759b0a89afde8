"""What a file is, by its content: of which kind, who wrote it, what it holds, and what, if anything, stops it from running."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.safety import (
    HDF5_SIGNATURE,
    attribute,
    check_source,
    list_members,
    look_over,
    open_hdf5,
    parse_json,
    read_members,
    text_attribute,
)

__all__ = ["FileReport", "StoredWeight", "describe", "kind_of"]

# The kinds, in the words that a report uses.
KERAS = "Keras model (.keras)"
H5 = "Keras model (whole-model .h5)"
H5_WEIGHTS = "Keras weights (.h5, by layer)"
LAYOUT = "Keras weights (.weights.h5)"
SAFETENSORS = "safetensors"
TORCH = "PyTorch (.pt or .pth)"
TORCH_SCRIPT = "TorchScript"
ONNX = "ONNX model"
UNKNOWN = "unknown"
# Where a config keeps further layers; initializers and the like lie under other keys.
INSIDE = ("config", "layers", "layer", "backward_layer", "cell", "cells")


@dataclass(frozen=True)
class StoredWeight:
    """One array in a file: its name there, its shape, the name of its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class FileReport:
    """What a file is.

    Attributes:
        kind: of file, in words.
        written_by: the program and its version, as far as the file says.
        classes: how often it names each class of layer, or each operator of ONNX; empty for weights alone.
        weights: the arrays in it, as far as they can be listed without reading them.
        parameters: how many numbers they have together.
        remedy: how to use the file.
        problem: what stops it from running; None if nothing does.
        model: what was made of it, None where nothing was.
    """

    kind: str
    written_by: str = "unknown"
    classes: dict[str, int] = field(default_factory=dict)
    weights: tuple[StoredWeight, ...] = ()
    parameters: int = 0
    remedy: str = ""
    problem: str | None = None
    model: Any = field(default=None, repr=False, compare=False)


def kind_of(path: Path) -> str:
    """Which of the kinds above a file is.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: it is a directory, empty, or damaged where its kind would show.
    """
    start = check_source(path)
    if start.startswith(b"PK"):
        names = list_members(path)
        if any(name.endswith("/data.pkl") for name in names):
            return TORCH_SCRIPT if any(name.endswith("/constants.pkl") for name in names) else TORCH
        return KERAS
    if start == HDF5_SIGNATURE:
        with open_hdf5(path.read_bytes()) as file:
            if attribute(file, "model_config") is not None:
                return H5
            return H5_WEIGHTS if _has_names(file) else LAYOUT
    with path.open("rb") as file:
        beginning = file.read(9)
    if len(beginning) == 9 and beginning[8:] == b"{" and int.from_bytes(start, "little") <= path.stat().st_size - 8:
        return SAFETENSORS  # its first byte may be anything
    if start.startswith(b"\x80"):
        return TORCH
    # A message of protocol buffers whose first field is number 1, a small whole number: ONNX's `ir_version`.
    return ONNX if len(beginning) > 2 and beginning[0] == 8 and 2 < beginning[1] < 32 else UNKNOWN


def _has_names(file: h5py.File) -> bool:
    return any(attribute(file, name) is not None for name in ("layer_names", "layer_names0"))


def describe(path: str | os.PathLike[str]) -> FileReport:
    """What a file is; it is opened as it would be for running, and what is made of it is in the report.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: it cannot be looked into: damaged, or of no kind known here.
    """
    path = Path(path)
    try:
        kind = kind_of(path)
        if kind == UNKNOWN:
            raise ModelFileError(
                f"It is of no known kind: it starts with {check_source(path)!r}. Known: Keras' `.keras`, `.h5` and `.weights.h5`, "
                "`.safetensors`, PyTorch's `.pt`, ONNX."
            )
        return READERS[kind](path, kind)
    except ModelFileError as error:
        beginning = f"Cannot load {str(path)!r}. "
        raise ModelFileError(beginning + str(error).removeprefix(beginning)) from error.__cause__


def _archive(path: Path, kind: str) -> FileReport:
    members = read_members(path, ("metadata.json", "config.json"))
    metadata = parse_json(members["metadata.json"], "metadata.json")
    written_by = _keras(metadata.get("keras_version"), metadata.get("saved_by"))
    config = parse_json(members["config.json"], "config.json")
    try:
        weights = _datasets(read_members(path, ("model.weights.h5",))["model.weights.h5"])
    except ModelFileError:  # which loading will tell
        weights = ()
    return _model(path, kind, written_by, config, weights)


def _whole_h5(path: Path, kind: str) -> FileReport:
    data = path.read_bytes()
    with open_hdf5(data) as file:
        written_by = _keras(text_attribute(file, "keras_version"), None, "Keras 1 or older")
        config = parse_json(text_attribute(file, "model_config") or "", "model_config")
    weights = tuple(w for w in _datasets(data) if not w.name.startswith("optimizer_weights"))
    return _model(path, kind, written_by, config, weights)


def _model(path: Path, kind: str, by: str, config: Any, weights: tuple[StoredWeight, ...]) -> FileReport:
    model, problem = _tried(path, "load_model")
    remedy = f"numba_rnn.load_model({str(path)!r})"
    return FileReport(kind, by, _classes(config), weights, _count(weights), remedy, problem, model)


def _weights_alone(path: Path, kind: str) -> FileReport:
    with open_hdf5(data := path.read_bytes()) as file:
        by = text_attribute(file, "keras_version")
        layout = "_layer_checkpoint_dependencies" in file
    weights = _datasets(data)
    named = "Keras 2.12 to 2.14" if layout else "Keras 3, or Keras 2.15" if kind == LAYOUT else "Keras 1 or older"
    remedy = f"build its model, then model.load_weights({str(path)!r}); or convert it with --like MODEL"
    return FileReport(kind, _keras(by, None, named), {}, weights, _count(weights), remedy)


def _tensors(path: Path, kind: str) -> FileReport:
    from numba_rnn.loaders.safetensors import CONFIG, read_tensors

    try:
        tensors, metadata = read_tensors(path)
    except ImportError as error:
        return FileReport(kind, problem=str(error))
    weights = tuple(StoredWeight(name, array.shape, array.dtype.name) for name, array in tensors.items())
    if CONFIG in metadata:
        by = _keras(metadata.get("keras_version"), metadata.get("saved_by"))
        return _model(path, f"Keras model ({kind})", by, parse_json(metadata[CONFIG], CONFIG), weights)
    by = "PyTorch" if metadata.get("format") == "pt" else metadata.get("saved_by", "unknown")
    return _weights_of_torch(path, f"weights ({kind})", by, weights)


def _torch(path: Path, kind: str) -> FileReport:
    from numba_rnn.loaders.pytorch.tensors import named_tensors, read_file

    if kind == TORCH_SCRIPT:
        return FileReport(
            kind, "PyTorch", problem="A TorchScript file is a program. Save `model.state_dict()` instead."
        )
    try:
        mapping = read_file(path)
    except (ImportError, ModelFileError) as error:
        return FileReport(kind, "PyTorch", problem=str(error))
    found = tuple(
        StoredWeight(name, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in named_tensors(mapping)
    )
    return _weights_of_torch(path, kind, "PyTorch", found)


def _weights_of_torch(path: Path, kind: str, by: str, weights: tuple[StoredWeight, ...]) -> FileReport:
    model, problem = _tried(path, "from_torch")
    if any("/vars/" in weight.name for weight in weights):  # what a `.weights.h5` was converted to
        problem, remedy = (
            None,
            f"build its model, then model.load_weights({str(path)!r}); or convert it with --like MODEL",
        )
    else:
        remedy = f"numba_rnn.from_torch({str(path)!r})"
    return FileReport(kind, by, {}, weights, _count(weights), remedy, problem, model)


def _onnx(path: Path, kind: str) -> FileReport:
    from numba_rnn.loaders.onnx import describe_onnx, load_onnx

    try:
        found = describe_onnx(path)
    except ImportError as error:
        return FileReport(kind, problem=str(error))
    by = f"{found.producer or 'unknown'}, IR version {found.ir_version}, opset {found.opset}"
    problem = " ".join(found.problems) or None
    model = None if problem else load_onnx(path)
    remedy = f"numba_rnn.load_onnx({str(path)!r})"
    return FileReport(kind, by, found.operators, (), found.numbers, remedy, problem, model)


READERS: dict[str, Callable[[Path, str], FileReport]] = {
    KERAS: _archive, H5: _whole_h5, H5_WEIGHTS: _weights_alone, LAYOUT: _weights_alone, SAFETENSORS: _tensors, TORCH: _torch,
    TORCH_SCRIPT: _torch, ONNX: _onnx,
}  # fmt: skip


def _tried(path: Path, loader: str) -> tuple[Any, str | None]:
    """The model, or what its loader says against it."""
    from numba_rnn import loaders

    try:
        return getattr(loaders, loader)(path), None
    except (ValueError, ImportError) as error:
        return None, str(error).removeprefix(f"Cannot load {str(path)!r}. ")


def _keras(version: Any, saved_by: Any, without: str = "unknown") -> str:
    """Keras' version in words; `saved_by` is what this library puts into its files."""
    if not isinstance(version, str):
        return without
    name = f"Keras {version[:40]}" + (" (TensorFlow or tf-keras)" if version.startswith("2.") else "")
    return f"{saved_by[:80]}, as {name}" if isinstance(saved_by, str) else name


def _datasets(data: bytes) -> tuple[StoredWeight, ...]:
    with open_hdf5(data) as file:
        found = look_over(file).datasets.items()
        return tuple(StoredWeight(path, dataset.shape or (), str(dataset.dtype)) for path, dataset in found)


def _count(weights: tuple[StoredWeight, ...]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _classes(config: Any) -> dict[str, int]:
    return dict(Counter(_class_names(config)).most_common())


def _class_names(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += reversed(value)
        elif isinstance(value, dict):
            if isinstance(name := value.get("class_name"), str):
                yield name[:80]
            pending += [value[key] for key in reversed(INSIDE) if isinstance(value.get(key), (dict, list))]
