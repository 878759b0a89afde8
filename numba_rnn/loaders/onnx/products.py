"""ONNX's operators that add up: matrix products, reductions, softmax, normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import FLOATS, Array
from numba_rnn.errors import ModelFileError
from numba_rnn.functional import Linear
from numba_rnn.loaders.onnx.graph import Node
from numba_rnn.loaders.onnx.registry import Function, Ints, Known, operator, product
from numba_rnn.loaders.onnx.shaping import axes_of
from numba_rnn.ops import activations

__all__ = ["REDUCTIONS"]


@operator("MatMul", growth=product)
def matmul(node: Node, known: Known) -> Function:
    """The product of matrices; by the library's own tile where the right one is the file's."""
    kernel = known[1] if len(known) == 2 else None
    if known[0] is None and kernel is not None and kernel.ndim == 2 and kernel.dtype in FLOATS:
        linear = Linear(kernel)
        return lambda x, kernel: linear(x)
    return lambda a, b: np.matmul(a, b)  # noqa: PLW0108 (arguments that can be counted)


@operator("Gemm", growth=product)
def gemm(
    node: Node, known: Known, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Function:  # fmt: skip
    """alpha A B + beta C, A and B transposed where asked for."""
    a, b, c = (*known, None, None, None)[:3]
    has_c = len(node.inputs) > 2 and bool(node.inputs[2])
    if a is None and b is not None and b.ndim == 2 and b.dtype in FLOATS and (c is not None or not has_c):
        kernel = b.dtype.type(alpha) * (b.T if transB else b)
        bias = None
        if c is not None and c.size in {1, kernel.shape[1]} and c.shape[:-1] in {(), (1,)}:
            bias = np.broadcast_to(b.dtype.type(beta) * c.ravel(), kernel.shape[1:])
        if c is None or bias is not None:
            linear = Linear(kernel, bias)
            return lambda a, b, c=None: linear(a.T if transA else a)

    def run(a: Array, b: Array, c: Array | None = None) -> Any:
        y = a.dtype.type(alpha) * ((a.T if transA else a) @ (b.T if transB else b))
        return y if c is None else y + a.dtype.type(beta) * c

    return run


@operator("Softmax", "LogSoftmax")
def softmax(node: Node, known: Known, *, axis: int | None = None) -> Function:
    """e^x over its sum along an axis, or the logarithm of that; up to opset 12 along all axes from `axis` on."""
    f: Callable[..., Array] = getattr(activations, "softmax" if node.operator == "Softmax" else "log_softmax")
    if node.opset >= 13:
        along = -1 if axis is None else axis
        return lambda x: f(x, axis=along)
    first = 1 if axis is None else axis
    return lambda x: f(x, axis=tuple(range(first + x.ndim if first < 0 else first, x.ndim)))


def _lowest(dtype: np.dtype[Any], sign: int = -1) -> Any:
    """What the largest of no numbers is; with sign 1 the smallest."""
    if dtype.kind == "f":
        return sign * np.inf
    if dtype.kind == "b":
        return sign > 0
    return np.iinfo(dtype).min if sign < 0 else np.iinfo(dtype).max


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL1": lambda x, **k: np.sum(np.abs(x), dtype=x.dtype, **k),
    "ReduceL2": lambda x, **k: np.sqrt(np.sum(x * x, dtype=x.dtype, **k)),
    "ReduceLogSum": lambda x, **k: np.log(np.sum(x, dtype=x.dtype, **k)),
    "ReduceMax": lambda x, **k: np.max(x, initial=_lowest(x.dtype), **k),
    "ReduceMean": lambda x, **k: np.mean(x, **k).astype(x.dtype),
    "ReduceMin": lambda x, **k: np.min(x, initial=_lowest(x.dtype, 1), **k),
    "ReduceProd": lambda x, **k: np.prod(x, dtype=x.dtype, **k),
    "ReduceSum": lambda x, **k: np.sum(x, dtype=x.dtype, **k),
    "ReduceSumSquare": lambda x, **k: np.sum(x * x, dtype=x.dtype, **k),
}


@operator(*REDUCTIONS)
def reduce(
    node: Node, known: Known, *, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Function:  # fmt: skip
    """One number of many, along some axes or all: the axes are an attribute at first, an input later."""
    f = REDUCTIONS[node.operator]

    def run(x: Array, axes: Any) -> Any:
        if not axes:
            if noop_with_empty_axes:
                return f(x[None], axis=0, keepdims=False)
            axes = None
        return f(x, axis=axes, keepdims=bool(keepdims))

    if axes_of(node, "axes", 13 if node.operator == "ReduceSum" else 18, axes):
        return lambda x, axes=None: run(x, None if axes is None else tuple(axes.ravel().tolist()))
    return lambda x: run(x, axes)


@operator("ArgMax", "ArgMin")
def argmax(node: Node, known: Known, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Function:
    """The place of the largest or smallest number along an axis."""
    f: Callable[..., Any] = np.argmax if node.operator == "ArgMax" else np.argmin

    def run(x: Array) -> Any:
        if not select_last_index:
            return f(x, axis=axis, keepdims=bool(keepdims))
        return x.shape[axis] - 1 - f(np.flip(x, axis), axis=axis, keepdims=bool(keepdims))

    return run


@operator("CumSum")
def cumsum(node: Node, known: Known, *, exclusive: int = 0, reverse: int = 0) -> Function:
    """Sums of all up to each, itself counted unless `exclusive`."""

    def run(x: Array, axis: Array) -> Any:
        along = int(np.ravel(axis)[0])
        y = np.flip(x, along) if reverse else x
        y = np.cumsum(y, along, x.dtype) - (y if exclusive else 0)
        return np.flip(y, along) if reverse else y

    return run


@operator("LayerNormalization", outputs=3)
def layer_normalization(
    node: Node, known: Known, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Function:  # fmt: skip
    """Mean 0 and variance 1 over all axes from `axis` on, then scaled and shifted; the mean; 1 / standard deviation."""

    def run(x: Array, scale: Array, bias: Array | None = None) -> Any:
        axes = tuple(range(axis + x.ndim if axis < 0 else axis, x.ndim))
        mean = np.mean(x, axes, keepdims=True)
        centred = x - mean
        inverse = 1 / np.sqrt(np.mean(centred * centred, axes, keepdims=True) + x.dtype.type(epsilon))
        y = centred * inverse * scale
        return y if bias is None else y + bias, mean, inverse

    return run


@operator("BatchNormalization")
def batch_normalization(
    node: Node, known: Known, *, epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0, spatial: int = 1
) -> Function:  # fmt: skip
    """Scaled and shifted by the statistics in the file, along axis 1."""
    if training_mode or not spatial:
        raise ModelFileError(
            f"The {node} is one for training, or without `spatial`: export the model in evaluation mode."
        )

    def run(x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Any:
        factor = scale / np.sqrt(variance + variance.dtype.type(epsilon))  # (C,)
        shape = (-1,) + (1,) * (x.ndim - 2)
        return (x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)).astype(x.dtype, copy=False)

    return run


@operator("ReduceLogSumExp")
def log_sum_exp(
    node: Node, known: Known, *, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Function:  # fmt: skip
    """ln of the sum of e^x; shifted by the largest, which leaves no overflow."""

    def run(x: Array, axes: Any) -> Any:
        if not axes and noop_with_empty_axes:
            return x
        axes = axes or None
        top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, x.dtype.type(0))
        y = np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True)) + top
        return y if keepdims else np.squeeze(y, axes)

    if axes_of(node, "axes", 18, axes):
        return lambda x, axes=None: run(x, None if axes is None else tuple(axes.ravel().tolist()))
    return lambda x: run(x, axes)


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node, known: Known) -> Function:
    """The mean, or the largest, over all axes after the second."""
    f: Callable[..., Any] = np.mean if node.operator == "GlobalAveragePool" else np.max
    return lambda x: f(x, axis=tuple(range(2, x.ndim)), keepdims=True)
