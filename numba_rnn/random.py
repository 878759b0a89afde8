"""Keras' random numbers, from NumPy's generators: the same distributions and seeding rules, other streams."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.dtypes import convert, is_float_dtype, is_int_dtype, standardize_dtype
from numba_rnn.ops.naming import unique_name

__all__ = [
    "SeedGenerator", "categorical", "dropout", "generator", "make_default_seed", "normal", "randint", "seed_everything",
    "shuffle", "truncated_normal", "uniform",
]  # fmt: skip

MASK = 2**32 - 1  # a seed's two words have 32 bits, as Keras' have

Seed = Any  # an int, a SeedGenerator, or None for the global generator


class SeedGenerator:
    """A seed that differs at every use: the number it was made with, and how often it was used.

    Args:
        seed: None draws one.
        name: unique in the process; made from the class if None.

    Attributes:
        state: the two numbers, uint32 of shape (2,).

    Raises:
        ValueError: `seed` is no integer.
    """

    keras_module = "keras.random"

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name or unique_name("seed_generator")
        self._initial_seed = seed
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={seed}")
        self.state: Array = np.array([int(seed) & MASK, 0], np.uint32)

    def next(self, ordered: bool = True) -> Array:
        """The state before this use, uint32 of shape (2,); `ordered` is taken for Keras' sake."""
        used = self.state
        self.state = np.array([used[0], (int(used[1]) + 1) & MASK], np.uint32)
        return used

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The generator that `get_config` describes."""
        return cls(**config)


_global: list[SeedGenerator] = []  # of draws without a seed; made when first needed


def make_default_seed() -> int:
    """A seed for what was given none, from Python's own generator, which `utils.set_random_seed` seeds."""
    return python_random.randint(1, 10**9)


def seed_everything(seed: int) -> None:
    """Seed Python's generator, NumPy's old global one and this module's: `utils.set_random_seed`.

    Raises:
        ValueError: `seed` is no integer.
    """
    if not isinstance(seed, (int, np.integer)):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})")
    python_random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002 (the program's own numbers repeat too, as under Keras)
    _global[:] = [SeedGenerator(int(seed), name="seed_generator")]


def generator(seed: Seed = None) -> np.random.Generator:
    """NumPy's generator for one draw: from the number, the next of a `SeedGenerator`, or of the global one for None.

    Raises:
        ValueError: `seed` is none of these.
    """
    if seed is None:
        if not _global:
            _global.append(SeedGenerator(name="seed_generator"))
        seed = _global[0]
    if isinstance(seed, SeedGenerator):
        return np.random.default_rng(seed.next())
    if isinstance(seed, (int, np.integer)):
        return np.random.default_rng([int(seed) & MASK, 0])
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
        f"Received: seed={seed} (of type {type(seed)})"
    )


def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Normally distributed numbers.

    Raises:
        ValueError: `seed` is neither an integer, None nor a `SeedGenerator`.
    """
    return generator(seed).normal(mean, stddev, shape).astype(standardize_dtype(dtype))


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Normally distributed numbers, those beyond two standard deviations drawn again. Raises as `normal`."""
    random = generator(seed)
    z = np.asarray(random.standard_normal(shape))
    while (far := np.abs(z) > 2).any():
        z[far] = random.standard_normal(int(far.sum()))
    return (mean + stddev * z).astype(standardize_dtype(dtype))


def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Numbers spread evenly from `minval` to below `maxval`. Raises as `normal`, and for a dtype that is no float."""
    if dtype and not is_float_dtype(dtype):
        raise ValueError(f"`keras.random.uniform` requires a floating point `dtype`. Received: dtype={dtype}")
    dtype = np.dtype(standardize_dtype(dtype))
    drawn = generator(seed).uniform(minval, maxval, shape).astype(dtype)
    if maxval <= minval:
        return drawn
    return np.minimum(drawn, np.nextafter(dtype.type(maxval), dtype.type(minval)))  # rounding may have reached it


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Seed = None) -> Array:
    """Whole numbers from `minval` to below `maxval`. Raises as `normal`, and for a dtype that is no integer."""
    if dtype and not is_int_dtype(dtype):
        raise ValueError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype}")
    return np.asarray(generator(seed).integers(int(minval), int(maxval), shape)).astype(dtype or "int32")


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> Array:
    """Class numbers (B, num_samples) drawn with the probabilities softmax(logits), logits (B, classes).

    Raises:
        ValueError: `logits` has not two dimensions; `seed` as in `normal`.
    """
    logits = convert(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received: logits={logits}"
        )
    # The largest of the logits, each with Gumbel noise, is distributed as the softmax says.
    noise = generator(seed).gumbel(size=(len(logits), num_samples, logits.shape[1]))
    return np.argmax(logits[:, None] + noise, -1).astype(dtype)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Seed = None) -> Array:
    """`inputs` with a share `rate` of the numbers set to zero and the others divided by 1 - rate.

    Args:
        inputs: any shape.
        rate: from 0, which returns `inputs`, to 1, which returns zeros.
        noise_shape: where it has a 1 the same is dropped all along that axis; None in it is the size of `inputs`.
        seed: as in `normal`.

    Raises:
        ValueError: `rate` is not between 0 and 1; `seed` as in `normal`.
    """
    x = convert(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be between 0 and 1. Received: rate={rate}")
    if rate == 0:
        return x
    if rate == 1:
        return np.zeros_like(x)
    shape = (
        x.shape
        if noise_shape is None
        else tuple(n if m is None else int(m) for m, n in zip(noise_shape, x.shape, strict=True))
    )
    kept = generator(seed).random(shape, np.float32) >= rate
    return np.where(kept, x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Array:
    """The slices along `axis` in another order. Raises as `normal`."""
    return generator(seed).permutation(convert(x), axis=axis)
