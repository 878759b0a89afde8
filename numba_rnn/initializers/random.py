"""Initializers that draw their numbers. Same distributions, other random streams than Keras'."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn import random
from numba_rnn._typing import Array
from numba_rnn.described import describe
from numba_rnn.initializers.plain import Initializer
from numba_rnn.ops.dtypes import standardize_dtype
from numba_rnn.random import SeedGenerator

__all__ = [
    "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal", "RandomNormal",
    "RandomUniform", "TruncatedNormal", "VarianceScaling",
]  # fmt: skip

# The standard deviation of a standard normal distribution cut at ±2.
TRUNCATED_STDDEV = 0.87962566103423978


class _Random(Initializer):
    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):
            seed = SeedGenerator.from_config(seed.get("config", {}))
        if seed is not None and not isinstance(seed, (int, np.integer, SeedGenerator)):
            raise ValueError(
                f"`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. Received: seed={seed}"
            )
        self._given = seed
        self.seed = random.make_default_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        given = describe(self._given) if isinstance(self._given, SeedGenerator) else self._given
        return {**super().get_config(), "seed": given}

    def generator(self) -> np.random.Generator:
        """From the seed."""
        return random.generator(self.seed)


class RandomNormal(_Random):
    """Normal with `mean` and `stddev`."""

    config_keys = ("seed", "mean", "stddev")

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Random numbers."""
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


class TruncatedNormal(RandomNormal):
    """Normal with `mean` and `stddev`, numbers beyond two standard deviations drawn again."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Random numbers."""
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(_Random):
    """Uniform between `minval` and `maxval`."""

    config_keys = ("seed", "minval", "maxval")

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Random numbers."""
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


class VarianceScaling(_Random):
    """Numbers of variance `scale` / n: n the inputs, the outputs, or their mean (`mode`).

    Source: K. He et al., 2015 (arXiv:1502.01852); X. Glorot and Y. Bengio, 2010.
    """

    config_keys: ClassVar[tuple[str, ...]] = ("seed", "scale", "mode", "distribution", "input_axes", "output_axes")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in {"fan_in", "fan_out", "fan_avg"}:
            raise ValueError(f"Invalid `mode` argument: {mode}. Please use one of 'fan_in', 'fan_out', 'fan_avg'")
        if distribution not in {"uniform", "truncated_normal", "untruncated_normal"}:
            raise ValueError(
                f"Invalid `distribution` argument: {distribution}. Please use one of 'uniform', 'truncated_normal', "
                "'untruncated_normal'"
            )
        if input_axes is not None or output_axes is not None:
            raise ValueError("`input_axes` and `output_axes` are not supported: leave them None.")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Random numbers."""
        fan_in, fan_out = _fans(tuple(shape))
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = float(np.sqrt(3 * variance))
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, float(np.sqrt(variance)), dtype, self.seed)
        return random.truncated_normal(shape, 0.0, float(np.sqrt(variance)) / TRUNCATED_STDDEV, dtype, self.seed)


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) < 2:
        return (1.0, 1.0) if not shape else (float(shape[0]), float(shape[0]))
    receptive = float(np.prod(shape[:-2]))
    return shape[-2] * receptive, shape[-1] * receptive


class _Scaled(VarianceScaling):
    """One of the named settings of `VarianceScaling`."""

    config_keys = ("seed", "input_axes", "output_axes")
    setting: ClassVar[tuple[float, str, str]]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(*self.setting, seed=seed, input_axes=input_axes, output_axes=output_axes)


class GlorotUniform(_Scaled):
    """Uniform, variance 2 / (fan_in + fan_out)."""

    setting = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal, variance 2 / (fan_in + fan_out)."""

    setting = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform, variance 2 / fan_in."""

    setting = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal, variance 2 / fan_in."""

    setting = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform, variance 1 / fan_in."""

    setting = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal, variance 1 / fan_in."""

    setting = (1.0, "fan_in", "truncated_normal")


class Orthogonal(_Random):
    """An orthogonal matrix times `gain`: the last axis against all the others. Source: A. Saxe et al., 2013 (arXiv:1312.6120)."""

    config_keys = ("seed", "gain")

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """A random matrix with orthonormal rows or columns, whichever are fewer."""
        if len(shape) < 2:
            raise ValueError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape={shape} of rank {len(shape)}."
            )
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        q, r = np.linalg.qr(self.generator().standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))  # without it the matrices would not be uniformly distributed
        return (self.gain * (q.T if rows < columns else q)).reshape(shape).astype(standardize_dtype(dtype))
