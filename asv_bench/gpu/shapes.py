"""The shapes to be timed, and why these: each from where somebody else has published times."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SHAPES", "Shape"]


class Shape(NamedTuple):
    """A recurrence over B sequences of T steps, D = H inputs and units."""

    family: str
    cell: str
    B: int
    T: int
    H: int

    def __str__(self) -> str:
        return f"{self.cell} B{self.B} T{self.T} H{self.H}"


def _sweep(cell: str) -> list[Shape]:
    """Of every size that fits into one block, a cluster, or the whole GPU, with few sequences and many."""
    return [Shape("sweep", cell, B, 1000, H) for B in (1, 8, 64) for H in (256, 1024, 64, 512, 128, 32)]


# Source: flashrnn/speed_experiments, head dimension 768 with one head, T 1024 (arXiv 2412.07752).
FLASHRNN = [Shape("flashrnn", "lstm", B, 1024, 768) for B in (16, 1, 128)]
# Source: DeepBench, code/kernels/rnn_problems.h: inference on servers, and three of training; its GRU T is one of four that it has.
DEEPBENCH = [
    *(
        Shape("deepbench", "lstm", B, T, H)
        for H, T in ((512, 25), (1024, 25), (2048, 25), (1536, 50), (256, 150))
        for B in (1, 4)
    ),
    *(Shape("deepbench", "gru", B, 187, H) for H in (2816, 2048, 1536, 2560) for B in (1, 4)),
    *(Shape("deepbench", "gru", B, 1500, 1024) for B in (1, 4)),
    *(Shape("deepbench", "gru", B, 1, 512) for B in (1, 4)),
    *(Shape("deepbench", "lstm", B, T, H) for B, T, H in ((16, 25, 512), (64, 25, 1024), (16, 150, 256))),
    Shape("deepbench", "gru", 32, 187, 1536),
    Shape("deepbench", "simple_rnn", 16, 50, 1760),
]
# The most telling first: a run that is cut off has them.
SHAPES = [
    FLASHRNN[0],
    *_sweep("lstm")[:6],
    *_sweep("gru")[:6],
    *FLASHRNN[1:],
    *_sweep("lstm")[6:12],
    *DEEPBENCH[:10],
    *_sweep("gru")[6:12],
    *_sweep("simple_rnn")[:3],
    *DEEPBENCH[10:],
    *_sweep("lstm")[12:],
    *_sweep("gru")[12:],
    *_sweep("simple_rnn")[3:],
]
