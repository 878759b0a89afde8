"""ONNX's operators that move numbers and ask for shapes, computing nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx.graph import Node
from numba_rnn.loaders.onnx.registry import Floats, Function, Ints, Known, copies, operator, product

__all__ = ["axes_of"]


def axes_of(node: Node, name: str, first_as_input: int, given: Ints | None) -> bool:
    """Whether an argument that was an attribute at first is an input in this file's opset.

    Raises:
        ModelFileError: it is an attribute all the same.
    """
    as_input = node.opset >= first_as_input
    if as_input and given is not None:
        raise ModelFileError(f"The {node} has {name!r} as an attribute, which opset {node.opset} knows as an input.")
    return as_input


def _numbers(array: Any) -> Any:
    return None if array is None else tuple(np.asarray(array).ravel().tolist())


@operator("Constant", growth=copies)
def constant(
    node: Node, known: Known, *, value: Array | None = None, value_float: float | None = None,
    value_floats: Floats | None = None, value_int: int | None = None, value_ints: Ints | None = None,
) -> Function:  # fmt: skip
    """Numbers in the file."""
    given = [
        value,
        None if value_float is None else np.asarray(value_float, np.float32),
        None if value_floats is None else np.asarray(value_floats, np.float32),
        None if value_int is None else np.asarray(value_int, np.int64),
        None if value_ints is None else np.asarray(value_ints, np.int64),
    ]
    found = [array for array in given if array is not None]
    if len(found) != 1:
        raise ModelFileError(f"The {node} needs one value. Received: {len(found)}.")
    return lambda: found[0]


@operator("ConstantOfShape")
def constant_of_shape(node: Node, known: Known, *, value: Array | None = None) -> Function:
    """One number everywhere."""
    fill = np.zeros(1, np.float32) if value is None else value.ravel()
    if fill.size != 1:
        raise ModelFileError(f"The {node} fills with one number. Received: {fill.size}.")
    return lambda shape: np.full(_numbers(shape), fill[0], fill.dtype)


@operator("Shape", growth=lambda arrays: 512)
def shape(node: Node, known: Known, *, start: int = 0, end: int | None = None) -> Function:
    """The shape, or a part of it."""
    return lambda x: np.array(x.shape[start:end], np.int64)


@operator("Size", growth=lambda arrays: 8)
def size(node: Node, known: Known) -> Function:
    """How many numbers there are."""
    return lambda x: np.array(x.size, np.int64)


@operator("Reshape", growth=copies)
def reshape(node: Node, known: Known, *, allowzero: int = 0) -> Function:
    """Another shape: 0 stands for the size that was there, unless `allowzero`."""

    def run(x: Array, shape: Array) -> Array:
        sizes = [x.shape[k] if n == 0 and not allowzero else n for k, n in enumerate(_numbers(shape))]
        return x.reshape(sizes)

    return run


@operator("Flatten", growth=copies)
def flatten(node: Node, known: Known, *, axis: int = 1) -> Function:
    """Two axes: those before `axis` and the others."""

    def run(x: Array) -> Array:
        before = int(np.prod(x.shape[: axis + x.ndim if axis < 0 else axis]))
        return x.reshape(before, x.size // before if before else 0)

    return run


@operator("Squeeze", growth=copies)
def squeeze(node: Node, known: Known, *, axes: Ints | None = None) -> Function:
    """Without axes of size 1."""
    if not axes_of(node, "axes", 13, axes):
        return lambda x: np.squeeze(x, axes)
    return lambda x, axes=None: np.squeeze(x, _numbers(axes))


@operator("Unsqueeze", growth=copies)
def unsqueeze(node: Node, known: Known, *, axes: Ints | None = None) -> Function:
    """With further axes of size 1."""
    if axes_of(node, "axes", 13, axes):
        return lambda x, axes: np.expand_dims(x, _numbers(axes))
    if axes is None:
        raise ModelFileError(f"The {node} needs the attribute 'axes'.")
    return lambda x: np.expand_dims(x, axes)


@operator("Transpose", growth=copies)
def transpose(node: Node, known: Known, *, perm: Ints | None = None) -> Function:
    """The axes in another order, reversed by default."""
    return lambda x: np.transpose(x, perm)


@operator("Concat", growth=copies)
def concat(node: Node, known: Known, *, axis: int) -> Function:
    """One behind another."""
    return lambda *arrays: np.concatenate(arrays, axis)


@operator("Split", outputs=None, growth=copies)
def split(
    node: Node, known: Known, *, axis: int = 0, split: Ints | None = None, num_outputs: int | None = None
) -> Function:  # fmt: skip
    """Parts of given sizes, or as even as can be, the last one smaller."""
    count = len(node.outputs)
    if num_outputs not in {None, count}:
        raise ModelFileError(f"The {node} makes {num_outputs} parts but has {count} outputs.")

    def run(x: Array, sizes: Any) -> tuple[Array, ...]:
        n = x.shape[axis]
        sizes = [min(-(-n // count), max(n - k * -(-n // count), 0)) for k in range(count)] if sizes is None else sizes
        if sum(sizes) != n or len(sizes) != count or min(sizes) < 0:
            raise ValueError(f"axis {axis} of size {n} cannot be split into {count} parts of sizes {tuple(sizes)}.")
        return tuple(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))

    if axes_of(node, "split", 13, split):
        return lambda x, sizes=None: run(x, _numbers(sizes))
    return lambda x: run(x, split)


@operator("Slice", growth=copies)
def slice_(
    node: Node, known: Known, *, starts: Ints | None = None, ends: Ints | None = None, axes: Ints | None = None
) -> Function:  # fmt: skip
    """A part along some axes, as Python slices."""

    def run(x: Array, starts: Any, ends: Any, axes: Any, steps: Any) -> Array:
        index = [slice(None)] * x.ndim
        axes = range(len(starts)) if axes is None else axes
        for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
            index[axis] = slice(start, end, step)
        return x[tuple(index)]

    if axes_of(node, "starts", 10, starts):
        return lambda x, starts, ends, axes=None, steps=None: run(
            x, _numbers(starts), _numbers(ends), _numbers(axes), _numbers(steps)
        )
    if starts is None or ends is None:
        raise ModelFileError(f"The {node} needs the attributes 'starts' and 'ends'.")
    return lambda x: run(x, starts, ends, axes, None)


@operator("Gather", growth=product)
def gather(node: Node, known: Known, *, axis: int = 0) -> Function:
    """Entries along an axis by their places; embeddings."""
    return lambda x, indices: np.take(x, indices, axis)


@operator("GatherElements")
def gather_elements(node: Node, known: Known, *, axis: int = 0) -> Function:
    """A number for each index, along an axis."""
    return lambda x, indices: np.take_along_axis(x, np.where(indices < 0, indices + x.shape[axis], indices), axis)


@operator("GatherND")
def gather_nd(node: Node, known: Known, *, batch_dims: int = 0) -> Function:
    """Parts by their places on the first axes."""
    if batch_dims:
        raise ModelFileError(f"The {node} has batch_dims={batch_dims}. Expected: 0.")
    return lambda x, indices: x[tuple(np.moveaxis(indices, -1, 0))]


@operator("Expand")
def expand(node: Node, known: Known) -> Function:
    """Repeated as broadcasting does."""
    return lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, _numbers(shape)))


@operator("Tile")
def tile(node: Node, known: Known) -> Function:
    """Repeated so many times along each axis."""
    return lambda x, repeats: np.tile(x, _numbers(repeats))


@operator("Range")
def range_(node: Node, known: Known) -> Function:
    """From the first number up to the second, by steps of the third."""
    return lambda start, limit, delta: np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@operator("OneHot")
def one_hot(node: Node, known: Known, *, axis: int = -1) -> Function:
    """Two values along a new axis: the second where the index is, the first elsewhere."""

    def run(indices: Array, depth: Array, values: Array) -> Array:
        n = int(np.ravel(depth)[0])
        places = np.where(indices < 0, indices + n, indices)
        return np.moveaxis(np.where(places[..., None] == np.arange(n), values[1], values[0]), -1, axis)

    return run


@operator("ReverseSequence")
def reverse_sequence(node: Node, known: Known, *, batch_axis: int = 1, time_axis: int = 0) -> Function:
    """The first so many steps of each row turned round."""

    def run(x: Array, lengths: Array) -> Array:
        y = np.moveaxis(x, (batch_axis, time_axis), (0, 1))  # (B, T, ...)
        steps = np.arange(y.shape[1])
        places = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)  # (B, T)
        return np.moveaxis(y[np.arange(len(y))[:, None], places], (0, 1), (batch_axis, time_axis))

    return run


@operator("Pad")
def pad(
    node: Node, known: Known, *, mode: str = "constant", pads: Ints | None = None, value: float = 0.0
) -> Function:  # fmt: skip
    """More numbers at the ends of each axis: a constant, the last one, or those beside it mirrored."""
    if mode not in {"constant", "edge", "reflect", "wrap"}:
        raise ModelFileError(f"The {node} pads by {mode!r}. Expected: constant, edge, reflect or wrap.")

    def run(x: Array, pads: Any, value: Any, axes: Any) -> Array:
        axes, widths = range(x.ndim) if axes is None else axes, [(0, 0)] * x.ndim
        for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
            widths[axis] = (before, after)
        x = x[tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))]
        kept = [(max(before, 0), max(after, 0)) for before, after in widths]
        options: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
        return np.pad(x, kept, mode, **options)  # type: ignore[call-overload]  # one of four names

    if axes_of(node, "pads", 11, pads):
        return lambda x, pads, value=None, axes=None: run(
            x, _numbers(pads), 0 if value is None else value.ravel()[0], _numbers(axes)
        )
    if pads is None:
        raise ModelFileError(f"The {node} needs the attribute 'pads'.")
    return lambda x: run(x, pads, value, None)
