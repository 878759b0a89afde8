"""The only door to files: Keras' `.keras`, `.weights.h5` and older `.h5`, recognised by content; of Keras 1, 2 and 3."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba_rnn.compressed import check_storage
from numba_rnn.dispatch import check_device
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.conversion import convert
from numba_rnn.loaders.formats import ONNX, SAFETENSORS, TORCH, FileReport, describe, kind_of
from numba_rnn.loaders.hdf5 import h5_bytes, holds_layers, is_whole_model, load_h5, load_h5_weights
from numba_rnn.loaders.keras_v2 import upgrade
from numba_rnn.loaders.keras_v3 import (
    KERAS_3,
    archive_bytes,
    check_version,
    load_archive,
    load_archive_weights,
    weights_bytes,
)
from numba_rnn.loaders.pytorch import from_torch
from numba_rnn.loaders.safetensors import load_tensor_weights, load_tensors, tensors_bytes
from numba_rnn.loaders.safety import HDF5_SIGNATURE, check_source, open_hdf5, read_whole
from numba_rnn.loaders.weights import load_layout
from numba_rnn.loaders.writing import check_target, replace_file
from numba_rnn.models import deserialize_model

__all__ = [
    "FileReport", "convert", "describe", "from_torch", "load_model", "load_weights", "model_from_old_json", "save_model",
    "save_weights",
]  # fmt: skip


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    weights: str | None = None,
    device: str | None = None,
) -> Any:
    """The model in a `.keras` or whole-model `.h5` file saved by any Keras, with its weights.

    One of Keras 1 or 2 gives the outputs that it gave there, also saved again for Keras 3.

    Args:
        filepath: the file; its content decides the format, not its extension.
        custom_objects: classes and functions of your own that the file may name, under their names there.
        compile: whether a `.keras` file's losses and metrics are those of `evaluate`, if all of them are known here.
        safe_mode: accepted for Keras' sake; nothing in a file is ever executed, imported or unpickled.
        weights: "bfloat16", "float16" or "int8": recurrent cells and `Dense` layers compute with matrices of fewer bytes, as by
            `model.compress_weights`, at the price that `numba-rnn info --compare` shows.
        device: what the model's `predict` and `evaluate` run on, as of `numba_rnn.device`; None for the settings.

    Returns:
        A `Sequential` or `Model` that predicts what Keras predicts. Source: `keras.saving.load_model`.

    Raises:
        FileNotFoundError: there is no such file; it is a ModelFileError too.
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
        TypeError: `filepath` is neither a string nor a path.
        ValueError: other `weights` or `device`, before the file is looked at; a weight that cannot be kept so.
        DeviceError: the device is not there.
        DTypeError: `weights`, and such a layer computes in float64.
    """
    check_storage(weights)
    if device is not None:
        check_device(device)
    model = _load_model(_path(filepath), custom_objects, compile)
    if weights is not None:
        model.compress_weights(weights)
    model.device = device
    return model


def _load_model(path: Path, custom_objects: dict[str, Any] | None, compile: bool) -> Any:
    with _naming(path):
        start = check_source(path)
        if start.startswith(b"PK"):
            return load_archive(path, custom_objects, compile)
        if start != HDF5_SIGNATURE:
            if kind_of(path) == SAFETENSORS:
                return load_tensors(path, custom_objects, compile)
            raise ModelFileError(_not_a_model(path, start))
        with open_hdf5(read_whole(path)) as file:
            if not is_whole_model(file):
                raise ModelFileError(
                    "Expected a whole model. Received: an HDF5 file without `model_config`; if it holds weights, "
                    "build the model and call `model.load_weights(path)`."
                )
            return load_h5(file, custom_objects)


def model_from_old_json(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `Model.to_json` of Keras 1 or 2 described, with weights of its own.

    Args:
        config: JSON, with `keras_version`.
        custom_objects: as for `load_model`.

    Raises:
        ModelFileError: the version is none, or the model holds something this library does not run.
    """
    version = check_version(config.get("keras_version"))
    return deserialize_model(upgrade(config, version) if version < KERAS_3 else config, version, custom_objects)


def load_weights(
    model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False, by_name: bool = False
) -> None:
    """Fill a model from a `.weights.h5` or an older `.h5` of weights, or from the weights in a `.keras` or whole-model `.h5` file.

    Args:
        model: built, of the same structure as the saved one; names may differ. It is untouched unless everything fits.
        filepath: the file; its content decides the format.
        skip_mismatch: layers whose weights do not fit keep their own, with a warning each.
        by_name: layers are matched by name, in whatever order, and those without a namesake keep their own; only an older `.h5`
            has such names.

    Raises:
        FileNotFoundError: there is no such file; it is a ModelFileError too.
        ModelFileError: the file is damaged or unsafe, or its weights do not fit.
        ValueError: the model has no weights yet; `by_name` of another format.
    """
    path = _path(filepath)
    with _naming(path):
        start = check_source(path)
        tensors = start != HDF5_SIGNATURE and not start.startswith(b"PK")
        if tensors and kind_of(path) != SAFETENSORS:
            raise ModelFileError(_not_a_model(path, start))
    if not model.built:
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the model first by "
            "calling it on some data or by using `build()`."
        )
    with _naming(path):
        if tensors:
            _check_not_by_name(by_name)
            load_tensor_weights(model, path, skip_mismatch)
            return
        if start != HDF5_SIGNATURE:
            _check_not_by_name(by_name)
            load_archive_weights(model, path, skip_mismatch)
            return
        with open_hdf5(read_whole(path)) as file:
            if holds_layers(file):
                load_h5_weights(model, file, of_this_model=False, skip_mismatch=skip_mismatch, by_name=by_name)
            else:
                _check_not_by_name(by_name)
                load_layout(model, file, check_names=False, skip_mismatch=skip_mismatch)


def _check_not_by_name(by_name: bool) -> None:
    if by_name:
        raise ValueError(
            "`by_name=True` needs a file that keeps weights under the names of layers. Expected: an older `.h5`. Received: the "
            "layout of `.weights.h5`."
        )


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """Write a model, config and weights, to a file that Keras 3.15 loads.

    Args:
        model: a `Sequential` or `Model`, or one of your own class with a `get_config`.
        filepath: ends in `.keras`, or in `.h5` for Keras' older format of whole models, or in `.safetensors`: arrays that any
            reader of such files finds under the weights' paths, and the config in the metadata, for `load_model`.
        overwrite: whether a file that is there is replaced, in one step: it stays as it was until the new one is whole.
        zipped: None or True: a `.keras` file is one archive.
        include_optimizer, save_format: accepted for Keras' sake: there is no optimizer, and the extension decides.

    Source: `keras.saving.save_model`.

    Raises:
        ValueError: another extension, or the model holds something that no config can hold.
        FileExistsError: the file exists, with `overwrite=False`.
        FileNotFoundError: the folder does not exist.
        TypeError: `filepath` is neither a string nor a path.
    """
    path = _path(filepath)
    if path.suffix not in {".keras", ".h5", ".hdf5", ".safetensors"}:
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for the native Keras format "
            f"(recommended) or a `.h5` extension. Received: filepath={path}."
        )
    if zipped is not None and not zipped:
        raise ValueError("A model is saved as one archive. Expected: `zipped=None` or True. Received: zipped=False.")
    check_target(path, overwrite)
    if not model.built:
        warnings.warn(
            "You are saving a model that has not yet been built. It might not contain any weights yet. Consider building the model "
            "first by calling it on some data.",
            stacklevel=4,
        )
    make = {".keras": archive_bytes, ".safetensors": tensors_bytes}.get(path.suffix, h5_bytes)
    replace_file(path, make(model))


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a built model's weights to a file that Keras 3.15 reads with `load_weights`.

    Args:
        model: built.
        filepath: ends in `.weights.h5`.
        overwrite: as for `save_model`.

    Source: `keras.saving.save_weights`.

    Raises:
        ValueError: another extension, or the model has no weights yet.
        FileExistsError: the file exists, with `overwrite=False`.
        FileNotFoundError: the folder does not exist.
        TypeError: `filepath` is neither a string nor a path.
    """
    path = _path(filepath)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={path}")
    check_target(path, overwrite)
    if not model.built:
        raise ValueError(
            "You are saving a model that has not yet been built. Try building the model first by calling it on some data or by "
            "using `build()`."
        )
    replace_file(path, weights_bytes(model))


def _path(filepath: Any) -> Path:
    if not isinstance(filepath, (str, os.PathLike)):
        raise TypeError(f"A file is named by a string or a path. Received: {filepath!r}.")
    return Path(filepath)


class _NoSuchFileError(ModelFileError, FileNotFoundError):
    """There is no such file: Keras raises a ValueError for some formats, a FileNotFoundError for others."""


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors raised inside begin with the file's name."""
    try:
        yield
    except FileNotFoundError:
        raise _NoSuchFileError(
            f"File not found: filepath={path}. Expected: a `.keras`, `.weights.h5` or `.h5` file saved by Keras or this library."
        ) from None
    except ModelFileError as error:
        raise ModelFileError(f"Cannot load {str(path)!r}. {error}") from error.__cause__


def _not_a_model(path: Path, start: bytes) -> str:
    if kind_of(path) == ONNX:
        return "Expected: a Keras model. Received: what looks like an ONNX model: `numba_rnn.load_onnx(path)` runs it."
    if kind_of(path) == TORCH:
        return "Expected: a Keras model. Received: a pickle, such as PyTorch's: see `numba_rnn.from_torch(path)`."
    return (
        "Expected: a zip archive (`.keras`) or an HDF5 file (`.h5`) saved by Keras. Received: a file that starts "
        f"with {start!r}. Is it complete, and saved with `model.save`?"
    )
