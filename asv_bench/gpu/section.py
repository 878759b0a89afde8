"""What a section of the measurements is: jobs, and one function that does a job in a process that has the GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from numba_rnn.kernels.cuda.machine import CUDA

__all__ = ["Bench", "Job", "Row", "Section"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One row to be.

    Attributes:
        name: of the row, in words.
        arguments: of the section's function.
        group: jobs of one group run in one process, one after another: they share compiled kernels.
    """

    name: str
    arguments: dict[str, Any]
    group: str


@dataclass
class Bench:
    """What a job has: the backend, and the GPU for itself while it takes times.

    Attributes:
        backend: the library's own, on this GPU or on a simulated one.
        simulated: whether the GPU is.
        quick: whether a look is enough.
        alone: a context in which no other process of the same run uses the GPU, if it keeps to this too.
        notes: what jobs of one process keep for one another.
    """

    backend: CUDA
    simulated: bool = False
    quick: bool = False
    alone: Callable[[], AbstractContextManager[Any]] = nullcontext
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A part of the measurements.

    Attributes:
        name, title: for the command line; for the table.
        seconds: of the eight minutes, how many it may take.
        patience: seconds that a single job may take, compiling included, until it counts as hung.
        processes: how many share its jobs.
        jobs: of these backends' kinds; most important first.
        run: one job; returns its row.
    """

    name: str
    title: str
    seconds: float
    patience: float
    processes: int
    jobs: Callable[[Bench], list[Job]]
    run: Callable[[Bench, Any], Row]
