"""Initializers without chance: the base, constants, the identity, given numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.described import Described
from numba_rnn.ops.dtypes import standardize_dtype

__all__ = ["Constant", "Identity", "Initializer", "Numbers", "Ones", "Zeros"]


class Initializer(Described):
    """Called with a shape and a dtype, it returns an array.

    The random ones give the same numbers at every call with the same shape, also where no `seed` was given and one was drawn
    when they were made; only a `SeedGenerator` as seed makes the calls differ.
    """

    keras_module: ClassVar[str] = "keras.initializers"

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The numbers."""
        raise NotImplementedError

    def clone(self) -> Initializer:
        """Another one with the same options; without a seed in them it gives other numbers."""
        made: Initializer = type(self).from_config(self.get_config())
        return made


class Zeros(Initializer):
    """All zero."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Zeros."""
        return np.zeros(shape, standardize_dtype(dtype))


class Ones(Initializer):
    """All one."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Ones."""
        return np.ones(shape, standardize_dtype(dtype))


class Constant(Initializer):
    """All the same `value`, or an array that broadcasts to the shape."""

    config_keys = ("value",)

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """`value` everywhere."""
        return np.array(np.broadcast_to(np.asarray(self.value, standardize_dtype(dtype)), shape))


class Identity(Initializer):
    """`gain` on the diagonal of a square matrix."""

    config_keys = ("gain",)

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The matrix."""
        if len(shape) != 2:
            raise ValueError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape={shape} of rank {len(shape)}."
            )
        return (self.gain * np.eye(*shape)).astype(standardize_dtype(dtype))


class Numbers(Constant):
    """The numbers themselves; a file has them as a constant."""

    keras_class_name = "Constant"

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """A copy."""
        if tuple(shape) != np.shape(self.value):
            raise ValueError(
                f"Expected `shape` to be {np.shape(self.value)} for direct tensor as initializer. Received shape={shape}"
            )
        return np.array(self.value, standardize_dtype(dtype))
