"""What each loss means: functions of targets and predictions that return one number for each row (or row and step)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers.masks import set_mask, without_mask
from numba_rnn.losses.reduction import EPSILON, as_float, mismatch, paired
from numba_rnn.ops.activations import sigmoid
from numba_rnn.ops.logits import get_logits

__all__ = [
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_hinge", "cosine_similarity", "dice", "hinge", "huber", "kl_divergence", "log_cosh", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "normalized", "poisson",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]  # fmt: skip


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """mean((t - p)²) over the last axis."""
    t, p = paired(y_true, y_pred)
    return np.square(t - p).mean(axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """mean(|t - p|) over the last axis."""
    t, p = paired(y_true, y_pred)
    return np.abs(t - p).mean(axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Array:
    """100 mean(|t - p| / |t|) over the last axis, |t| at least 1e-7."""
    t, p = paired(y_true, y_pred)
    return 100 * np.abs((t - p) / np.maximum(np.abs(t), EPSILON)).mean(axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Array:
    """mean((log(1 + t) - log(1 + p))²) over the last axis, both at least 1e-7."""
    t, p = paired(y_true, y_pred)
    return np.square(np.log(np.maximum(p, EPSILON) + 1) - np.log(np.maximum(t, EPSILON) + 1)).mean(axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """Mean over the last axis of e²/2 where |e| = |p - t| is at most `delta`, of delta |e| - delta²/2 beyond."""
    t, p = paired(y_true, y_pred)
    error = np.abs(p - t)
    return np.where(error <= delta, 0.5 * np.square(error), delta * error - 0.5 * delta**2).mean(axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Array:
    """mean(log(cosh(p - t))) over the last axis."""
    t, p = paired(y_true, y_pred)
    error = p - t
    return (error + np.logaddexp(-2 * error, 0, dtype=error.dtype) - error.dtype.type(np.log(2))).mean(axis=-1)


def normalized(x: Array, axis: Any = -1) -> Array:
    """`x` over its Euclidean length along `axis`, the squared length at least 1e-14."""
    return x / np.sqrt(np.maximum(np.square(x).sum(axis=axis, keepdims=True), EPSILON**2))


def cosine_similarity(y_true: Any, y_pred: Any, axis: Any = -1) -> Array:
    """Minus the cosine of the angle between t and p along `axis`: -1 where they point the same way."""
    t, p = paired(y_true, y_pred)
    return -(normalized(t, axis) * normalized(p, axis)).sum(axis=axis)


def _signs(t: Array) -> Array:
    # Targets of 0 and 1 become -1 and 1.
    return 2 * t - 1 if np.isin(t, (0, 1)).all() else t


def hinge(y_true: Any, y_pred: Any) -> Array:
    """mean(max(0, 1 - t p)) over the last axis, t -1 or 1 (or all of them 0 or 1)."""
    t, p = paired(y_true, y_pred)
    return np.maximum(1 - _signs(t) * p, 0).mean(axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Array:
    """mean(max(0, 1 - t p)²) over the last axis, t -1 or 1 (or all of them 0 or 1)."""
    t, p = paired(y_true, y_pred)
    return np.square(np.maximum(1 - _signs(t) * p, 0)).mean(axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Array:
    """max(0, 1 + max((1 - t) p) - sum(t p)) over the last axis, t one-hot."""
    t, p = paired(y_true, y_pred)
    return np.maximum(((1 - t) * p).max(axis=-1) - (t * p).sum(axis=-1) + 1, 0)


def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """sum(t log(t / p)) over the last axis, both clipped to 1e-7 and 1."""
    t, p = (np.clip(a, EPSILON, 1) for a in paired(y_true, y_pred))
    return (t * np.log(t / p)).sum(axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Array:
    """mean(p - t log(p + 1e-7)) over the last axis."""
    t, p = paired(y_true, y_pred)
    return (p - t * np.log(p + EPSILON)).mean(axis=-1)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1
) -> Array:
    """mean(-t log(p) - (1 - t) log(1 - p)) over `axis`, p a probability, or with `from_logits` what a sigmoid would turn into one.

    Raises:
        ShapeError: targets and predictions of different shapes.
    """
    y_pred, from_logits = _or_logits(y_pred, from_logits)
    t, p = _smoothed_halves(y_true, y_pred, label_smoothing)
    return (_binary_of_logits(t, p) if from_logits else _binary(t, p)).mean(axis=axis)


def _or_logits(y_pred: Any, from_logits: bool) -> tuple[Any, bool]:
    """The predictions, or the logits that they carry; and whether they are logits."""
    logits = get_logits(y_pred)
    if logits is None:
        return y_pred, from_logits
    if from_logits:
        warnings.warn(
            "The loss has `from_logits=True`, but the predictions come from a sigmoid or softmax. What stands before it is taken. "
            "Leave `from_logits` out, or the activation.",
            stacklevel=3,
        )
    return logits, True


def _binary(t: Array, p: Array) -> Array:
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def _binary_of_logits(t: Array, z: Array) -> Array:
    return np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))


def _smoothed_halves(y_true: Any, y_pred: Any, smoothing: float) -> tuple[Array, Array]:
    t, p = _equal_shapes(y_true, y_pred)
    return (t * (1 - smoothing) + 0.5 * smoothing if smoothing else t), p


def _equal_shapes(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    t, p = paired(y_true, y_pred)
    if t.shape != p.shape:
        raise mismatch(t, p)
    return t, p


def binary_focal_crossentropy(
    y_true: Any, y_pred: Any, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
    from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1,
) -> Array:  # fmt: skip
    """Binary crossentropy, each term times (1 - p of the true class)^gamma; balanced by `alpha` (Lin et al. 2018)."""
    t, p = _smoothed_halves(y_true, y_pred, label_smoothing)
    logits = p if from_logits else get_logits(y_pred)
    if from_logits:
        p = sigmoid(p)
    cost = _binary(t, p) if logits is None else _binary_of_logits(t, logits)
    each = (1 - (t * p + (1 - t) * (1 - p))) ** gamma * cost
    if apply_class_balancing:
        each *= t * alpha + (1 - t) * (1 - alpha)
    return each.mean(axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1
) -> Array:
    """-sum(t log(p)) over `axis`, t one-hot; p made to sum to 1 and clipped, or with `from_logits` through a softmax.

    Raises:
        ShapeError: targets and predictions of different shapes.
        ValueError: `axis` is no number.
    """
    y_pred, from_logits = _or_logits(y_pred, from_logits)
    t, p = _smoothed_classes(y_true, y_pred, label_smoothing, axis, "categorical_crossentropy")
    return -(t * (_log_softmax(p, axis) if from_logits else np.log(_shares(p, axis)))).sum(axis=axis)


def categorical_focal_crossentropy(
    y_true: Any, y_pred: Any, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0,
    axis: Any = -1,
) -> Array:  # fmt: skip
    """Categorical crossentropy, each term times alpha (1 - p)^gamma."""
    t, p = _smoothed_classes(y_true, y_pred, label_smoothing, axis, "categorical_focal_crossentropy")
    p = _shares(np.exp(_log_softmax(p, axis)) if from_logits else p, axis)
    return (np.asarray(alpha, p.dtype) * (1 - p) ** gamma * -t * np.log(p)).sum(axis=axis)


def _smoothed_classes(y_true: Any, y_pred: Any, smoothing: float, axis: Any, what: str) -> tuple[Array, Array]:
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}")
    t, p = _equal_shapes(y_true, y_pred)
    if p.ndim and p.shape[-1] == 1:
        warnings.warn(
            f"In loss {what}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1. Received: y_pred.shape="
            f"{p.shape}. Consider using 'binary_crossentropy' if you only have 2 classes.",
            SyntaxWarning,
            stacklevel=3,
        )
    return (t * (1 - smoothing) + smoothing / t.shape[-1] if smoothing else t), p


def _shares(p: Array, axis: Any) -> Array:
    return np.clip(p / p.sum(axis=axis, keepdims=True), EPSILON, 1 - EPSILON)


def _log_softmax(x: Array, axis: Any = -1) -> Array:
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """-log(p of the true class), the targets whole numbers of classes.

    Args:
        y_true: (B, ...) or (B, ..., 1).
        y_pred: (B, ..., number of classes).
        from_logits: p is what a softmax makes of `y_pred`.
        ignore_class: targets of this number cost nothing, and the result carries a mask that leaves them out of means.
        axis: where the classes are.

    Raises:
        ShapeError: targets and predictions that do not fit.
        ValueError: a target that is no class.
    """
    if ignore_class is None:
        y_pred, from_logits = _or_logits(y_pred, from_logits)
    p = np.moveaxis(as_float(without_mask(y_pred)), axis, -1)
    t = as_float(without_mask(y_true), np.float64).astype(np.int64)
    if t.ndim == p.ndim and t.shape[axis] == 1:
        t = np.squeeze(t, axis)
    if t.shape != p.shape[:-1]:
        raise mismatch(t, p, "whole numbers of the shape of the predictions without their last axis")
    valid = t != ignore_class
    t = np.where(valid, t, 0)
    if t.size and not 0 <= t.min() <= t.max() < p.shape[-1]:
        raise ValueError(
            f"A target is the number of its class. Expected: 0 to {p.shape[-1] - 1}. Received: {t.min()} to {t.max()}."
        )
    if not from_logits:
        p = np.log(np.clip(p, EPSILON, 1 - EPSILON))
    each = -np.take_along_axis(_log_softmax(p), t[..., None], axis=-1)[..., 0]
    if ignore_class is None:
        return each
    masked: Array = set_mask(np.where(valid, each, each.dtype.type(0)), valid)
    return masked


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Array:
    """1 - 2 sum(t p) / (sum(t) + sum(p)) over `axis`."""
    t, p = paired(y_true, y_pred)
    return np.asarray(1 - 2 * (t * p).sum(axis=axis) / (t.sum(axis=axis) + p.sum(axis=axis) + EPSILON))


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Array:
    """1 - sum(t p) / (sum(t p) + alpha sum(t (1 - p)) + beta sum((1 - t) p)) over `axis`."""
    t, p = paired(y_true, y_pred)
    both, missed, extra = ((a * b).sum(axis=axis) for a, b in ((t, p), (t, 1 - p), (1 - t, p)))
    return np.asarray(1 - both / (both + alpha * missed + beta * extra + EPSILON))
