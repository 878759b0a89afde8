"""Layers that make one array of several."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from numba_rnn import ops
from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.masks import get_mask, without_mask
from numba_rnn.layers.registry import register

__all__ = [
    "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract", "add", "average", "concatenate", "maximum",
    "minimum", "multiply", "subtract",
]  # fmt: skip


class _Merge(Layer):
    """Called with a list of arrays, whose shapes broadcast; those of lower rank get axes after the batch.

    Raises:
        ValueError: no list.
        ShapeError: shapes that do not go together.
    """

    supports_masking = True
    sees_masks = True

    def check_input(self, inputs: Any) -> None:
        """A list of shapes that go together."""
        if not isinstance(inputs, (list, tuple)) or any(x is None for x in inputs):
            received = type(inputs).__name__ + (" with None in it" if isinstance(inputs, (list, tuple)) else "")
            raise ValueError(
                f"A merge layer should be called on a list of inputs, each an array. Received: {received}."
            )
        if not inputs:
            raise ValueError("A merge layer should be called on a list of at least 1 input. Received 0 inputs.")
        self.check_shapes([tuple(x.shape) for x in inputs])

    def check_shapes(self, shapes: list[tuple[Any, ...]]) -> None:
        """Raise `ShapeError` where sizes differ and neither is 1."""
        if len({s[0] for s in shapes if s and s[0] is not None}) > 1:
            raise ShapeError(f"Cannot merge tensors with different batch sizes. Received tensors with shapes {shapes}")
        depth = max(len(s) for s in shapes)
        for axis in range(1, depth):
            sizes = {s[-axis] for s in shapes if len(s) - 1 >= axis} - {None, 1}
            if len(sizes) > 1:
                raise ShapeError(f"Inputs have incompatible shapes. Received shapes {shapes}")

    def call(self, inputs: Any) -> Array:
        """The merged array."""
        depth = max(x.ndim for x in inputs)
        arrays = [
            x if x.ndim == depth else np.reshape(x, (x.shape[0], *(1,) * (depth - x.ndim), *x.shape[1:]))
            for x in inputs
        ]
        masks = [get_mask(x) for x in arrays]
        return self.merge([without_mask(x) for x in arrays], masks)

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The merged array of arrays of one rank."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where one input's is, if all have one."""
        if not isinstance(mask, (list, tuple)) or any(m is None for m in mask):
            return None
        return reduce(ops.logical_or, mask)


@register
class Add(_Merge):
    """The sum. Masked steps count like others."""

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The sum."""
        return reduce(np.add, inputs)


@register
class Subtract(_Merge):
    """The first of two inputs less the second."""

    def check_input(self, inputs: Any) -> None:
        """Two of them."""
        super().check_input(inputs)
        if len(inputs) != 2:
            raise ValueError(f"A `Subtract` layer should be called on exactly 2 inputs. Received: {len(inputs)}.")

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The difference."""
        y: Array = inputs[0] - inputs[1]
        return y


@register
class Average(_Merge):
    """The mean. Masked steps count like others."""

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The mean."""
        y: Array = reduce(np.add, inputs) / len(inputs)
        return y


@register
class Multiply(_Merge):
    """The product; a masked step counts as 1, and as 0 in the result where it is masked in every input."""

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The product."""
        wide = [_wide(m, x) for m, x in zip(masks, inputs, strict=True)]
        kept = [x if m is None else np.where(m, x, np.ones((), x.dtype)) for m, x in zip(wide, inputs, strict=True)]
        y = reduce(np.multiply, kept)
        valid = [m for m in wide if m is not None]
        return np.where(reduce(np.logical_or, valid), y, np.zeros((), y.dtype)) if len(valid) == len(inputs) else y


def _wide(mask: Any, x: Array) -> Any:
    return None if mask is None else np.broadcast_to(np.asarray(mask)[..., None], x.shape)


class _Extreme(_Merge):
    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The extreme of the steps that count."""
        wide = [_wide(m, x) for m, x in zip(masks, inputs, strict=True)]
        y, mask = inputs[0], wide[0]
        for x, m in zip(inputs[1:], wide[1:], strict=True):
            other = x if m is None else np.where(m, x, y)
            y = self.extreme(y if mask is None else np.where(mask, y, other), other)
            mask = None if m is None or mask is None else mask | m
        return y

    def extreme(self, a: Array, b: Array) -> Array:
        """Of two."""
        raise NotImplementedError


@register
class Maximum(_Extreme):
    """The larger of each pair; where one is masked, the other."""

    def extreme(self, a: Array, b: Array) -> Array:
        """The larger."""
        return np.maximum(a, b)


@register
class Minimum(_Extreme):
    """The smaller of each pair; where one is masked, the other."""

    def extreme(self, a: Array, b: Array) -> Array:
        """The smaller."""
        return np.minimum(a, b)


@register
class Concatenate(_Merge):
    """The inputs joined along `axis`. Arguments as Keras'."""

    config_keys = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise ValueError(f"`axis` must be a whole number. Received: axis={axis!r}.")
        self.axis = axis

    def check_shapes(self, shapes: list[tuple[Any, ...]]) -> None:
        """Sizes may differ along `axis` alone."""
        rank = len(shapes[0])
        fits = all(len(s) == rank for s in shapes) and -rank <= self.axis < rank
        for axis in range(rank if fits else 0):
            if axis != self.axis % rank and len({s[axis] for s in shapes} - {None}) > 1:
                fits = False
        if not fits:
            raise ShapeError(
                "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. Received: "
                f"input_shape={shapes}, axis={self.axis}"
            )

    def merge(self, inputs: list[Array], masks: list[Any]) -> Array:
        """The joined array."""
        return np.concatenate(inputs, self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks joined like the inputs; true where any feature counts. An input without one counts everywhere."""
        if not isinstance(mask, (list, tuple)) or all(m is None for m in mask):
            return None
        wide = []
        for x, m in zip(inputs, mask, strict=True):
            if m is None:
                wide.append(ops.ones_like(x, dtype="bool"))
            elif m.ndim < x.ndim:
                wide.append(ops.logical_or(ops.expand_dims(m, axis=-1), ops.zeros_like(x, dtype="bool")))
            else:
                wide.append(m)
        return ops.any(ops.concatenate(wide, axis=self.axis), axis=-1, keepdims=False)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def add(inputs: Any, **kwargs: Any) -> Any:
    """`Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """`Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """`Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """`Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """`Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """`Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)
