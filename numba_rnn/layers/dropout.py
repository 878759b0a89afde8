"""Layers that drop values while training: at inference their result is their input."""

from __future__ import annotations

from typing import Any

from numba_rnn.layers.base import Layer
from numba_rnn.layers.registry import register
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"]


class _Dropping(Layer):
    supports_masking = True
    strength = "rate"

    def call(self, inputs: Any) -> Any:
        """The input."""
        return inputs

    def compute_output_spec(self, inputs: Any) -> SymbolicTensor:
        """The input's."""
        return SymbolicTensor(inputs.shape, inputs.dtype)


class _Rated(_Dropping):
    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ValueError(
                f"Invalid value received for argument `rate`. Expected a float value between 0 and 1. Received: rate={rate}"
            )
        self.rate, self.seed = rate, seed


@register
class Dropout(_Rated):
    """Drops values. Arguments as Keras'.

    Raises:
        ValueError: `rate` is not between 0 and 1.
    """

    config_keys = ("rate", "seed", "noise_shape")

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = noise_shape


@register
class SpatialDropout1D(_Rated):
    """Drops whole features of sequences (B, T, D). Arguments as Keras'."""

    config_keys = ("rate", "seed")
    config_extras = ("noise_shape",)
    input_ndim = 3

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        kwargs.pop("noise_shape", None)
        super().__init__(rate, seed, name=name, dtype=dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Keras' own short form: its class takes no more."""
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


@register
class GaussianDropout(_Rated):
    """Multiplies by noise around one. Arguments as Keras'."""

    config_keys = ("rate", "seed")


@register
class GaussianNoise(_Dropping):
    """Adds noise around zero. Arguments as Keras'."""

    config_keys = ("stddev", "seed")
    strength = "stddev"

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev, self.seed = stddev, seed
