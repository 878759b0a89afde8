"""Operations that move elements: shapes, joins, slices; and the matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.ops.base import op

__all__ = [
    "broadcast_to", "concatenate", "expand_dims", "flip", "get_item", "matmul", "moveaxis", "repeat", "reshape", "roll", "split",
    "squeeze", "stack", "swapaxes", "take", "tile", "transpose",
]  # fmt: skip


def _tuple(sizes: Any) -> Any:
    # A file has lists where NumPy wants tuples.
    return tuple(sizes) if isinstance(sizes, list) else sizes


@op("GetItem", tensors=2)
def get_item(x: Any, key: Any) -> Any:
    """x[key]."""
    return np.asarray(x)[_tuple(key)]


@op("Reshape")
def reshape(x: Any, newshape: Any) -> Any:
    """The elements in order in another shape; one size may be -1."""
    return np.reshape(x, _tuple(newshape))


@op("BroadcastTo")
def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated along its missing and single dimensions."""
    return np.broadcast_to(x, _tuple(shape))


@op("Transpose")
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order, reversed if None."""
    return np.transpose(x, _tuple(axes))


@op("Swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@op("Moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Some axes moved elsewhere."""
    return np.moveaxis(x, _tuple(source), _tuple(destination))


@op("Squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without dimensions of size 1."""
    return np.squeeze(x, _tuple(axis))


@op("ExpandDims")
def expand_dims(x: Any, axis: Any) -> Any:
    """With a new dimension of size 1."""
    return np.expand_dims(x, _tuple(axis))


@op("Concatenate")
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis."""
    return np.concatenate(xs, axis)


@op("Stack")
def stack(x: Any, axis: int = 0) -> Any:
    """Arrays joined along a new axis."""
    return np.stack(x, axis)


@op("Split")
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """A list of the parts of x."""
    return np.split(x, indices_or_sections, axis)


@op("Flip")
def flip(x: Any, axis: Any = None) -> Any:
    """The order along an axis reversed."""
    return np.flip(x, _tuple(axis))


@op("Roll")
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved along an axis, round the end."""
    return np.roll(x, _tuple(shift), _tuple(axis))


@op("Repeat")
def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element several times."""
    return np.repeat(x, repeats, axis)


@op("Tile")
def tile(x: Any, repeats: Any) -> Any:
    """The whole array several times."""
    return np.tile(x, repeats)


@op("Take", tensors=2)
def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """The elements or slices at these indices."""
    return np.take(x, indices, axis)


@op("Matmul", tensors=2)
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product over the last two axes."""
    # np.einsum without `optimize` stays out of BLAS, whose threads fight with the kernels' (see `functional.linear`).
    x1, x2 = np.asarray(x1), np.asarray(x2)
    first, second = ("j" if x1.ndim == 1 else "...ij"), ("j" if x2.ndim == 1 else "...jk")
    kept = ("i" if x1.ndim > 1 else "") + ("k" if x2.ndim > 1 else "")
    return np.einsum(f"{first},{second}->...{kept}", x1, x2, optimize=False)
