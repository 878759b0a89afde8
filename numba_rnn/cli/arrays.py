"""The arrays that `predict` reads, compares and writes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import click

__all__ = ["accuracy", "check_label", "check_output", "count_rows", "match", "named", "read_arrays", "write"]


def check_output(output: Path | None, *taken: Path) -> None:
    """A bad output path is found before any work, not after it."""
    if output is None:
        return
    folder = output.resolve().parent
    if output.suffix not in {".npy", ".npz"}:
        why = "the name must end in .npy or .npz"
    elif any(output.resolve() == path.resolve() for path in taken):
        why = "the file is an input"
    elif not folder.is_dir():
        why = f"there is no folder {str(folder)!r}"
    elif not os.access(output if output.exists() else folder, os.W_OK):
        why = "it is not writable"
    else:
        return
    raise click.BadParameter(f"{str(output)!r}: {why}", param_hint="--output")


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a `.npz` by name, or that of a `.npy` under `x`; nothing is unpickled."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with open(path, "rb") as file:
            start = file.read(6)
            if start != b"\x93NUMPY" and not start.startswith(b"PK"):
                raise ValueError(f"it starts with {start!r}")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"Cannot read {str(path)!r}: {error}. Expected: numeric arrays in a .npy or .npz file."
        ) from error


def match(model: Any, arrays: dict[str, Any]) -> Any:
    """The arrays in the order of the model's inputs."""
    names = [i.name for i in model.inputs]
    if len(names) == len(arrays) == 1:
        return next(iter(arrays.values()))
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(
            f"No array for the model's input {missing[0]!r}. Expected: {', '.join(names)}. "
            f"Received: {', '.join(arrays) or 'none'}. Name the arrays of the .npz after the inputs."
        )
    chosen = [arrays[name] for name in names]
    return chosen[0] if len(chosen) == 1 else chosen


def count_rows(arrays: dict[str, Any], label: Any) -> int:
    """The number of rows, the same of every array."""
    counts = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if label is not None:
        counts["label"] = len(label) if label.ndim else 0
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"Every array needs the same number of rows, at least one. Received: {counts}.")
    return next(iter(counts.values()))


def named(predictions: Any, name: str = "output") -> dict[str, Any]:
    """A prediction's arrays by name, whatever its structure."""
    if isinstance(predictions, dict):
        return {k: a for key, part in predictions.items() for k, a in named(part, key).items()}
    if isinstance(predictions, (list, tuple)):
        return {k: a for n, part in enumerate(predictions) for k, a in named(part, f"{name}_{n}").items()}
    return {name: predictions}


def write(path: Path, named: dict[str, Any]) -> None:
    """The predictions to a `.npz`, or the only one to a `.npy`."""
    import numpy as np

    try:
        with open(path, "wb") as file:
            if path.suffix == ".npz":
                np.savez(file, **named)
            else:
                np.save(file, next(iter(named.values())))
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()  # half a file is worse than none
        raise ValueError(f"Cannot write {str(path)!r}: {error}. Name another place with `-o`.") from error


def check_label(model: Any, label: Any) -> None:
    """Find labels that do not fit before predicting, as far as the model says the shape of its output."""
    import numpy as np

    if len(model.outputs) > 1:
        raise ValueError(f"`label` cannot be compared: the model has {len(model.outputs)} outputs. Leave it out.")
    sizes = model.outputs[0].shape[1:]
    if None not in sizes:
        accuracy(np.broadcast_to(0.0, (len(label), *sizes)), label)


def accuracy(y: Any, label: Any) -> float:
    """The share of labels (B, ...) that the predictions y (B, ..., classes) hit; labels may be one-hot, as y is.

    Raises:
        ValueError: the labels are no classes of these predictions.
    """
    if label.dtype.kind not in "biuf":
        raise ValueError(f"`label` must hold numbers, such as the classes 0, 1, 2. Received: dtype {label.dtype}.")
    guess = y[..., 0] > 0.5 if y.shape[-1] == 1 else y.argmax(axis=-1)
    if label.shape == y.shape:
        label = label[..., 0] if y.shape[-1] == 1 else label.argmax(axis=-1)
    elif label.shape == (*guess.shape, 1):
        label = label[..., 0]
    if label.shape != guess.shape:
        raise ValueError(f"`label` does not fit. Expected: {guess.shape} or {y.shape}. Received: {label.shape}.")
    classes = max(y.shape[-1], 2)
    if not ((label >= 0) & (label < classes)).all():
        raise ValueError(f"`label` must hold the classes 0 to {classes - 1}. Received: {label.min()} to {label.max()}.")
    return float((guess == label).mean())
