"""Which kernel runs a call and how it is cut: plain arithmetic on shapes and on what the device has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from numba_rnn.kernels.cuda.driver import Device

__all__ = ["Call", "Launch", "Size", "plan"]

MOST_THREADS = 256  # of a block of the general kernel: its registers, up to 255 a thread, allow no more
WORKSPACE = 256 << 20  # bytes for the projected input of the steps that run at once: a choice, not a measurement


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
    """How a call runs.

    Attributes:
        kernel: a key of `machine.KERNELS`.
        parameters: what its factory takes beside the cell.
        grid: blocks along x, and along y.
        threads: of a block.
        work: shape of the `work` array for n steps, made by `work(n)`.
        waits: whether blocks wait for one another: then `work` begins as all ones in every bit, the launch is cooperative.
        steps: how many run at once, at most.
    """

    kernel: str
    parameters: tuple[int | str, ...]
    grid: tuple[int, int]
    threads: int
    work: tuple[int, ...]
    waits: bool
    steps: int


def steps_at_once(size: Size, B: int, T: int) -> int:
    """Steps whose projected input fits into the workspace."""
    return max(1, min(T, WORKSPACE // max(1, size.N * B * size.G * size.H * size.item)))


def plan(size: Size, call: Call, device: Device) -> Launch:
    """The first kernel that takes the call, fastest first; the general one takes any."""
    return plan_general(size, call, device)


def plan_general(size: Size, call: Call, device: Device) -> Launch:
    """A block a few sequences: as few as keep every multiprocessor busy, at most four."""
    rows = 1
    while rows < 4 and math.ceil(call.B / rows) * size.N > device.multiprocessors:
        rows *= 2
    threads = min(MOST_THREADS, 32 * math.ceil(size.H / 32))
    return Launch(
        kernel="general",
        parameters=(rows,),
        grid=(math.ceil(call.B / rows), size.N),
        threads=threads,
        work=(3, size.N, call.B, size.H),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )
