"""Layers that drop values or add noise while training: at inference their result is their input."""

from __future__ import annotations

import math
from typing import Any

from numba_rnn import random
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.registry import register
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"]


class _Noisy(Layer):
    """Changes its input while training, as strongly as `strength` says, a number from 0 to 1 under that name."""

    supports_masking = True
    built_at_init = True
    strength = "rate"

    def __init__(self, amount: Any, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(amount, (int, float)) or not 0 <= amount <= 1:
            raise ValueError(
                f"Invalid value received for argument `{self.strength}`. Expected a float value between 0 and 1. "
                f"Received: {self.strength}={amount}"
            )
        setattr(self, self.strength, amount)
        self.seed = seed
        if amount > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The input; in training with noise drawn anew at each call."""
        return self.disturb(inputs) if training and getattr(self, self.strength) > 0 else inputs

    def disturb(self, inputs: Any) -> Any:
        """The input with noise."""
        raise NotImplementedError

    def _normal(self, shape: Any, mean: float, stddev: float) -> Any:
        return random.normal(shape, mean, stddev, self.compute_dtype, self.seed_generator)

    def compute_output_spec(self, inputs: Any) -> SymbolicTensor:
        """The input's."""
        return SymbolicTensor(inputs.shape, inputs.dtype)


@register
class Dropout(_Noisy):
    """Sets a share `rate` of the numbers to zero and divides the others by 1 - rate, in training. Arguments as Keras'.

    Where `noise_shape` has a 1, the same is dropped all along that axis.

    Raises:
        ValueError: `rate` is not between 0 and 1, or `noise_shape` is no tuple of sizes and None.
    """

    config_keys = ("rate", "seed", "noise_shape")
    rate: float

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = _sizes(noise_shape)

    def disturb(self, inputs: Any) -> Any:
        """The input less what is dropped."""
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)


def _sizes(noise_shape: Any) -> tuple[int | None, ...] | None:
    if noise_shape is None:
        return None
    sizes = tuple(noise_shape) if isinstance(noise_shape, (list, tuple)) else (0,)
    if not all(n is None or (isinstance(n, int) and n > 0) for n in sizes):
        raise ValueError(
            "Invalid value received for argument `noise_shape`. Expected a tuple or list of positive integers or None. "
            f"Received: noise_shape={noise_shape}"
        )
    return sizes


@register
class SpatialDropout1D(Dropout):
    """Drops whole features of sequences (B, T, D), in training. Arguments as Keras'."""

    config_extras = ("noise_shape",)
    _input_spec = InputSpec(ndim=3)

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        kwargs.pop("noise_shape", None)
        super().__init__(rate, (None, 1, None), seed, name=name, dtype=dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Keras' own short form: its class takes no more."""
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


@register
class GaussianDropout(_Noisy):
    """Multiplies by noise of mean 1 and variance rate / (1 - rate), in training. Arguments as Keras'."""

    config_keys = ("rate", "seed")
    rate: float

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)

    def disturb(self, inputs: Any) -> Any:
        """The input times noise."""
        return inputs * self._normal(inputs.shape, 1.0, math.sqrt(self.rate / (1 - self.rate)))


@register
class GaussianNoise(_Noisy):
    """Adds noise of mean 0 and standard deviation `stddev`, in training. Arguments as Keras'."""

    config_keys = ("stddev", "seed")
    strength = "stddev"
    stddev: float

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(stddev, seed, **kwargs)

    def disturb(self, inputs: Any) -> Any:
        """The input plus noise."""
        return inputs + self._normal(inputs.shape, 0.0, self.stddev)
