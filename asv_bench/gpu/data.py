"""Random cells and sequences, masks of every pattern, and what the oracle makes of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.functional import recurrence_of
from numba_rnn.kernels.backend import PlainWeights, Recurrence, ScanOptions
from numba_rnn.kernels.reference import Reference

__all__ = ["BOUNDS", "MASKS", "Call", "Cell", "calls", "error", "mask_of", "oracle", "sequences"]

MASKS = "none", "right", "left", "holes", "rows", "all"
# The largest difference from float64 that passes, over the largest output if that is above 1. fp32 is the library's promise; the
# others are what rounding factors to 8, 11 and 24 bits comes to over some ten steps, with room.
BOUNDS = {"fp32": 2e-6, "bf16x3": 1e-5, "tf32": 4e-3, "bf16": 3e-2, "float64": 1e-12}


@dataclass(frozen=True)
class Cell:
    """Cells of random weights: one, or two that run opposite ways."""

    name: str
    dtype: str
    D: int
    H: int
    N: int = 1
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    seed: int = 0

    @property
    def recurrence(self) -> Recurrence:
        """The kind of recurrence."""
        return recurrence_of(CELLS[self.name], self.activation, self.recurrent_activation, self.dtype)

    def weights(self) -> list[PlainWeights]:
        """In Keras' layout, such that gates are of unit scale."""
        rng, spec = np.random.default_rng([self.seed, self.D, self.H]), CELLS[self.name]
        columns = len(spec.gates) * self.H

        def draw(*shape: int, scale: float) -> Any:
            return (rng.standard_normal(shape) * scale).astype(self.dtype)

        return [
            PlainWeights(
                kernel=draw(self.D, columns, scale=max(1, self.D) ** -0.5),
                recurrent_kernel=draw(self.H, columns, scale=0.8 * self.H**-0.5),
                bias=draw(columns, scale=0.3),
                recurrent_bias=draw(columns, scale=0.3 * spec.recurrent_bias),
                extra=draw(len(spec.extra), self.H, scale=0.5),
            )
            for _ in range(self.N)
        ]


@dataclass(frozen=True)
class Call:
    """What varies from call to call of one shape."""

    mask: str = "none"
    backwards: bool = False
    sequences: bool = True
    zero: bool = False
    initial: bool = False

    @property
    def options(self) -> ScanOptions:
        """As the backends take them."""
        return ScanOptions(self.backwards, self.sequences, self.zero)


def calls() -> Iterator[Call]:
    """All of them: every mask with every direction, output and start."""
    for mask, backwards, last, zero, initial in itertools.product(MASKS, *((False, True),) * 4):
        if not zero or mask != "none":
            yield Call(mask, backwards, not last, zero, initial)


def mask_of(pattern: str, B: int, T: int, rng: np.random.Generator) -> Any:
    """bool (B, T), or None: steps that count on the left, on the right, anywhere, in some rows all and in others none, nowhere."""
    lengths = rng.integers(0, T + 1, (B, 1))
    return {
        "none": None,
        "right": np.arange(T) < lengths,
        "left": np.arange(T) >= T - lengths,
        "holes": rng.random((B, T)) < 0.6,
        "rows": np.tile(rng.random((B, 1)) < 0.5, (1, T)),
        "all": np.zeros((B, T), bool),
    }[pattern]


def sequences(cell: Cell, B: int, T: int, call: Call, seed: int = 0) -> tuple[Any, Any, Any]:
    """x (B, T, D), the mask or None, the initial states N*S times (B, H) or None."""
    rng = np.random.default_rng([seed, B, T])
    x = rng.standard_normal((B, T, cell.D)).astype(cell.dtype)
    states = rng.standard_normal((cell.N * len(CELLS[cell.name].states), B, cell.H)).clip(-1, 1).astype(cell.dtype)
    return x, mask_of(call.mask, B, T, rng), tuple(states) if call.initial else None


def oracle(
    cell: Cell, weights: list[PlainWeights], x: Any, mask: Any, initial: Any, options: ScanOptions
) -> tuple[Any, Any]:
    """The outputs and last states in float64, not rounded to the cell's dtype."""
    reference = Reference()
    recurrence = dataclasses.replace(cell.recurrence, dtype=np.dtype(np.float64))
    with np.errstate(all="ignore"):
        return reference.scan(reference.prepare(recurrence, *weights), x, mask, initial, options)


def error(got: Any, expected: Any) -> float:
    """The largest difference over the largest output, if that is above 1; infinite where only one of two is NaN or infinite."""
    if got.shape != expected.shape:
        raise AssertionError(f"shapes differ: {got.shape}, expected {expected.shape}")
    if got.size == 0:
        return 0.0
    finite = np.isfinite(expected)
    same = np.where(finite, np.isfinite(got), (got == expected) | (np.isnan(got) & np.isnan(expected)))
    if not same.all():
        return float("inf")
    scale = max(1.0, float(np.abs(expected[finite]).max(initial=0.0)))
    return float(np.abs(got[finite].astype(np.float64) - expected[finite]).max(initial=0.0)) / scale
