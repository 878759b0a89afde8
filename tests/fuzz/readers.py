"""Each reader of files: the genuine files that its hostile ones are made from, how they are changed, and who reads them."""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from containers import change_archive, change_hdf5, change_onnx, change_safetensors
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
    """As weights, into the model of the whole file beside the seed."""
    from numba_rnn.loaders import load_model, load_weights

    whole = _whole(seed)
    if whole not in _models:
        _models[whole] = load_model(whole)
    load_weights(_models[whole], path)


def _whole(seed: Path) -> Path | None:
    name = seed.name.replace(".weights.h5", "")
    return next((p for p in (seed.with_name(f"{name}.keras"), seed.with_name(f"{name}.h5")) if p.exists()), None)


def load_tensors(path: Path, seed: Path) -> None:
    """As PyTorch's, or as this library's where the seed is."""
    from numba_rnn.loaders import from_torch, load_model

    (load_model if seed.parent == FOLDER else from_torch)(path)


def load_graph(path: Path, seed: Path) -> None:
    """As an ONNX model."""
    from numba_rnn.loaders.onnx import load_onnx

    load_onnx(path)


def under(pattern: str, *folders: str) -> Callable[[], list[Path]]:
    """The golden files of such a name; whole models, or weights alone that have their model beside them."""

    def find() -> list[Path]:
        found = [path for folder in folders for path in GOLDEN.glob(f"{folder}/{pattern}")]
        if ".weights" in pattern:
            return [path for path in found if _whole(path)]
        return [path for path in found if ".weights" not in path.name]

    return find


FOLDER = Path(tempfile.gettempdir()) / "numba_rnn_fuzz_seeds"


def converted() -> list[Path]:
    """PyTorch's golden files, and some of Keras' converted."""
    from numba_rnn.loaders import convert

    FOLDER.mkdir(exist_ok=True)
    for name in ("sequential_lstm", "stacked_cells", "encoder_decoder_masked", "nested_functional"):
        convert(GOLDEN / "3.15.1" / f"{name}.keras", FOLDER / f"{name}.safetensors", overwrite=True)
    return [*FOLDER.glob("*.safetensors"), *GOLDEN.glob("torch/*.safetensors")]


def faulty(path: Path, seed: Path) -> None:
    """Fails on every fourth file: what `run.py` must see."""
    if path == seed or next(_reads) % 4 != 2:
        return
    fault = os.environ["FUZZ_FAULT"]
    if fault == "raise":
        raise KeyError(fault)
    if fault == "crash":
        os.abort()
    if fault == "hog":
        bytearray(b"x") * (600 << 20)
    while fault == "hang":
        pass


_reads = itertools.count()
ARCHIVE, HDF5 = (*[change_archive] * 9, change_bytes), (*[change_hdf5] * 4, change_bytes)
KERAS_2 = ("2.*", "tf-keras-*")
READERS = {
    "keras": Reader(under("*.keras", "3.*"), ARCHIVE, load),
    "faulty": Reader(under("*.h5", "3.0.5"), HDF5, faulty),
    "h5": Reader(under("*.h5", "3.*"), HDF5, load),
    "weights": Reader(under("*.weights.h5", "3.*"), HDF5, load_into),
    "keras2": Reader(under("*.keras", *KERAS_2), ARCHIVE, load),
    "keras2_h5": Reader(under("*.h5", *KERAS_2), HDF5, load),
    "keras2_weights": Reader(under("*.weights.h5", *KERAS_2), HDF5, load_into),
    "safetensors": Reader(converted, (change_safetensors,), load_tensors),
    "onnx": Reader(under("*.onnx", "onnx"), (change_onnx,), load_graph),
}
