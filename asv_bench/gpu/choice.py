"""Whether the kernel that is chosen is the fastest: every kind that takes a call, timed, beside what the estimates say."""

from __future__ import annotations

import itertools

import numpy as np

from numba_rnn.config import device
from numba_rnn.kernels.cuda.cost import step_microseconds
from numba_rnn.kernels.cuda.launch import Call
from numba_rnn.kernels.cuda.machine import size_of
from numba_rnn.kernels.cuda.plan import plan

from .clock import best, elapsed
from .data import Cell
from .kinds import RefusedError, forced, kinds, launch_of
from .section import Bench, Job, Row, Section
from .timing import Ours

__all__ = ["CHOICE"]

STEPS = 64
SECONDS = 0.05  # of turns for a kind
CELLS = ("lstm", 1), ("gru_reset_before", 1), ("lstm", 2)  # and how many at once
BATCHES = 1, 16, 64, 256, 1000
UNITS = 1024, 256, 512, 128, 2048, 64


def jobs(bench: Bench) -> list[Job]:
    """Every cell, size and batch; calls of one cell and size share compiled kernels."""
    sizes = [("lstm", 1, 4)] if bench.simulated else [(*cell, H) for H, cell in itertools.product(UNITS, CELLS)]
    return [
        Job(
            f"{cell} N{N} H{H} B{B} {precision}",
            {"cell": cell, "N": N, "H": H, "B": B, "precision": precision},
            f"{cell} {N} {H}",
        )
        for cell, N, H in (sizes[:4] if bench.quick else sizes)
        for precision, B in itertools.product(("fp32", "bf16"), BATCHES[:1] if bench.simulated else BATCHES)
    ]


def run(bench: Bench, cell: str, N: int, H: int, B: int, precision: str) -> Row:
    """A row: microseconds a step of each kind, the estimates of the same, and which kind is chosen."""
    made, T = Cell(cell, "float32", 32, H, N, seed=3), 2 if bench.simulated else STEPS
    x = np.random.default_rng([B, H]).standard_normal((B, T, made.D)).astype(np.float32)
    size, call, gpu = size_of(made.recurrence, N, made.D, H), Call(B, T, precision), bench.backend.driver.device
    stream = bench.backend.stream
    ours = Ours(bench, made, x, bench.backend.driver.upload(x, stream), precision)
    row: Row = {"us a step": {}, "estimated": {}, "chosen": plan(size, call, gpu).kernel}
    with device("auto", precision), bench.alone():
        for kind in kinds():
            try:
                launch = launch_of(kind, size, call, gpu)
            except RefusedError:
                continue
            with forced(kind):
                ours.compile()
                ours.whole()  # the first call of this batch
                times = best({kind: lambda: elapsed(bench, stream, ours.start)}, 0.0 if bench.simulated else SECONDS)
            row["us a step"][kind] = times[kind] / T * 1e6
            row["estimated"][kind] = step_microseconds(size, call, launch, gpu)
        bench.backend.check()
    return row


CHOICE = Section("choice", "Which kernel is chosen", seconds=45, patience=90, processes=10, jobs=jobs, run=run)
