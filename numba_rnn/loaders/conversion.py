"""From one kind of file to another: a model is loaded and saved again; weights alone go into a model, or become plain arrays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.formats import H5_WEIGHTS, LAYOUT, ONNX, SAFETENSORS, TORCH, TORCH_SCRIPT, kind_of
from numba_rnn.loaders.keras_v3 import own_version
from numba_rnn.loaders.safetensors import CONFIG, read_tensors, write_tensors
from numba_rnn.loaders.safety import look_over, open_hdf5, read_array
from numba_rnn.loaders.writing import check_target, replace_file

__all__ = ["TARGETS", "check_conversion", "convert"]

_WITHOUT_MODEL = (
    "Cannot convert {!r}: it holds weights alone, of a model that it does not describe. Name a file of such a model (`like=`, "
    "on the command line `--like MODEL`); without one, a `.weights.h5` can become `.safetensors`."
)
TARGETS = (".keras", ".weights.h5", ".safetensors", ".h5")


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    like: str | os.PathLike[str] | None = None,
    prefix: str = "",
    overwrite: bool = False,
    custom_objects: dict[str, Any] | None = None,
) -> None:
    """Write what a file holds as a file of another kind.

        numba_rnn.loaders.convert("old.h5", "new.keras")

    Args:
        source: anything that `load_model`, `load_weights` or `from_torch` reads, by its content.
        target: its extension says the kind: `.keras`, `.weights.h5` and whole-model `.h5` as Keras 3.15 reads them, or
            `.safetensors`: arrays under the weights' paths, the config in the metadata, so that `load_model` makes the model of it.
        like: the file of a model of the structure whose weights `source` holds; needed where that has weights alone. Without it
            those of a `.weights.h5` become a `.safetensors` of plain arrays, names as in the source.
        prefix: where a recurrent module lies in a larger file of PyTorch's; see `numba_rnn.from_torch`.
        overwrite: whether a file at `target` is replaced, in one step. The source never is.
        custom_objects: classes and functions of your own that the file may name.

    Raises:
        FileNotFoundError: there is no source, or no folder for the target.
        FileExistsError: the target exists, with `overwrite=False`.
        ImportError: the library that reads or writes such files is missing.
        ModelFileError: the source cannot be read, or holds no model that the target can.
        ValueError: another extension; source and target are one file; `like` where the source is a model itself.
    """
    source, target = Path(source), Path(target)
    others = [] if like is None else [Path(like)]
    check_conversion(source, target, *others, overwrite=overwrite)
    kind = kind_of(source)
    if kind in {ONNX, TORCH_SCRIPT}:
        raise ModelFileError(
            f"Cannot convert {str(source)!r}: it is {kind}, whose graph has no counterpart in Keras' layers."
            + (" Run it with `numba_rnn.load_onnx`." if kind == ONNX else "")
        )
    if like is None and kind in {H5_WEIGHTS, LAYOUT}:
        if kind == H5_WEIGHTS or target.suffix != ".safetensors":
            raise ModelFileError(_WITHOUT_MODEL.format(str(source)))
        replace_file(target, _plain(source))
        return
    _save(_model(source, kind, others, prefix, custom_objects), target)


def check_conversion(source: Path, target: Path, *others: Path, overwrite: bool) -> None:
    """See that the target can be written, before any work. Raises as `convert` does."""
    if not target.name.endswith(TARGETS):
        raise ValueError(
            f"The extension says what to write. Expected: {', '.join(TARGETS)}. Received: {str(target)!r}."
        )
    if not source.exists():
        raise FileNotFoundError(f"File not found: {str(source)!r}.")
    check_target(target, overwrite=True)
    if target.exists() and any(target.samefile(path) for path in (source, *others) if path.exists()):
        raise ValueError(f"{str(target)!r} is the file to read from, which is never replaced. Choose another name.")
    check_target(target, overwrite)


def _plain(source: Path) -> bytes:
    """The arrays of a `.weights.h5` under their names there."""
    with open_hdf5(source.read_bytes()) as file:
        found = look_over(file).datasets
        # Whole numbers as they are, everything else must be floating point.
        arrays = {
            name: read_array(data, data.dtype.kind if data.dtype.kind in "iub" else "f") for name, data in found.items()
        }
    return write_tensors(arrays, {"saved_by": f"numba_rnn {own_version()}"})


def _model(source: Path, kind: str, like: list[Path], prefix: str, custom_objects: dict[str, Any] | None) -> Any:
    from numba_rnn.loaders import from_torch, load_model, load_weights

    if like:
        model = load_model(like[0], custom_objects)
        load_weights(model, source)
        return model
    names, metadata = read_tensors(source) if kind == SAFETENSORS else ({}, {})
    if any("/vars/" in name for name in names):
        raise ModelFileError(_WITHOUT_MODEL.format(str(source)))
    if kind == TORCH or (kind == SAFETENSORS and CONFIG not in metadata):
        made = from_torch(source, prefix)
        if not hasattr(made, "layers"):
            raise ModelFileError(f"Cannot convert {str(source)!r}: it holds a cell, which is no model by itself.")
        return made
    return load_model(source, custom_objects)


def _save(model: Any, target: Path) -> None:
    from numba_rnn.loaders import save_model, save_weights

    write: Callable[..., None] = save_weights if target.name.endswith(".weights.h5") else save_model
    write(model, target)
