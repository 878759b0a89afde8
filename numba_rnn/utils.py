"""Keras' `keras.utils`: padded sequences, one-hot classes, seeds, and other names that programs look for there."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import ops
from numba_rnn._typing import Array
from numba_rnn.custom import custom_object_scope, get_registered_name, register_keras_serializable
from numba_rnn.errors import ShapeError
from numba_rnn.ops.control import is_keras_tensor
from numba_rnn.ops.dtypes import standardize_dtype
from numba_rnn.ops.naming import clear_session
from numba_rnn.random import seed_everything as set_random_seed
from numba_rnn.saving import (
    CustomObjectScope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_object,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope", "PyDataset", "Sequence", "clear_session", "custom_object_scope", "deserialize_keras_object",
    "get_custom_objects", "get_registered_name", "get_registered_object", "is_keras_tensor", "normalize", "pad_sequences",
    "register_keras_serializable", "serialize_keras_object", "set_random_seed", "standardize_dtype", "to_categorical",
]  # fmt: skip


class PyDataset:
    """Batches by their places, for `predict` and `evaluate`: a subclass has `__len__` and `__getitem__`, as with Keras.

    `on_epoch_begin` and `on_epoch_end`, if there are such methods, are called before the first batch and after the last.

    Args:
        workers, use_multiprocessing, max_queue_size: kept for Keras' sake: batches are made one after another.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        """How many batches there are."""
        raise NotImplementedError(f"{type(self).__name__} needs `__len__`, which returns how many batches there are.")

    def __getitem__(self, index: int) -> Any:
        """A batch: an array, or a tuple (x,), (x, y) or (x, y, sample_weight)."""
        raise NotImplementedError(f"{type(self).__name__} needs `__getitem__`, which returns the batch at an index.")


Sequence = PyDataset  # its old name


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Sequences of different lengths as one array (B, T) or (B, T, ...).

    Args:
        sequences: B of them, each of steps of one shape.
        maxlen: T; the longest one's length if None.
        dtype: of the result.
        padding: on which side of a short sequence `value` comes, `"pre"` or `"post"`.
        truncating: on which side a long one is cut.
        value: what fills.

    Raises:
        ValueError: no list of sequences; another word for a side; a string to fill an array of numbers with.
        ShapeError: steps of different shapes.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for row in sequences:
        if not hasattr(row, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {row}")
    for side, what in ((truncating, "Truncating"), (padding, "Padding")):
        if side not in ("pre", "post"):
            raise ValueError(f'{what} type "{side}" not understood')
    if isinstance(value, str) and dtype is not object and np.dtype(dtype).kind not in "SU":
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\n"
            "You should set `dtype=object` for variable length strings."
        )
    length = max(map(len, sequences)) if maxlen is None else maxlen
    step = next((np.shape(row)[1:] for row in sequences if len(row)), ())
    padded = np.full((len(sequences), length, *step), value, dtype)
    for index, row in enumerate(sequences):
        cut = row[-maxlen:] if maxlen is not None and truncating == "pre" else row[:length]
        kept = np.asarray(cut, dtype) if len(row) else padded[index, :0]
        if kept.shape[1:] != step:
            raise ShapeError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {index} is different from expected shape {step}"
            )
        start = 0 if padding == "post" else length - len(kept)
        padded[index, start : start + len(kept)] = kept
    return padded


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """1 at the place of each class number, 0 elsewhere: x (...) or (..., 1) gives float64 (..., num_classes).

    Args:
        x: whole numbers.
        num_classes: one more than the largest of them if None.

    Raises:
        ValueError: a number that is no class.
    """
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = num_classes or int(classes.max()) + 1
    if classes.size and not (-count <= classes.min() and classes.max() < count):
        raise ValueError(
            f"Class numbers must be below num_classes={count}. Received: {classes.min()} to {classes.max()}."
        )
    return np.eye(count)[classes]


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """x over its norm of this order along `axis`; where that is 0, x."""
    if not isinstance(x, np.ndarray):
        return ops.normalize(x, axis=axis, order=order)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)
