"""Our layers against PyTorch's on cuDNN, in one process, in turns, by the GPU's own clock; the shortest times count."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.config import device
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import plan as planning
from numba_rnn.kernels.cuda.machine import size_of

from . import peer
from .clock import best, elapsed, host
from .data import Cell
from .section import Bench, Job, Row, Section
from .shapes import SHAPES, Shape

__all__ = ["TIMING"]

OURS = "fp32", "bf16x3", "tf32", "bf16"
SECONDS = 0.8  # of turns for a shape
WARM = 0.05  # seconds of work before that: a clock that idled is slow
MOST = 4 << 30  # bytes of an input or an output; a shape above is left out
OPTIONS = ScanOptions(return_sequences=True)


def jobs(bench: Bench) -> list[Job]:
    """Every shape."""
    shapes = [Shape("sweep", "lstm", 2, 3, 4)] if bench.simulated else SHAPES[:4] if bench.quick else SHAPES
    return [Job(str(s), s._asdict(), str(s)) for s in shapes]


class Ours:
    """A cell on the device in one precision, and its input there."""

    def __init__(self, bench: Bench, cell: Cell, x: Any, precision: str) -> None:
        self.bench, self.cell, self.precision, self.x = bench, cell, precision, x
        backend = self.backend = bench.backend
        with device("auto", precision):
            self.prepared = backend.prepare(cell.recurrence, *cell.weights())
        self.there = backend.driver.upload(x, backend.stream)
        self.shape = cell.N, len(CELLS[cell.name].states), x.shape[0], cell.H

    @property
    def kernel(self) -> str:
        """Which kind takes this call."""
        size, call = (
            size_of(self.cell.recurrence, 1, self.cell.D, self.cell.H),
            planning.Call(*self.x.shape[:2], self.precision),
        )
        launch = planning.plan(size, call, self.backend.driver.device)
        return f"{launch.kernel} {launch.parameters}, {launch.grid[0]} x {launch.grid[1]} blocks of {launch.threads}"

    def start(self) -> Any:
        """One call, arrays on the device: zero states, all outputs; nobody waits."""
        backend, pool = self.backend, self.backend.pool(self.backend.stream)
        states = pool.take(self.shape, self.x.dtype)
        backend.driver.fill(states, 0, backend.stream)
        with device("auto", self.precision):
            y, states = backend.run(self.prepared, self.there, None, states, OPTIONS, backend.stream)
        pool.give(y, states)
        return y

    def whole(self) -> Any:
        """One call, NumPy in, NumPy out."""
        with device("auto", self.precision):
            return self.backend.scan(self.prepared, self.x, None, None, OPTIONS)[0]


@contextlib.contextmanager
def on_stream(stream: Any) -> Iterator[None]:
    """PyTorch on our stream, so that both are timed alike."""
    import torch

    with torch.cuda.stream(torch.cuda.ExternalStream(int(stream))):
        yield


def run(bench: Bench, family: str, cell: str, B: int, T: int, H: int) -> Row:
    """A row: microseconds a step of every side, errors against PyTorch in float64, kernels by name."""
    if 4 * B * T * H * len(CELLS[cell].gates) > MOST:
        return {"skipped": "too large"}
    made = Cell(cell, "float32", H, H, seed=9)
    rng = np.random.default_rng([B, T, H])
    x = rng.standard_normal((B, T, H)).astype(np.float32)
    row: Row = {
        "family": family,
        "cell": cell,
        "B": B,
        "T": T,
        "H": H,
        "us": {},
        "error": {},
        "kernel": {},
        "failed sides": {},
    }
    backend, stream = bench.backend, bench.backend.stream
    starts: dict[str, Callable[[], Any]] = {}
    outputs: dict[str, Callable[[], Any]] = {}
    for precision in OURS[:1] if bench.simulated else OURS:
        ours = Ours(bench, made, x, precision)
        row["kernel"][precision] = ours.kernel
        if precision == "fp32":
            first = ours
        elif ours.kernel == row["kernel"]["fp32"] and precision == "bf16x3":
            continue  # neither kernel nor product knows it: fp32 again
        starts[f"ours {precision}"], outputs[f"ours {precision}"] = ours.start, ours.whole
    theirs = None if bench.simulated else peer.why_not()
    if theirs is None and not bench.simulated:
        layer = peer.Peer(made, x)
        for precision in peer.PRECISIONS:
            call = layer.ready(precision)
            starts[f"cuDNN {precision}"] = call
            outputs[f"cuDNN {precision}"] = lambda call=call: call().float().cpu().numpy().transpose(1, 0, 2)
        expected = layer.ready("float64")().cpu().numpy().transpose(1, 0, 2)
    else:
        row["no peer"] = theirs
        expected = None

    with contextlib.nullcontext() if bench.simulated or theirs else on_stream(stream):
        for name in list(starts):  # compiled here, while others may be at work
            try:
                got = outputs[name]()
                starts[name]()
                backend.check()
            except Exception as problem:  # the other sides go on
                row["failed sides"][name] = str(problem)[-300:]
                del starts[name]
                continue
            if expected is not None:
                row["error"][name] = float(np.abs(got - expected).max())
        with bench.alone():
            sides = {name: lambda start=start: elapsed(bench, stream, start) for name, start in starts.items()}
            until = time.perf_counter() + (0 if bench.simulated else WARM)
            while True:
                for side in sides.values():
                    side()
                if time.perf_counter() >= until:
                    break
            times = best(sides, 0.0 if bench.simulated else SECONDS)
            if "ours fp32" in starts:
                times["ours fp32, NumPy"] = best({"": lambda: host(first.whole)}, 0.0)[""]
        backend.check()
    row["us"] = {name: seconds / T * 1e6 for name, seconds in times.items()}
    if not row["failed sides"]:
        del row["failed sides"]
    if theirs is None and not bench.simulated:
        peer.forget()
    return row


TIMING = Section("timing", "Against cuDNN", seconds=195, patience=120, processes=6, jobs=jobs, run=run)
