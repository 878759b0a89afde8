"""One kernel by itself: the backend, on a simulated GPU, with a plan that knows nothing else; and the oracle beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.functional import Cell, both_ways, prepare
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import machine
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.plan import Launch
from numba_rnn.kernels.reference import Reference

from .simulator.driver import SimulatedDriver

__all__ = ["draw_cell", "error_of", "draw_call"]


def draw_cell(rng: Any, name: str, D: int, H: int, N: int = 1, **activations: str) -> Cell:
    """A cell with random weights of the usual size, or one for each direction."""
    spec = CELLS[name]
    G = len(spec.gates)

    def draw(*shape: int) -> Any:
        bound = 1 / np.sqrt(max(1, shape[0]))
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    def one() -> Cell:
        bias = draw(2, G * H) if spec.recurrent_bias else draw(G * H)
        return prepare(spec, draw(D, G * H), draw(H, G * H), bias, extra=draw(len(spec.extra), H), **activations)

    return both_ways(one(), one()) if N == 2 else one()


def draw_call(rng: Any, cell: Cell, B: int, T: int, *, masked: bool = False) -> tuple[Any, Any, tuple[Any, ...]]:
    """x, mask and initial states."""
    x = rng.uniform(-1, 1, (B, T, cell.D)).astype(np.float32)
    mask = rng.random((B, T)) < 0.6 if masked else None
    N = 1 if cell.backward is None else 2
    count = N * len(cell.recurrence.spec.states)
    return x, mask, tuple(rng.uniform(-1, 1, (B, cell.H)).astype(np.float32) for _ in range(count))


def error_of(
    monkeypatch: Any,
    build: Any,
    launch: Launch,
    cell: Cell,
    call: tuple[Any, Any, tuple[Any, ...]],
    options: ScanOptions = ScanOptions(return_sequences=True),
    **driver: Any,
) -> float:
    """The largest error of outputs and last states, of a kernel that is launched as `launch` says."""
    monkeypatch.setitem(machine.KERNELS, launch.kernel, build)
    monkeypatch.setattr(machine, "plan", lambda *_: launch)
    weights = [w for w in (cell.weights, cell.backward) if w is not None]
    results = []
    for backend in (CUDA(SimulatedDriver(**driver)), Reference()):
        results.append(backend.scan(backend.prepare(cell.recurrence, *weights), *call, options))
    (y, states), (y2, states2) = results
    assert y.shape == y2.shape and states.shape == states2.shape
    return max(float(np.abs(a - b).max()) for a, b in ((y, y2), (states, states2)))
