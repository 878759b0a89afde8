"""Keras' regularizers: what a weight's numbers add to a model's loss."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
]


class Regularizer:
    """Called with a weight's numbers, it returns what they cost."""

    keras_module: ClassVar[str] = "keras.regularizers"
    config_keys: ClassVar[tuple[str, ...]] = ()

    def __call__(self, x: Any) -> Any:
        """The cost."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {key: getattr(self, key) for key in self.config_keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The regularizer that `get_config` describes."""
        return cls(**config)


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
        super().__init__(_factor("l1", l1, 0.01), 0.0)


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
        self.factor, self.mode = _factor("factor", factor, 0.01), mode

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
KNOWN: dict[str, Any] = {
    "L1": L1, "L2": L2, "L1L2": L1L2, "OrthogonalRegularizer": OrthogonalRegularizer, "l1": L1, "l2": L2, "l1l2": L1L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}  # fmt: skip


def _factor(name: str, value: Any, default: float) -> float:
    value = default if value is None else value
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value!r}"
        )
    return float(value)


def get(identifier: Any) -> Any:
    """The regularizer of a name, of a config `{"class_name", "config"}`, or a callable itself; None for None.

    Raises:
        ValueError: there is none of that name.
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, dict):
        found = KNOWN.get(identifier.get("class_name", ""))
        return _unknown(identifier) if found is None else found.from_config(identifier.get("config", {}))
    if isinstance(identifier, str):
        found = KNOWN.get(identifier)
    if not callable(found):
        return _unknown(identifier)
    return found() if isinstance(found, type) else found


def _unknown(identifier: Any) -> Any:
    raise ValueError(f"Could not interpret regularizer identifier: {identifier}. Known: {', '.join(KNOWN)}.")
