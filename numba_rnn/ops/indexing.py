"""Operations that pick elements, put them elsewhere, or put them in order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.base import CORE, MATH, NN, op
from numba_rnn.ops.dtypes import convert, standardize_dtype
from numba_rnn.ops.tree import as_tuple

__all__ = [
    "argsort", "get_item", "in_top_k", "multi_hot", "nonzero", "one_hot", "scatter", "scatter_update", "searchsorted", "slice",
    "slice_update", "sort", "take", "take_along_axis", "top_k",
]  # fmt: skip

COMBINE = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


class TopK(NamedTuple):
    """The largest and where they are, both (..., k)."""

    values: Array
    indices: Array


@op("GetItem", tensors=2)
def get_item(x: Any, key: Any) -> Any:
    """x[key]."""
    return convert(x)[as_tuple(key)]


@op("Take", tensors=2)
def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """The elements or slices at these indices."""
    return np.take(convert(x), convert(indices).astype(np.int64, copy=False), axis)


@op("TakeAlongAxis", tensors=2)
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at these indices along an axis, each with the other indices of its own place."""
    x, indices = convert(x), convert(indices)
    if axis is None:
        return np.take(x, indices)
    kept = axis % x.ndim
    shape = np.broadcast_shapes(*((*a.shape[:kept], 1, *a.shape[kept + 1 :]) for a in (x, indices)))
    x, indices = (np.broadcast_to(a, (*shape[:kept], a.shape[kept], *shape[kept + 1 :])) for a in (x, indices))
    return np.take_along_axis(x, indices, axis)


@op("Slice", CORE, tensors=2)
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of this shape that begins at these indices."""
    return convert(inputs)[_block(inputs, start_indices, shape)]


def _block(inputs: Any, start_indices: Any, shape: Any) -> tuple[Any, ...]:
    ends = zip(np.asarray(start_indices).tolist(), shape, strict=True)
    return tuple(np.s_[a : (None if n == -1 else a + n)] for a, n in ends)


@op("SliceUpdate", CORE, tensors=3)
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """`inputs` with the block that begins at these indices replaced."""
    result = np.array(convert(inputs))
    updates = convert(updates)
    result[_block(inputs, start_indices, updates.shape)] = updates
    return result


@op("Scatter", CORE, tensors=2)
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of this shape with the values added at the indices (..., n) of the first n axes."""
    indices, values = convert(indices), convert(values)
    result = np.zeros(tuple(shape), values.dtype)
    n = indices.shape[-1]
    np.add.at(result, tuple(indices.reshape(-1, n).T), values.reshape(-1, *shape[n:]))
    return result


@op("ScatterUpdate", CORE, tensors=3)
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """`inputs` with the elements at the indices (N, n) replaced by the updates (N, ...), or combined with them by `reduction`.

    Raises:
        ValueError: `reduction` is none of None, `"add"`, `"max"`, `"min"`, `"mul"`.
    """
    result, where = np.array(convert(inputs)), tuple(convert(indices).T)
    if reduction is None:
        result[where] = convert(updates)
    elif reduction.lower() in COMBINE:
        COMBINE[reduction.lower()].at(result, where, convert(updates, result.dtype))
    else:
        raise ValueError(
            f"Invalid reduction: {reduction}. Supported values are: None, {', '.join(map(repr, COMBINE))}."
        )
    return result


@op("OneHot", NN)
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at the place along a new axis that each whole number names, 0 elsewhere; numbers out of range have none.

    Raises:
        ValueError: a sparse array is asked for.
    """
    _refuse_sparse(sparse)
    hot = convert(x).astype(np.int64, copy=False)[..., None] == np.arange(num_classes)
    return np.moveaxis(hot, -1, axis).astype(standardize_dtype(dtype))


@op("MultiHot", NN)
def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at each place that the whole numbers of a row name, 0 elsewhere: (B, N) gives (B, num_classes).

    Raises:
        ValueError: a sparse array is asked for.
    """
    _refuse_sparse(sparse)
    x = convert(inputs).astype(np.int64, copy=False)
    hot = np.moveaxis(x[..., None] == np.arange(num_classes), -1, axis)
    return np.any(hot, 1 if x.ndim > 1 else 0).astype(standardize_dtype(dtype))


def _refuse_sparse(sparse: bool) -> None:
    if sparse:
        raise ValueError("Arrays are dense here: leave `sparse` out.")


@op("Nonzero")
def nonzero(x: Any) -> Any:
    """The indices of what is not zero, one array an axis."""
    return tuple(i.astype(np.int32) for i in np.nonzero(convert(x)))


@op("Sort")
def sort(x: Any, axis: int | None = -1) -> Any:
    """The elements in rising order."""
    return np.sort(convert(x), axis)


@op("Argsort")
def argsort(x: Any, axis: int | None = -1) -> Any:
    """The indices that `sort`; equal elements stay in their order."""
    return np.argsort(convert(x), axis, kind="stable").astype(np.int32)


@op("SearchSorted", tensors=2)
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where the values would go into a sorted row."""
    return np.asarray(np.searchsorted(convert(sorted_sequence), convert(values), side)).astype(np.int32)  # type: ignore[call-overload]


@op("TopK", MATH)
def _top_k(x: Any, k: int, sorted: bool = True) -> Any:
    x = convert(x)
    order = np.flip(np.argsort(np.flip(x, -1), -1, kind="stable"), -1)[..., :k]  # of equal ones the first
    indices = (x.shape[-1] - 1 - order).astype(np.int32)
    return np.take_along_axis(x, indices, -1), indices


def top_k(x: Any, k: int, sorted: bool = True) -> TopK:
    """The k largest along the last axis, largest first, and their indices."""
    return TopK(*_top_k(x, k, sorted))


@op("InTopK", MATH, tensors=2)
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether the target class (B,) is among the k likeliest of the predictions (B, classes)."""
    targets, predictions = convert(targets).astype(np.int64, copy=False), convert(predictions)
    own = np.take_along_axis(predictions, targets[:, None], -1)
    return np.isfinite(own[:, 0]) & (np.sum(predictions > own, -1) < k)
