"""Kernels whose blocks wait for one another, again and again on the same input: every bit the same, or memory was read too early.

How soon one block sees what another wrote is nothing that a simulator knows; here it is tried 10^5 steps long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.config import device
from numba_rnn.kernels.cuda.launch import Call as Planned
from numba_rnn.kernels.cuda.machine import size_of

from .data import BOUNDS, Call, Cell, error, oracle, sequences
from .kinds import RefusedError, forced, kinds, launch_of
from .section import Bench, Job, Row, Section

__all__ = ["SOAK"]

STEPS = 100_000
COMPARED = 12  # steps of the first run that are compared with the oracle: it takes its time
# B, T, H and cells: one block a unit to all of the GPU, several tiles of rows, both directions at once.
SHAPES = (1, 1000, 1024, 1), (16, 500, 768, 1), (1, 1000, 256, 2), (8, 500, 512, 1), (40, 250, 96, 1), (3, 1000, 384, 1)


def jobs(bench: Bench) -> list[Job]:
    """Every shape by every kind of kernel and precision; the kernels where nobody waits come along for little."""
    shapes = ((2, 4, 6, 1),) if bench.simulated else SHAPES[:2] if bench.quick else SHAPES
    precisions = ("fp32",) if bench.simulated else ("fp32", "bf16", "bf16x3", "tf32")
    names = ("lstm", "gru") if bench.simulated else ("lstm", "gru", "simple_rnn", "gru_reset_before")
    out = []
    for precision in precisions:
        for name in (name for name in names if name in CELLS):
            for B, T, H, N in shapes:
                for kind in kinds():
                    arguments = {"kind": kind, "name": name, "B": B, "T": T, "H": H, "N": N, "precision": precision}
                    words = f"{kind}, {name}, {precision}, B{B} T{T} H{H}" + f", {N} cells" * (N > 1)
                    out.append(Job(words, arguments, f"{kind} {name} {H} {precision}"))
    return out


def run(bench: Bench, kind: str, name: str, B: int, T: int, H: int, N: int, precision: str) -> Row:
    """A row: how many steps, and where the first difference is."""
    backend, driver = bench.backend, bench.backend.driver
    cell, call = Cell(name, "float32", 16, H, N, seed=8), Call(initial=True)
    size, described = size_of(cell.recurrence, N, cell.D, H), Planned(B, T, precision)
    try:
        launch = launch_of(kind, size, described, driver.device)
        if precision != "fp32" and launch == launch_of(kind, size, described._replace(precision="fp32"), driver.device):
            return {"refused": f"the {kind} kernel knows no {precision}"}
    except RefusedError as refusal:
        return {"refused": str(refusal)}
    steps = 3 * T if bench.simulated else STEPS // 10 if bench.quick or not launch.waits else STEPS
    weights = cell.weights()
    x, _, initial = sequences(cell, B, T, call)
    assert initial is not None
    stream, pool = backend.stream, backend.pool(backend.stream)
    with device("auto", precision), forced(kind):
        prepared = backend.prepare(cell.recurrence, *weights)
        there = driver.upload(x, stream)
        begin = driver.upload(np.stack(initial).reshape(N, -1, B, H), stream)
        first: tuple[Any, Any] | None = None
        for repeat in range(-(-steps // T)):
            states = pool.take(begin.shape, begin.dtype)
            driver.copy(begin, states, stream)
            y, states = backend.run(prepared, there, None, states, call.options, stream)
            got = driver.download(y, stream), driver.download(states, stream)
            backend.check()
            driver.fill(y, 0xFF, stream)  # so that the next run finds nothing of this one's
            pool.give(y, states)
            if first is None:
                first = got
            for what, a, b in zip(("output", "states"), got, first, strict=True):
                if a.tobytes() != b.tobytes():
                    where = np.argwhere(a != b)
                    return {
                        "wrong": [
                            f"run {repeat}: {len(where)} numbers of {what} differ, the first at {where[:1].tolist()}"
                        ]
                    }
    # The oracle is slow: it follows a short call.
    with device("auto", precision), forced(kind):
        y, last = backend.scan(prepared, np.ascontiguousarray(x[:, :COMPARED]), None, initial, call.options)
    expected = oracle(cell, weights, x[:, :COMPARED], None, initial, call.options)
    worst, bound = max(error(y, expected[0]), error(last, expected[1])), BOUNDS[precision]
    row: Row = {
        "kernel": str(launch.parameters),
        "waits": launch.waits,
        "steps": -(-steps // T) * T,
        "worst": worst,
        "bound": bound,
    }
    return row | ({"wrong": [f"error {worst:.1e}"]} if not worst <= bound else {})


SOAK = Section("soak", "The same bits, run after run", seconds=60, patience=60, processes=4, jobs=jobs, run=run)
