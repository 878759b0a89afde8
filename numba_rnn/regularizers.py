"""Keras' regularizers: what a weight's numbers add to a model's loss."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import floatx
from numba_rnn.described import Described, Family

__all__ = [
    "FAMILY", "L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2",
    "orthogonal_regularizer", "serialize",
]  # fmt: skip


class Regularizer(Described):
    """Called with a weight's numbers, it returns what they cost."""

    keras_module: ClassVar[str] = "keras.regularizers"

    def __call__(self, x: Any) -> Any:
        """The cost."""
        return 0.0


class L1L2(Regularizer):
    """l1 sum(|x|) + l2 sum(x²)."""

    config_keys: ClassVar[tuple[str, ...]] = ("l1", "l2")

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        """The cost."""
        x = np.asarray(x)
        return self.l1 * np.abs(x).sum() + self.l2 * np.square(x).sum()


class L1(L1L2):
    """l1 sum(|x|)."""

    config_keys = ("l1",)

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(_rounded(_factor("l1", l1, 0.01)), 0.0)


class L2(L1L2):
    """l2 sum(x²)."""

    config_keys = ("l2",)

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(0.0, _factor("l2", l2, 0.01))


class OrthogonalRegularizer(Regularizer):
    """The mean, times `factor`, of the absolute cosines between different rows (or columns) of a matrix."""

    config_keys = ("factor", "mode")

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in {"rows", "columns"}:
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of ("rows", "columns"). Received: mode={mode}'
            )
        self.factor, self.mode = _rounded(_factor("factor", factor, 0.01)), mode

    def __call__(self, x: Any) -> Any:
        """The cost."""
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={x.shape}")
        rows: Array = x if self.mode == "rows" else x.T
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-7)
        cosines = np.abs(rows @ rows.T)
        np.fill_diagonal(cosines, 0)
        n = len(rows)
        return self.factor * cosines.sum() / (n * (n - 1))


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
FAMILY = Family("regularizer", L1, L1L2, L2, OrthogonalRegularizer, Regularizer)
get, serialize, deserialize = FAMILY.get, FAMILY.serialize, FAMILY.deserialize


def _factor(name: str, value: Any, default: float) -> float:
    value = default if value is None else value
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value!r}"
        )
    return float(value)


def _rounded(factor: float) -> float:
    """As Keras holds some factors, and so writes them: 0.01 as 0.009999999776482582."""
    return float(np.asarray(factor, floatx()))
