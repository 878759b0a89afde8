"""From many numbers to one: ranks brought together, masks turned into weights, weighted sums and means."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError

__all__ = [
    "EPSILON",
    "apply_mask",
    "as_float",
    "check_reduction",
    "divide_no_nan",
    "paired",
    "reduce_weighted",
    "same_rank",
]

EPSILON = 1e-7  # keras.config.epsilon()
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def as_float(x: Any, dtype: Any = None) -> Array:
    """A plain floating point array; `dtype` None keeps the precision of an array of floats, everything else becomes float32.

    Raises:
        ShapeError: lists of different lengths.
        DTypeError: something that is not made of real numbers.
    """
    if x is None:
        raise DTypeError(
            "Losses and metrics take arrays of real numbers. Received: None. Give targets, as in `evaluate(x, y)`."
        )
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError("Targets and weights are arrays. Received: lists of different lengths.") from error
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"Losses and metrics take arrays of real numbers. Received: an array of dtype {array.dtype}.")
    if dtype is None:
        dtype = array.dtype if array.dtype.kind == "f" and not isinstance(x, (list, tuple, float)) else np.float32
    array = array.astype(dtype, copy=False)
    return array.view(np.ndarray) if type(array) is not np.ndarray else array


def same_rank(a: Array, b: Array, expand_vectors: bool = True) -> tuple[Array, Array]:
    """`a` and `b` where their ranks differ by one and the longer shape ends in 1: the shorter expanded, or the longer squeezed.

    A vector is expanded, everything else squeezed; without `expand_vectors` always squeezed.
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[:, None]) if b.ndim == 1 and expand_vectors else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[:, None], b) if a.ndim == 1 and expand_vectors else (a, b[..., 0])
    return a, b


def paired(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Targets and predictions as floats of one dtype and rank.

    Raises:
        ShapeError: the shapes do not fit each other.
        DTypeError: something that is not made of real numbers.
    """
    y_pred = as_float(y_pred)
    y_true, y_pred = same_rank(as_float(y_true, y_pred.dtype), y_pred)
    try:
        np.broadcast_shapes(y_true.shape, y_pred.shape)
    except ValueError:
        raise mismatch(y_true, y_pred) from None
    return y_true, y_pred


def mismatch(y_true: Array, y_pred: Array, wanted: str = "targets of the shape of the predictions") -> ShapeError:
    """The error for targets that do not fit the predictions."""
    return ShapeError(
        f"Targets and predictions do not fit. Expected: {wanted}. Received: y_true of shape {y_true.shape}, y_pred of shape "
        f"{y_pred.shape}."
    )


def check_reduction(reduction: Any) -> Any:
    """`reduction` itself.

    Raises:
        ValueError: it is none of Keras'.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. Received: reduction={reduction}"
        )
    return reduction


def apply_mask(sample_weight: Any, mask: Any, dtype: Any, reduction: Any) -> Any:
    """A mask and weights as weights. For a mean the mask's are total/valid, so that dividing by the total means over the valid."""
    if mask is None:
        return sample_weight
    weights = np.asarray(mask).astype(bool).astype(dtype)
    if reduction in {"mean", "sum_over_batch_size"}:
        weights *= divide_no_nan(np.asarray(weights.size, dtype), weights.sum())
    if sample_weight is None:
        return weights
    weights, sample_weight = same_rank(weights, as_float(sample_weight, dtype))
    return weighted(sample_weight, weights)


def weighted(values: Array, weights: Array) -> Array:
    """The product.

    Raises:
        ShapeError: the weights do not fit.
    """
    try:
        return values * weights
    except ValueError:
        raise ShapeError(
            f"`sample_weight` or a mask does not fit. Expected: weights for values of shape {values.shape}, or (B, 1) for "
            f"its rows. Received: shape {weights.shape}."
        ) from None


def reduce_weighted(
    values: Array, sample_weight: Any = None, mask: Any = None, reduction: Any = "sum_over_batch_size"
) -> Any:
    """One number, or with reduction None all of the weighted `values`.

    Args:
        values: (B, ...).
        sample_weight: (B,) or (B, ...), or None.
        mask: of the values' shape, true where they count, or None.
        reduction: one of Keras'.

    Raises:
        ShapeError: weights or mask do not fit.
    """
    weights = apply_mask(sample_weight, mask, values.dtype, reduction)
    if weights is not None:
        values, weights = same_rank(values, as_float(weights, values.dtype))
        values = weighted(values, weights)
    if reduction in {None, "none"} or values.ndim == 0 or values.shape == (0,):
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    by_weight = reduction == "mean_with_sample_weight" and weights is not None
    return divide_no_nan(total, weights.sum() if by_weight else np.asarray(values.size, values.dtype))


def divide_no_nan(a: Any, b: Any) -> Any:
    """`a / b`, and 0 where `b` is 0."""
    a, b = np.asarray(a), np.asarray(b)
    empty = b == 0
    return np.where(empty, np.zeros((), np.result_type(a, b)), a / np.where(empty, np.ones((), b.dtype), b))
