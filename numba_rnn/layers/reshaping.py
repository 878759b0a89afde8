"""Layers that move elements: Flatten, Permute, RepeatVector, Reshape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import AT_LEAST_ONE, InputSpec, check_spec
from numba_rnn.layers.pooling import channels
from numba_rnn.layers.registry import register

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


@register
class Flatten(Layer):
    """x (B, ...) to (B, n). Arguments as Keras'."""

    config_keys = ("data_format",)
    _input_spec = InputSpec(min_ndim=1)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels(data_format)

    def call(self, inputs: Any) -> Array:
        """Two dimensions."""
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = np.moveaxis(inputs, 1, -1)
        return np.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))


def _whole_numbers(name: str, sizes: Any) -> tuple[int, ...]:
    """A tuple of whole numbers.

    Raises:
        ValueError: something else.
    """
    if not isinstance(sizes, (list, tuple)) or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes
    ):
        raise ValueError(f"`{name}` must be a tuple of whole numbers. Received: {name}={sizes!r}.")
    return tuple(int(n) for n in sizes)


@register
class Reshape(Layer):
    """x (B, ...) to (B, *target_shape), in which one size may be -1. Arguments as Keras'.

    Raises:
        ShapeError: the sizes do not multiply to the same number.
    """

    config_keys = ("target_shape",)
    built_at_init = True

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = _whole_numbers("target_shape", target_shape)

    def check_input(self, inputs: Any) -> None:
        """There is a batch axis."""
        check_spec(AT_LEAST_ONE, inputs, self.name)

    def call(self, inputs: Any) -> Array:
        """The other shape."""
        try:
            y: Array = np.reshape(inputs, (inputs.shape[0], *self.target_shape))
        except ValueError:
            raise ShapeError(
                f"Layer '{self.name}': the total size of the tensor must be unchanged. Received: input_shape={inputs.shape}, "
                f"target_shape={self.target_shape}"
            ) from None
        return y


@register
class Permute(Layer):
    """The axes after the batch in another order, counted from 1. Arguments as Keras'.

    Raises:
        ValueError: `dims` is no permutation.
    """

    config_keys = ("dims",)

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = _whole_numbers("dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Invalid permutation argument `dims` for Permute Layer. Received: dims={dims}")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Array:
        """The other order."""
        return np.transpose(inputs, (0, *self.dims))


@register
class RepeatVector(Layer):
    """x (B, D) to (B, n, D). Arguments as Keras'."""

    config_keys = ("n",)
    _input_spec = InputSpec(ndim=2)

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        self.n = n

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(B, n, D)."""
        batch, size = input_shape
        return batch, max(self.n, 0), size

    def call(self, inputs: Any) -> Array:
        """n steps, all the same."""
        return np.repeat(inputs[:, None], self.n, 1)
