"""Safetensors files: named arrays after a header of JSON, nothing in them to execute.

The library of that name reads the header and checks it: sizes, offsets, nothing overlapping, nothing left over. A model's file has
its config in the metadata too, as in a `.keras` file, and the names of its arrays in the order of `model.weights`.

Source: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.custom import custom_object_scope
from numba_rnn.errors import ModelFileError
from numba_rnn.layers.weight import Weight
from numba_rnn.loaders.compiled import compile_from
from numba_rnn.loaders.keras_v3 import check_version, dialect, model_config, own_version
from numba_rnn.loaders.safety import check_source, parse_json
from numba_rnn.loaders.weights import own_weights, places
from numba_rnn.models import deserialize_model

__all__ = ["CONFIG", "load_tensor_weights", "load_tensors", "read_tensors", "tensors_bytes", "write_tensors"]

CONFIG, NAMES = "config", "weights"  # in the metadata
REMEDY = "Reading and writing `.safetensors` files needs the library safetensors: pip install 'numba_rnn[safetensors]'"

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a safetensors file by name, sorted, and its metadata, {} where there is none.

    Dtypes are the file's; bfloat16, which NumPy lacks, becomes float32 without loss.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the library `safetensors` is missing.
        ModelFileError: the file is damaged, or holds a dtype that this library does not read.
    """
    check_source(path)
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(REMEDY) from error
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
        stored = dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
        return {name: _array(name, stored.pop(name)) for name in sorted(stored)}, metadata
    except (safetensors.SafetensorError, OSError, ValueError, MemoryError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"The safetensors file cannot be read ({type(error).__name__}: {error}). It is damaged or incomplete: copy or "
            "save it again."
        ) from error


def _array(name: str, stored: dict[str, object]) -> Array:
    kind, shape, data = stored["dtype"], stored["shape"], stored["data"]
    assert isinstance(kind, str)
    assert isinstance(shape, list)
    assert isinstance(data, bytearray)
    if kind == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4").reshape(shape)
    if kind not in DTYPES:
        raise ModelFileError(
            f"Tensor {name!r} has a dtype that this library does not read. Expected: BF16 or one of {', '.join(DTYPES)}. "
            f"Received: {kind}."
        )
    return np.frombuffer(data, DTYPES[kind]).reshape(shape)


def load_tensors(path: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """The model in a `.safetensors` file that this library wrote, with its weights.

    Raises:
        ModelFileError: the file holds weights alone, is damaged, or holds something this library does not run.
    """
    tensors, metadata = read_tensors(path)
    if CONFIG not in metadata:
        raise ModelFileError(
            "Expected a model. Received: a safetensors file of weights alone. Build the model and call `model.load_weights(path)`; "
            "PyTorch's recurrent modules are taken over by `numba_rnn.from_torch(path)`."
        )
    config = parse_json(metadata[CONFIG], CONFIG)
    model = deserialize_model(config, check_version(metadata.get("keras_version")), custom_objects)
    with custom_object_scope(custom_objects):
        compile_from(model, config.get("compile_config"), use=compile)
    _fill(model, tensors, metadata, skip=False)
    return model


def load_tensor_weights(model: Any, path: Path, skip_mismatch: bool = False) -> None:
    """Fill a model from the weights in a `.safetensors` file that this library wrote; untouched unless everything fits.

    Raises:
        ModelFileError: another library's file, another number of weights, or other shapes.
    """
    _fill(model, *read_tensors(path), skip=skip_mismatch)


def _fill(model: Any, tensors: dict[str, Array], metadata: dict[str, str], *, skip: bool) -> None:
    pairs = []
    for name, weight in _named_weights(model, tensors, metadata).items():
        array = tensors[name]
        if weight.shape == array.shape and array.dtype.kind in {"f", np.dtype(weight.dtype).kind}:
            pairs.append((weight, array))
            continue
        message = (
            f"Weight {weight.path!r} does not fit. Expected: {weight.shape}, {weight.dtype}. Received, as {name!r}: "
            f"{array.shape}, {array.dtype}."
        )
        if not skip:
            raise ModelFileError(f"{message} Is it the file of another model?")
        warnings.warn(f"{message} The model keeps its own.", stacklevel=2)
    for weight, array in pairs:
        weight.assign(array)


def _named_weights(model: Any, tensors: dict[str, Array], metadata: dict[str, str]) -> dict[str, Weight]:
    """The model's weights under the names of their arrays: in the file's order, or, without one, by their places."""
    if NAMES in metadata:
        names, weights = parse_json(metadata[NAMES], NAMES).get("names"), model.weights
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or sorted(names) != [*tensors]
        ):
            raise ModelFileError("The safetensors file's list of weights is not that of its arrays. It is damaged.")
        if len(names) != len(weights):
            raise ModelFileError(
                f"The number of weights does not fit. Expected: {len(weights)}. Received: {len(names)}. Is it another model's?"
            )
        return dict(zip(names, weights, strict=True))
    placed = {
        f"{path}/vars/{n}".removeprefix("/"): weight
        for path, layer in places(model).items()
        for n, weight in enumerate(own_weights(layer))
    }
    if strange := sorted(set(placed) ^ set(tensors)):
        raise ModelFileError(
            f"The safetensors file's arrays are not the model's weights: {', '.join(strange[:5])}. Expected: names as in a "
            "`.weights.h5` file, or a file that this library wrote; PyTorch's are taken over by `numba_rnn.from_torch(path)`."
        )
    return placed


def tensors_bytes(model: Any) -> bytes:
    """A `.safetensors` file of the model: arrays under the weights' paths, config and order in the metadata.

    Raises:
        ImportError: the library `safetensors` is missing.
        ValueError: the model holds something that no config can hold.
    """
    metadata = {
        "keras_version": dialect(model),
        "saved_by": f"numba_rnn {own_version()}",
        CONFIG: json.dumps(model_config(model)),
    }
    named: dict[str, Array] = {}
    for weight in model.weights:
        name, n = weight.path, 1
        while name in named:  # layers of different nested models may share their paths
            name, n = f"{weight.path}_{n}", n + 1
        named[name] = weight.value
    return write_tensors(named, {**metadata, NAMES: json.dumps({"names": list(named)})})


def write_tensors(named: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """A `.safetensors` file of these arrays.

    Raises:
        ImportError: the library `safetensors` is missing.
    """
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ImportError(REMEDY) from error
    written: bytes = save({name: np.ascontiguousarray(array) for name, array in named.items()}, metadata)
    return written
