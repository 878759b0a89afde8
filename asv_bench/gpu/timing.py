"""Our layers against PyTorch's on cuDNN, in one process, in turns, by the GPU's own clock; the shortest times count."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.config import device
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda.launch import Call
from numba_rnn.kernels.cuda.machine import size_of
from numba_rnn.kernels.cuda.plan import plan

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
HOST = "ours fp32", "cuDNN fp32"
OPTIONS = ScanOptions(return_sequences=True)


def jobs(bench: Bench) -> list[Job]:
    """Every shape."""
    shapes = [Shape("sweep", "lstm", 2, 3, 4)] if bench.simulated else SHAPES[:4] if bench.quick else SHAPES
    return [Job(str(s), s._asdict(), str(s)) for s in shapes]


class Ours:
    """A cell on the device in one precision, and its input there."""

    def __init__(self, bench: Bench, cell: Cell, x: Any, there: Any, precision: str) -> None:
        self.backend, self.cell, self.precision, self.x, self.there = bench.backend, cell, precision, x, there
        with device("auto", precision):
            self.prepared = self.backend.prepare(cell.recurrence, *cell.weights())
        self.shape = cell.N, len(CELLS[cell.name].states), x.shape[0], cell.H

    @property
    def kernel(self) -> str:
        """Which kind takes this call."""
        size, (B, T, _) = size_of(self.cell.recurrence, 1, self.cell.D, self.cell.H), self.x.shape
        launch = plan(size, Call(B, T, self.precision), self.backend.driver.device)
        return f"{launch.kernel} {launch.parameters}, {launch.grid[0]} x {launch.grid[1]} blocks of {launch.threads}"

    def scan(self, x: Any) -> Any:
        """One call, NumPy in, NumPy out."""
        with device("auto", self.precision):
            return self.backend.scan(self.prepared, x, None, None, OPTIONS)[0]

    def compile(self) -> None:
        """By a call of one step, which takes the GPU for no time to speak of."""
        self.scan(np.ascontiguousarray(self.x[:, :1]))

    def whole(self) -> Any:
        """The whole call, NumPy in, NumPy out."""
        return self.scan(self.x)

    def start(self) -> Any:
        """One call, arrays on the device: zero states, all outputs; nobody waits."""
        backend, pool = self.backend, self.backend.pool(self.backend.stream)
        states = pool.take(self.shape, self.x.dtype)
        backend.driver.fill(states, 0, backend.stream)
        with device("auto", self.precision):
            y, states = backend.run(self.prepared, self.there, None, states, OPTIONS, backend.stream)
        pool.give(y, states)
        return y


@dataclass
class Side:
    """One that is timed.

    Attributes:
        start: what is timed: it puts a call onto the stream.
        output: the same call's outputs, (B, T, H) on the host.
        before: what has to be set first, untimed.
    """

    start: Callable[[], Any]
    output: Callable[[], Any]
    before: Callable[[], object] = lambda: None


@contextlib.contextmanager
def on_stream(stream: Any) -> Iterator[None]:
    """PyTorch on our stream, so that both are timed alike."""
    import torch

    with torch.cuda.stream(torch.cuda.ExternalStream(int(stream))):
        yield


def returning(stream: Any, start: Callable[[], Any]) -> float:
    """Seconds until a call returns, with nothing before it on the stream: what the host pays."""
    times: list[float] = []
    while not times or (sum(times) < 0.1 and len(times) < 30):
        if hasattr(stream, "synchronize"):
            stream.synchronize()
        times.append(host(start))
    return sorted(times)[len(times) // 2]


def ours_of(bench: Bench, cell: Cell, x: Any, row: Row) -> dict[str, Side]:
    """Our sides, compiled."""
    sides: dict[str, Side] = {}
    there = bench.backend.driver.upload(x, bench.backend.stream)
    for precision in OURS[:1] if bench.simulated else OURS:
        ours = Ours(bench, cell, x, there, precision)
        kernel = row["kernel"][precision] = ours.kernel
        if precision == "bf16x3" and kernel == row["kernel"]["fp32"]:
            continue  # neither kernel nor product knows it: fp32 again
        try:
            ours.compile()
        except Exception as problem:  # the others go on
            row["failed sides"][f"ours {precision}"] = str(problem)[-300:]
            continue
        sides[f"ours {precision}"] = Side(ours.start, ours.whole)
    return sides


def theirs_of(layer: peer.Peer) -> dict[str, Side]:
    """cuDNN's sides."""
    sides = {}
    for precision in peer.PRECISIONS:
        call = layer.ready(precision)
        sides[f"cuDNN {precision}"] = Side(
            call, lambda call=call: layer.numpy(call()), lambda precision=precision: layer.allow(precision)
        )
    return sides


def run(bench: Bench, family: str, cell: str, B: int, T: int, H: int) -> Row:
    """A row: microseconds a step of every side, errors against PyTorch in float64, kernels by name."""
    if 4 * B * T * H * len(CELLS[cell].gates) > MOST:
        return {"skipped": "too large"}
    made = Cell(cell, "float32", H, H, seed=9)
    x = np.random.default_rng([B, T, H]).standard_normal((B, T, H)).astype(np.float32)
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
    sides = ours_of(bench, made, x, row)
    without = "the GPU is simulated" if bench.simulated else peer.why_not()
    with bench.alone():
        expected = None
        if without is None:
            layer = peer.Peer(made, x)
            sides |= theirs_of(layer)
            expected = layer.numpy(layer.ready("float64")())
        else:
            row["no peer"] = without
        with on_stream(stream) if without is None else contextlib.nullcontext():
            for name, side in list(sides.items()):
                try:
                    side.before()
                    got = side.output()
                    backend.check()
                except Exception as problem:  # the other sides go on
                    row["failed sides"][name] = str(problem)[-300:]
                    del sides[name]
                    continue
                if expected is not None:
                    row["error"][name] = float(np.abs(got - expected).max())

            def turn(side: Side) -> float:
                side.before()
                return elapsed(bench, stream, side.start)

            turns = {name: lambda side=side: turn(side) for name, side in sides.items()}
            if not bench.simulated:
                best(turns, WARM)
            times = best(turns, 0.0 if bench.simulated else SECONDS)
            row["host us a call"] = {name: returning(stream, sides[name].start) * 1e6 for name in HOST if name in sides}
            if "ours fp32" in sides:
                times["ours fp32, NumPy"] = min(
                    host(sides["ours fp32"].output) for _ in range(1 if bench.simulated else 3)
                )
        backend.check()
        if without is None:
            peer.forget()
    row["us"] = {name: seconds / T * 1e6 for name, seconds in times.items()}
    if not row["failed sides"]:
        del row["failed sides"]
    return row


TIMING = Section("timing", "Against cuDNN", seconds=180, patience=120, processes=10, jobs=jobs, run=run)
