"""Operations that move elements: shapes, joins, parts, order."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.ops.base import CORE, op
from numba_rnn.ops.dtypes import common, convert
from numba_rnn.ops.reductions import sum
from numba_rnn.ops.tree import as_tuple

__all__ = [
    "append", "array", "broadcast_to", "concatenate", "diag", "diagonal", "expand_dims", "flip", "hstack", "meshgrid",
    "moveaxis", "pad", "ravel", "repeat", "reshape", "roll", "split", "squeeze", "stack", "swapaxes", "tile", "trace",
    "transpose", "tril", "triu", "unstack", "vstack",
]  # fmt: skip


@op("Reshape")
def reshape(x: Any, newshape: Any) -> Any:
    """The elements in order in another shape; one size may be -1."""
    return np.reshape(convert(x), as_tuple(newshape))


@op("Ravel")
def ravel(x: Any) -> Any:
    """The elements in order in one row."""
    return np.reshape(convert(x), -1)


@op("BroadcastTo")
def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated along its missing and single dimensions."""
    return np.broadcast_to(convert(x), as_tuple(shape))


@op("Transpose")
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order, reversed if None."""
    return np.transpose(convert(x), as_tuple(axes))


@op("Swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(convert(x), axis1, axis2)


@op("Moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Some axes moved elsewhere."""
    return np.moveaxis(convert(x), as_tuple(source), as_tuple(destination))


@op("Squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without dimensions of size 1."""
    return np.squeeze(convert(x), as_tuple(axis))


@op("ExpandDims")
def expand_dims(x: Any, axis: Any) -> Any:
    """With a new dimension of size 1."""
    return np.expand_dims(convert(x), as_tuple(axis))


@op("Concatenate")
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis."""
    return np.concatenate(common(*xs), axis)


@op("Append", tensors=2)
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """x1, then x2, along an axis; in one row without one."""
    x1, x2 = common(x1, x2)
    return np.append(x1, x2, axis)


@op("Stack")
def stack(x: Any, axis: int = 0) -> Any:
    """Arrays joined along a new axis."""
    return np.stack(common(*x), axis)


@op("Hstack")
def hstack(xs: Any) -> Any:
    """Arrays joined along their second axis, rows end to end."""
    return np.hstack(common(*xs))


@op("Vstack")
def vstack(xs: Any) -> Any:
    """Arrays joined along their first axis, rows under one another."""
    return np.vstack(common(*xs))


@op("Unstack", CORE)
def unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    """A list of the slices along an axis; `num`, how many there are, need not be given."""
    return list(np.moveaxis(convert(x), axis, 0))


@op("Split")
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """A list of the parts of x: so many equal ones, or cut at these indices."""
    return np.split(convert(x), indices_or_sections, axis)


@op("Flip")
def flip(x: Any, axis: Any = None) -> Any:
    """The order along an axis reversed."""
    return np.flip(convert(x), as_tuple(axis))


@op("Roll")
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved along an axis, round the end."""
    return np.roll(convert(x), as_tuple(shift), as_tuple(axis))


@op("Repeat")
def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element several times."""
    return np.repeat(convert(x), repeats, axis)


@op("Tile")
def tile(x: Any, repeats: Any) -> Any:
    """The whole array several times."""
    return np.tile(convert(x), repeats)


@op("Pad", tensors=2)
def _pad(x: Any, constant_values: Any = None, *, pad_width: Any, mode: str = "constant") -> Any:
    if constant_values is not None and mode != "constant":
        raise ValueError(
            f"Argument `constant_values` can only be provided when `mode == 'constant'`. Received: mode={mode}"
        )
    x = convert(x)
    width = [(w, w) for w in [pad_width] * x.ndim] if isinstance(pad_width, int) else pad_width
    if len(width) == 1:
        width = list(width) * x.ndim
    if mode == "constant":
        return np.pad(x, width, constant_values=0 if constant_values is None else constant_values)
    return np.pad(x, width, mode)  # type: ignore[call-overload]


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """x with more around it: per axis how much before and after, `mode` as NumPy's.

    Raises:
        ValueError: `constant_values` in another mode than `"constant"`.
    """
    return _pad(x, constant_values, pad_width=pad_width, mode=mode)


@op("Meshgrid")
def meshgrid(*x: Any, indexing: Any = "xy") -> Any:
    """A list of the coordinates, an array an axis, of the grid that these rows span."""
    return list(np.meshgrid(*(convert(v) for v in x), indexing=indexing))


@op("Tril")
def tril(x: Any, k: int = 0) -> Any:
    """x below the k-th diagonal and on it, 0 above."""
    return np.tril(convert(x), k)


@op("Triu")
def triu(x: Any, k: int = 0) -> Any:
    """x above the k-th diagonal and on it, 0 below."""
    return np.triu(convert(x), k)


@op("Diag")
def diag(x: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix; the matrix with this row on its k-th diagonal."""
    return np.diag(convert(x), k)


@op("Diagonal")
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals between two axes."""
    return np.diagonal(convert(x), offset, axis1, axis2)


@op("Trace")
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sums of `diagonal`."""
    return sum(np.diagonal(convert(x), offset, axis1, axis2), -1)


@op("Array")
def array(x: Any, dtype: Any = None) -> Any:
    """x as an array."""
    return convert(x, dtype)
