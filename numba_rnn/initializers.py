"""Keras' initializers: how a new weight's first numbers are made. Same distributions, other random streams than Keras'."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn import random
from numba_rnn._typing import Array
from numba_rnn.ops.dtypes import standardize_dtype
from numba_rnn.ops.naming import snake_case
from numba_rnn.random import SeedGenerator

__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "Initializer", "LecunNormal",
    "LecunUniform", "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "Stored", "TruncatedNormal", "VarianceScaling",
    "Zeros", "constant", "deserialize", "get", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform", "serialize", "truncated_normal",
    "variance_scaling", "zeros",
]  # fmt: skip

# The standard deviation of a standard normal distribution cut at ±2.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Called with a shape and a dtype, it returns an array.

    The random ones give the same numbers at every call with the same shape, also where no `seed` was given and one was drawn
    when they were made; only a `SeedGenerator` as seed makes the calls differ.
    """

    keras_module: ClassVar[str] = "keras.initializers"
    config_keys: ClassVar[tuple[str, ...]] = ()

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The numbers."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {key: getattr(self, key) for key in self.config_keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """The initializer that `get_config` describes."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Another one with the same options; without a seed in them it gives other numbers."""
        return type(self).from_config(self.get_config())


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
        given = serialize(self._given) if isinstance(self._given, SeedGenerator) else self._given
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


class _Array(Constant):
    """The numbers themselves; a file has them as a constant."""

    keras_class_name = "Constant"

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """A copy."""
        if tuple(shape) != np.shape(self.value):
            raise ValueError(
                f"Expected `shape` to be {np.shape(self.value)} for direct tensor as initializer. Received shape={shape}"
            )
        return np.array(self.value, standardize_dtype(dtype))


class Stored(Initializer):
    """An initializer that this library does not have, as a file describes it: of use to a weight that is given its numbers."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """There are no numbers.

        Raises:
            ValueError: always.
        """
        raise ValueError(_unreadable(self.description))


constant, identity, ones, orthogonal, zeros = Constant, Identity, Ones, Orthogonal, Zeros
glorot_normal, glorot_uniform, he_normal, he_uniform = GlorotNormal, GlorotUniform, HeNormal, HeUniform
lecun_normal, lecun_uniform, random_normal, random_uniform = LecunNormal, LecunUniform, RandomNormal, RandomUniform
truncated_normal, variance_scaling = TruncatedNormal, VarianceScaling

_CLASSES: tuple[type[Initializer], ...] = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform, Ones, Orthogonal,
    RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
)  # fmt: skip
_NAMED: dict[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{snake_case(cls.__name__): cls for cls in _CLASSES},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "one": Ones,
    "uniform": RandomUniform,
    "zero": Zeros,
}


def _named(name: Any) -> type[Initializer] | None:
    return _NAMED.get(name) if isinstance(name, str) else None


def _unreadable(identifier: Any) -> str:
    return f"Could not interpret initializer identifier: {identifier}. Known names: {', '.join(sorted(_NAMED))}."


def get(identifier: Any) -> Any:
    """Keras' `initializers.get`: from a name, a class, an object, a config, an array, a callable of shape and dtype.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(identifier, dict) and "class_name" in identifier:
        return deserialize(identifier)
    if isinstance(identifier, str):
        cls = _named(identifier)
        if cls is not None:
            return cls()
    elif isinstance(identifier, type):
        return identifier()
    elif isinstance(identifier, (np.ndarray, np.generic)):
        return _Array(identifier)
    elif identifier is None or callable(identifier):
        return identifier
    raise ValueError(_unreadable(identifier))


def serialize(initializer: Any) -> dict[str, Any]:
    """Keras' JSON for an initializer."""
    if isinstance(initializer, Stored):
        return initializer.description
    return {
        "module": initializer.keras_module,
        "class_name": getattr(initializer, "keras_class_name", type(initializer).__name__),
        "config": initializer.get_config(),
        "registered_name": None,
    }


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that Keras' JSON describes; a `Stored` where it is none of this library's, or has other options.

    Raises:
        ValueError: a name, alone, that no initializer has.
    """
    if not isinstance(config, dict):
        return get(config)
    name, options = config.get("class_name"), config.get("config") or {}
    cls = (custom_objects or {}).get(str(name)) or _named(name)
    try:
        return Stored(config) if cls is None else cls.from_config(options)
    except TypeError:  # written by another version
        return Stored(config)
