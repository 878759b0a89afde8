"""Every cell, dtype, mask, direction, start, output and precision by every kind of kernel, against the oracle in float64."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.config import device
from numba_rnn.kernels.cuda.launch import Call as Planned
from numba_rnn.kernels.cuda.machine import size_of
from numba_rnn.kernels.cuda.ops import ACTIVATIONS

from .data import BOUNDS, Call, Cell, calls, error, oracle, sequences
from .kinds import RefusedError, forced, kinds, launch_of
from .section import Bench, Job, Row, Section

__all__ = ["CORRECTNESS", "check"]

# B, T, D, H. Tails of every kind: no multiples of 4, 8, 16, 32; one; none; more units than a block has threads.
SMALL = (1, 7, 3, 5), (2, 1, 1, 1), (5, 13, 40, 33), (3, 9, 17, 64), (9, 6, 0, 20), (17, 11, 96, 96), (133, 5, 10, 24)
LARGE = (
    (1, 11, 30, 100),
    (3, 12, 100, 200),
    (8, 9, 64, 256),
    (16, 7, 33, 500),
    (1, 9, 48, 512),
    (2, 7, 20, 1000),
    (33, 5, 16, 384),
)
HUGE = (1, 6, 1024, 1024), (16, 5, 64, 768), (4, 6, 8, 1536)
PRECISE = (
    (8, 9, 64, 256),
    (5, 13, 40, 33),
    (16, 7, 33, 500),
    (1, 9, 48, 512),
    (16, 5, 64, 768),
)  # shapes for what is less precise
TINY = ((2, 3, 3, 5),)
ALL, SOME, FEW = 10**9, 24, 6  # calls of a shape
WORK = 2e7  # multiply-adds of the oracle in one call, above which only SOME calls are made


def drawn(most: int, seed: int) -> list[Call]:
    """So many of all calls; the plain one is always among them, and every mask where there is room."""
    every = list(calls())
    if most >= len(every):
        return every
    order = np.random.default_rng(seed).permutation(len(every))
    by_mask: dict[str, list[Call]] = {}
    for i in order:
        by_mask.setdefault(every[i].mask, []).append(every[i])
    mixed = [c for row in itertools.zip_longest(*by_mask.values()) for c in row if c is not None]
    return [Call(), *(c for c in mixed if c != Call())][:most]


def jobs(bench: Bench) -> list[Job]:
    """The most telling first: plain float32 by every kernel, then what is less precise, float64, activations, random shapes."""
    out: list[Job] = []

    def add(kind: str, cell: Cell, shape: tuple[int, int], precision: str, most: int, steps: int | None = None) -> None:
        B, T = shape
        words = f"{kind}, {cell.name}, {precision if cell.dtype == 'float32' else cell.dtype}, B{B} T{T} D{cell.D} H{cell.H}"
        words += f", {cell.N} cells" * (cell.N > 1) + f", {steps} steps at once" * (steps is not None)
        words += f", {cell.activation}/{cell.recurrent_activation}" * (
            (cell.activation, cell.recurrent_activation) != ("tanh", "sigmoid")
        )
        arguments = {
            "kind": kind,
            "cell": dataclasses.asdict(cell),
            "B": B,
            "T": T,
            "precision": precision,
            "most": most,
            "steps": steps,
        }
        out.append(Job(words, arguments, f"{kind} {cell.name} {cell.dtype} {cell.H} {precision} {cell.activation}"))

    names, every = list(CELLS), list(kinds())
    if bench.simulated:
        for kind, name, (B, T, D, H) in itertools.product(every, names, TINY):
            add(kind, Cell(name, "float32", D, H, N=2, seed=1), (B, T), "fp32", FEW // 2, steps=2)
        return out
    shapes = (SMALL[2], LARGE[2]) if bench.quick else SMALL + LARGE + HUGE
    for (B, T, D, H), kind, name in itertools.product(shapes, every, names):
        add(kind, Cell(name, "float32", D, H, seed=1), (B, T), "fp32", FEW if bench.quick else ALL)
        add(kind, Cell(name, "float32", D, H, N=2, seed=2), (B, T), "fp32", FEW, steps=max(1, T // 3))
    for precision in ("bf16", "tf32", "bf16x3"):
        for (B, T, D, H), kind, name in itertools.product(PRECISE[:1] if bench.quick else PRECISE, every, names):
            add(
                kind,
                Cell(name, "float32", D, H, N=1 + (B > 8), seed=3),
                (B, T),
                precision,
                FEW if bench.quick else SOME,
            )
    for (B, T, D, H), kind, name in itertools.product(SMALL[2:3] if bench.quick else (*SMALL, LARGE[2]), every, names):
        add(kind, Cell(name, "float64", D, H, N=1 + B % 2, seed=4), (B, T), "fp32", FEW if bench.quick else SOME)
    for activation, dtype in itertools.product(() if bench.quick else sorted(ACTIVATIONS), ("float32", "float64")):
        add("general", Cell("lstm", dtype, 6, 21, 1, activation, activation, seed=5), (4, 6), "fp32", FEW)
    rng = np.random.default_rng(6)
    for _ in range(0 if bench.quick else 60):
        kind, name = every[rng.integers(len(every))], names[rng.integers(len(names))]
        B, T, D, H = (
            int(n) for n in (rng.integers(1, 70), rng.integers(1, 30), rng.integers(0, 200), rng.integers(1, 700))
        )
        add(kind, Cell(name, "float32", D, H, N=int(rng.integers(1, 3)), seed=7), (B, T), "fp32", SOME)
    return out


def check(
    bench: Bench, kind: str, cell: Cell, B: int, T: int, precision: str, some: list[Call], steps: int | None
) -> Row:
    """Run the calls and compare each; what differs is listed."""
    backend, recurrence = bench.backend, cell.recurrence
    if (reason := backend.supports(recurrence)) is not None:
        return {"refused": reason}
    with device("auto", precision):
        try:
            launch = launch_of(
                kind, size_of(recurrence, cell.N, cell.D, cell.H), Planned(B, T, precision), backend.driver.device
            )
        except RefusedError as refusal:
            return {"refused": str(refusal)}
        weights = cell.weights()
        prepared = backend.prepare(recurrence, *weights)
        bound = BOUNDS["float64" if cell.dtype == "float64" else precision]
        worst, wrong = 0.0, []
        for n, call in enumerate(some):
            x, mask, initial = sequences(cell, B, T, call, seed=n)
            poison(bench, cell, B, T, call)
            try:
                with forced(kind, steps):
                    y, last = backend.scan(prepared, x, mask, initial, call.options)
                found = [
                    error(a, b)
                    for a, b in zip((y, last), oracle(cell, weights, x, mask, initial, call.options), strict=True)
                ]
            except AssertionError as problem:
                wrong.append(f"{call}: {problem}")
                continue
            worst = max(worst, *found)
            if not max(found) <= bound:
                wrong.append(f"{call}: output {found[0]:.1e}, states {found[1]:.1e}")
    row: Row = {"kernel": str(launch.parameters), "calls": len(some), "worst": worst, "bound": bound}
    return row | ({"wrong": wrong[:5] + [f"and {len(wrong) - 5} more"] * (len(wrong) > 5)} if wrong else {})


def poison(bench: Bench, cell: Cell, B: int, T: int, call: Call) -> None:
    """Leave NaN in the arrays that the call may take for its outputs: what it does not write shows."""
    pool, stream = bench.backend.pool(bench.backend.stream), bench.backend.stream
    shape = B, T if call.sequences else 1, cell.N * cell.H
    taken = [pool.take(shape, np.dtype(cell.dtype)) for _ in range(3)]  # the input may be of the same shape
    for array in taken:
        bench.backend.driver.fill(array, 0xFF, stream)
    pool.give(*taken)


def run(
    bench: Bench, kind: str, cell: dict[str, Any], B: int, T: int, precision: str, most: int, steps: int | None
) -> Row:
    """A row: the largest error of all the calls of one shape."""
    made = Cell(**cell)
    work = made.N * B * T * made.H * len(CELLS[made.name].gates) * (made.D + made.H)
    return check(bench, kind, made, B, T, precision, drawn(min(most, SOME) if work > WORK else most, made.seed), steps)


CORRECTNESS = Section(
    "correctness", "Against the float64 oracle", seconds=155, patience=90, processes=14, jobs=jobs, run=run
)
