"""How often the prediction is right, for numbers, probabilities, classes and the best k of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.losses.reduction import as_float, mismatch, paired
from numba_rnn.metrics.metric import MeanMetricWrapper

__all__ = [
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy", "accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy",
]  # fmt: skip


def accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 where the two are equal, 0 elsewhere."""
    t, p = paired(y_true, y_pred)
    return _ones(t == p)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """1 where a prediction is above `threshold` and its target 1, or neither."""
    t, p = paired(y_true, y_pred)
    return _ones(t == (p > p.dtype.type(threshold)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 where the greatest prediction stands where the greatest target does, along the last axis."""
    return _equal_classes(as_float(y_true).argmax(axis=-1), as_float(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 where the greatest prediction is the class that the target (B, ...) or (B, ..., 1) numbers."""
    t, p = as_float(y_true), as_float(y_pred)
    matches = _equal_classes(t[..., 0] if t.ndim == p.ndim and t.shape[-1] == 1 else t, p)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


def _equal_classes(classes: Array, p: Array) -> Array:
    if classes.shape != p.shape[:-1]:
        raise mismatch(classes, p, "one class for each row of predictions")
    return _ones(classes == p.argmax(axis=-1))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """1 where the class of the greatest target is among the `k` greatest predictions."""
    return _among_best(as_float(y_true).argmax(axis=-1), as_float(y_pred), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Array:
    """1 where the class is among the `k` greatest predictions; `from_sorted_ids`: predictions are classes, the best first."""
    t, p = as_float(y_true), as_float(y_pred)
    if t.ndim == p.ndim and t.shape[-1] == 1:
        return sparse_top_k_categorical_accuracy(t[..., 0], p, k, from_sorted_ids)[..., None]
    if not from_sorted_ids:
        return _among_best(t.astype(np.int64), p, k)
    if t.shape != p.shape[:-1]:
        raise mismatch(t, p, "one class for each row of predictions")
    return _ones((t[..., None] == p[..., :k]).any(axis=-1))


def _among_best(classes: Array, p: Array, k: int) -> Array:
    if classes.shape != p.shape[:-1]:
        raise mismatch(classes, p, "one class for each row of predictions")
    exists = (classes >= 0) & (classes < p.shape[-1])
    own = np.take_along_axis(p, np.where(exists, classes, 0)[..., None], axis=-1)
    # Whoever ties with the k-th is among them; where something is not finite, nobody is.
    return _ones(exists & np.isfinite(p).all(axis=-1) & ((p > own).sum(axis=-1) < k))


def _ones(condition: Any) -> Array:
    return np.asarray(condition, np.float32)


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets."""

    config_keys = ()

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often a probability is on the right side of `threshold`."""

    config_keys = ("threshold",)

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(
                f"Invalid value for argument `threshold`. Expected a value in interval (0, 1). Received: threshold={threshold}"
            )
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the likeliest class is the true one, targets one-hot."""

    config_keys = ()

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the likeliest class is the true one, targets numbers of classes."""

    config_keys = ()

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the true class is among the `k` likeliest, targets one-hot."""

    config_keys = ("k",)

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the true class is among the `k` likeliest, targets numbers of classes."""

    config_keys = ("k", "from_sorted_ids")

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k, self.from_sorted_ids = k, from_sorted_ids
