"""What weights kept in fewer bytes save: float32's time over theirs, one row, where reading the weights is nearly all there is."""

from __future__ import annotations

from typing import Any

from numba_rnn.compressed import STORAGES

from .common import layer, sequences
from .timing import best

__all__ = ["UNITS", "Storages", "speedups"]

UNITS = (256, 512, 1024)
STEPS = 30


def speedups(cell: str, H: int, seconds: float = 0.5) -> dict[str, float]:
    """For each storage how many times as fast a call of `layer(x)` is: x (1, 30, H), all outputs kept, one thread."""
    x = sequences(1, STEPS, H)
    made: list[Any] = [layer(cell, H, H, return_sequences=True) for _ in (None, *STORAGES)]
    for one, storage in zip(made[1:], STORAGES, strict=True):
        one.compress_weights(storage)
    for one in made:
        one(x)  # compiled
    plain, *kept = best([lambda one=one: one(x) for one in made], seconds)
    return {storage: plain / least for storage, least in zip(STORAGES, kept, strict=True)}


class Storages:
    """At batch 1 and 256 units or more, 1.6 times as fast, so it was agreed."""

    params = (["lstm", "gru"], list(UNITS), list(STORAGES))
    param_names = ("cell", "H", "storage")

    def track_speedup(self, cell: str, H: int, storage: str) -> float:
        return speedups(cell, H)[storage]

    track_speedup.unit = "times float32's speed"
