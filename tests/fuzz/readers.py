"""Each reader of files: the genuine files that its hostile ones are made from, how they are changed, and who reads them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from containers import change_archive, change_hdf5
from mutators import change_bytes

__all__ = ["READERS", "Reader"]

GOLDEN = Path(__file__).parents[1] / "golden"
LARGEST = 100_000  # bytes of a seed: small files are changed where it matters


@dataclass(frozen=True)
class Reader:
    """Seeds, changes and the function that reads a file at a path."""

    find: Callable[[], list[Path]]
    changes: tuple[Callable[[random.Random, bytes, bytes], bytes], ...]
    read: Callable[[Path, Path], Any]

    def seeds(self) -> list[Path]:
        """The genuine files, in the same order everywhere."""
        return sorted(path for path in self.find() if path.stat().st_size < LARGEST)

    def make(self, seeds: list[Path], rng: random.Random) -> tuple[Path, bytes]:
        """The seed and a file made from it."""
        seed = rng.choice(seeds)
        change = rng.choice(self.changes)
        return seed, change(rng, seed.read_bytes(), rng.choice(seeds).read_bytes())


def load(path: Path, seed: Path) -> None:
    """As a whole model."""
    from numba_rnn.loaders import load_model

    load_model(path)


_models: dict[Path, Any] = {}


def load_into(path: Path, seed: Path) -> None:
    """As weights, into the model of the `.keras` file beside the seed."""
    from numba_rnn.loaders import load_model, load_weights

    whole = seed.with_name(seed.name.replace(".weights.h5", ".keras"))
    if whole not in _models:
        _models[whole] = load_model(whole)
    load_weights(_models[whole], path)


def under(pattern: str, *folders: str) -> Callable[[], list[Path]]:
    """The golden files of such a name."""
    return lambda: [path for folder in folders or ("3.*",) for path in GOLDEN.glob(f"{folder}/{pattern}")]


READERS = {
    "keras": Reader(under("*.keras"), (*[change_archive] * 9, change_bytes), load),
    "h5": Reader(
        lambda: [p for p in under("*.h5")() if ".weights" not in p.name], (*[change_hdf5] * 4, change_bytes), load
    ),
    "weights": Reader(under("*.weights.h5"), (*[change_hdf5] * 4, change_bytes), load_into),
}
