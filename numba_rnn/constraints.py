"""Keras' constraints: what training does to a weight's numbers after each step."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import epsilon
from numba_rnn.described import Described, Family
from numba_rnn.ops.dtypes import convert

__all__ = [
    "FAMILY", "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm", "min_max_norm",
    "non_neg", "serialize", "unit_norm",
]  # fmt: skip


class Constraint(Described):
    """Called with a weight's numbers, it returns what they become; a subclass says what."""

    keras_module: ClassVar[str] = "keras.constraints"

    def __call__(self, w: Any) -> Any:
        """The numbers as they are."""
        return w


class _Norm(Constraint):
    """Gives the vectors along `axis` other lengths."""

    axis: Any

    def lengths(self, norms: Array) -> Any:
        """What the vectors' lengths become."""
        raise NotImplementedError

    def __call__(self, w: Any) -> Array:
        """The numbers, with the lengths they may have."""
        w = convert(w)
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        norms = np.sqrt(np.square(w).sum(axis=axis, keepdims=True))
        scaled: Array = w * (self.lengths(norms) / (norms.dtype.type(epsilon()) + norms))
        return scaled


class MaxNorm(_Norm):
    """Vectors along `axis` that are longer than `max_value` become so long."""

    config_keys = ("max_value", "axis")

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def lengths(self, norms: Array) -> Any:
        """At most `max_value`."""
        return np.clip(norms, 0, self.max_value)


class NonNeg(Constraint):
    """Negative numbers become 0."""

    def __call__(self, w: Any) -> Array:
        """The numbers, none of them negative."""
        w = convert(w)
        positive: Array = np.maximum(w, w.dtype.type(0))
        return positive


class UnitNorm(_Norm):
    """Vectors along `axis` become 1 long."""

    config_keys = ("axis",)

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def lengths(self, norms: Array) -> Any:
        """1."""
        return norms.dtype.type(1)


class MinMaxNorm(_Norm):
    """The lengths of vectors along `axis` come `rate` of the way into `min_value` to `max_value`."""

    config_keys = ("min_value", "max_value", "rate", "axis")

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def lengths(self, norms: Array) -> Any:
        """As far from the old ones to the bounds as `rate` says."""
        return self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm
FAMILY = Family("constraint", Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
get, serialize, deserialize = FAMILY.get, FAMILY.serialize, FAMILY.deserialize
