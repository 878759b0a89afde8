"""What the golden cases share: sizes, inputs with padding of every kind, and the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as L  # noqa: N812

B, T, D, H = 4, 5, 3, 2
Model, Sequential, Input = keras.Model, keras.Sequential, keras.Input

Build = Callable[[np.random.Generator], tuple[Any, Any]]
CASES: dict[str, tuple[Build, tuple[str, ...]]] = {}


def case(*also: str) -> Callable[[Build], Build]:
    """Register a case; `also` names further formats to write: "h5", "weights.h5"."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = build, also
        return build

    return register


def sequences(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape or (B, T, D)).astype("float32")


def padded(rng: np.random.Generator) -> np.ndarray:
    """Sequences whose rows have padding on the right, on the left, in the middle, and everywhere."""
    x = sequences(rng, 5, 6, D)
    x[1, 4:] = 0
    x[2, :2] = 0
    x[3, 2:4] = 0
    x[4] = 0
    return x


def tokens(rng: np.random.Generator) -> np.ndarray:
    """The same patterns as token numbers, 0 for padding."""
    x = rng.integers(1, 7, (5, 6)).astype("int32")
    x[1, 4:] = 0
    x[2, :2] = 0
    x[3, 2:4] = 0
    x[4] = 0
    return x


def branches(rng: np.random.Generator, x: np.ndarray, *, mask: bool = False, **make: Any) -> tuple[Any, Any]:
    """One input, masked or not, and one named output for each layer."""
    i = Input(x.shape[1:], name="x")
    h = L.Masking(name="mask")(i) if mask else i
    outputs = {}
    for name, layer in make.items():
        y = layer(h)
        if isinstance(y, (tuple, list)):
            outputs |= {f"{name}_{k}": part for k, part in enumerate(y)}
        else:
            outputs[name] = y
    return Model(i, outputs), x
