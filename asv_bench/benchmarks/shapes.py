"""What is measured: every shape of the suite as a literal, in families."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

__all__ = ["CASES", "FAMILIES", "THREADS", "Case", "named"]

# Set to any text: one case a family, one thread, a few hundredths of a second each; what a change is checked with.
QUICK = "NUMBA_RNN_BENCH_QUICK"


@dataclass(frozen=True)
class Case:
    """One model and one input: `layers` recurrent layers of H units, every output of (B, T, D) sequences kept.

    Attributes:
        family: the table that it stands in.
        cell: `simple_rnn`, `lstm` or `gru` (reset after the product, which is what every peer has).
        bidirectional: each layer runs both ways, the outputs side by side.
        masked: rows end after a length that is uniform in 1..T.
    """

    family: str
    cell: str
    B: int
    T: int
    D: int
    H: int
    layers: int = 1
    bidirectional: bool = False
    masked: bool = False

    @property
    def name(self) -> str:
        """What asv and the tables call it."""
        shape = f"{self.cell} B{self.B} T{self.T} D{self.D} H{self.H}"
        return f"{shape} x{self.layers}" if self.layers > 1 else shape

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def inputs_of(self, layer: int) -> int:
        """What a layer takes a step: D, or the outputs of the layer before."""
        return self.H * self.directions if layer else self.D

    def lengths(self) -> np.ndarray:
        """(B,), how many steps of each row count; one row has them all."""
        if not self.masked:
            return np.full(self.B, self.T)
        lengths = np.random.default_rng(2).integers(1, self.T + 1, self.B)
        lengths[0] = self.T
        return lengths

    def mask(self) -> np.ndarray:
        """(B, T), true where a step counts."""
        return np.arange(self.T) < self.lengths()[:, None]


BOTH = ("lstm", "gru")


def _stream() -> list[Case]:
    """One step at a time, D = H: audio effects (RTNeural's sizes), voice activity (Silero's), many streams at once."""
    shapes = [(B, H) for B in (1, 16, 256) for H in (16, 32, 64, 128, 256)]
    rows = [Case("stream", cell, B, 1, H, H) for cell in BOTH for B, H in shapes]
    return [*rows, *(Case("stream", "simple_rnn", B, 1, 128, 128) for B in (1, 16))]


def _deepbench() -> list[Case]:
    """Baidu's DeepBench, inference, D = H; unlike there, the input's product is timed too."""
    lstm = [(B, T, H) for T, H in ((150, 256), (25, 512)) for B in (1, 2, 4)] + [(1, 25, 1024), (4, 25, 1024)]
    rows = [Case("deepbench", "lstm", B, T, H, H) for B, T, H in lstm]
    return [*rows, Case("deepbench", "gru", 1, 187, 1024, 1024)]


def _batches() -> list[Case]:
    """Whole sequences by the batch; the large ones are ONNX Runtime's own (its pull request 644)."""
    shapes = [(B, 100, 64, 128) for B in (1, 8, 32, 128)] + [(B, 30, H, H) for H in (512, 1024) for B in (8, 16)]
    rows = [Case("batches", cell, *shape) for cell in BOTH for shape in shapes]
    return [*rows, *(Case("batches", "simple_rnn", B, 100, 64, 128) for B in (1, 32))]


def _tiny() -> list[Case]:
    """Fewer units than lanes, or little more, over few and many rows; D = H."""
    shapes = [(B, H) for H in (3, 8, 16, 24) for B in (1, 32, 1000)]
    rows = [Case("tiny", cell, B, 20, H, H) for cell in BOTH for B, H in shapes]
    return [*rows, *(Case("tiny", "simple_rnn", B, 20, 16, 16) for B in (1, 1000))]


def _bidirectional() -> list[Case]:
    """oneDNN's issue 837: small layers, both ways, one row."""
    shapes = [(63, 24), (31, 48), (15, 96)]
    return [Case("bidirectional", cell, 1, T, D, 32, bidirectional=True) for cell in BOTH for T, D in shapes]


def _stacks() -> list[Case]:
    return [Case("stacks", cell, 1, 100, 128, 128, layers=n) for cell in BOTH for n in (2, 4)]


def _masked() -> list[Case]:
    return [Case("masked", cell, 32, 100, 64, 128, masked=True) for cell in BOTH]


FAMILIES: dict[str, list[Case]] = {
    "stream": _stream(),
    "deepbench": _deepbench(),
    "batches": _batches(),
    "tiny": _tiny(),
    "bidirectional": _bidirectional(),
    "stacks": _stacks(),
    "masked": _masked(),
}
THREADS = [1, 2]
if os.environ.get(QUICK):
    FAMILIES, THREADS = {family: cases[:1] for family, cases in FAMILIES.items()}, [1]
CASES = [case for cases in FAMILIES.values() for case in cases]


def named(family: str, name: str) -> Case:
    """The case of that name."""
    return next(case for case in FAMILIES[family] if case.name == name)
