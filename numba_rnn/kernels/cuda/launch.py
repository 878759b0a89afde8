"""What decides how a call runs, and the decision: plain data that planners, kernels' makers and the backend share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["CELL", "ROW", "SHARED", "WORKSPACE", "Call", "Launch", "Size", "steps_at_once"]

SHARED = 48 << 10  # bytes of shared memory that a kernel may declare
WORKSPACE = 256 << 20  # bytes for the steps that run at once: their projected input, and what blocks exchange: a choice
CELL, ROW = 4, 8  # bits of a kernel's `flags` below a launch's first cell, and below its first sequence


@dataclass(frozen=True)
class Size:
    """What a compiled kernel and its launch depend on, of N cells of one kind.

    Attributes:
        G, first, S, E: gates, those that h itself is multiplied for, states, extra parameters.
        N, D, H: cells, inputs, units of one.
        item: bytes of a number.
    """

    G: int
    first: int
    S: int
    E: int
    N: int
    D: int
    H: int
    item: int

    @property
    def two_phases(self) -> bool:
        """Whether some gates wait for others of the same step."""
        return self.first < self.G


class Call(NamedTuple):
    """B sequences of T steps, in one of `config.PRECISIONS`."""

    B: int
    T: int
    precision: str


class Launch(NamedTuple):
    """How a call runs; where one launch does not take all of it, several do, one after another.

    Attributes:
        kernel: a key of `compiled.KERNELS`.
        parameters: what its factory takes beside the cell.
        grid: blocks along x, and along y, of one launch.
        threads: of a block; most_threads: of a block of any launch of the same kernel.
        work: shape of the `work` array, of one launch.
        waits: whether blocks wait for one another: then `work` begins as all ones in every bit, the launch is cooperative.
        steps: how many run at once, at most.
        turns: how often blocks that wait for one another do so in a step, 8 sequences each.
        cells, rows: how many of the call's cells, and of its sequences, one launch takes at most.
    """

    kernel: str
    parameters: tuple[int | str, ...]
    grid: tuple[int, int]
    threads: int
    most_threads: int
    work: tuple[int, ...]
    waits: bool
    steps: int
    turns: float = 1
    cells: int = 2
    rows: int = 1 << 30

    def parts(self, N: int, B: int) -> list[int]:
        """With which cell and which sequence each launch of a call of N cells and B sequences begins, as `flags` say it."""
        cells, rows = range(0, N, self.cells), range(0, B, self.rows)
        return [cell << CELL | row << ROW for cell in cells for row in rows]


def steps_at_once(size: Size, B: int, T: int, exchanged: int = 0) -> int:
    """Steps that the workspace holds: their projected input, and so many numbers a step, and one more, that blocks exchange."""
    step = size.N * B * size.G * size.H + exchanged
    held = WORKSPACE // max(1, step * size.item)
    return max(1, min(T, held - 1 if exchanged else held))
