"""One launch after another of a scan kernel in the simulator, beside what the oracle says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from numba_rnn.cells import CELLS
from numba_rnn.functional import recurrence_of
from numba_rnn.kernels.backend import PlainWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.ops import build_activations
from numba_rnn.kernels.cuda.scan import MASKED
from numba_rnn.kernels.reference import Reference

from .simulator import run

__all__ = ["BOUND", "Call", "made", "scanned"]

BOUND = {"float32": 1e-6, "float64": 1e-14}
D = 3

_activations = cache(build_activations)
_device_function = cache(toolkit.device_function)


@dataclasses.dataclass(frozen=True)
class Call:
    """Random weights and inputs of N cells, drawn from the seed.

    Attributes:
        mask: None, or what becomes of a random one: "random", "none counts", "rows" (some rows have no step that counts).
    """

    name: str
    B: int
    T: int
    H: int
    N: int = 1
    dtype: str = "float32"
    mask: str | None = None
    stateful: bool = False
    options: ScanOptions = dataclasses.field(default_factory=ScanOptions)
    seed: int = 0

    @property
    def recurrence(self) -> Recurrence:
        """With the activations of most models."""
        return recurrence_of(CELLS[self.name], dtype=self.dtype)

    @property
    def drawn(self) -> tuple[list[PlainWeights], Any, Any, Any]:
        """The cells, x (B, T, D), the mask (B, T) or None, the states (N, S, B, H)."""
        rng = np.random.default_rng(self.seed)
        spec, H, M = CELLS[self.name], self.H, len(CELLS[self.name].gates) * self.H

        def draw(*shape: int) -> Any:
            k = 1 / np.sqrt(max(1, shape[0])) if len(shape) == 2 else 1
            return rng.uniform(-k, k, shape).astype(self.dtype)

        cells = [
            PlainWeights(draw(D, M), draw(H, M), draw(M), draw(M), draw(len(spec.extra), H)) for _ in range(self.N)
        ]
        x = draw(self.B, self.T, D)
        mask = None if self.mask is None else rng.random((self.B, self.T)) < 0.6
        if self.mask == "none counts":
            mask = np.zeros_like(mask)
        elif self.mask == "rows":
            mask[::2] = False
        states = draw(self.N, len(spec.states), self.B, H) * self.stateful
        return cells, x, mask, states

    @property
    def expected(self) -> tuple[Any, Any]:
        """The oracle's y (B, T or 1, N*H) and states."""
        cells, x, mask, states = self.drawn
        oracle, recurrence = Reference(), self.recurrence
        flat = tuple(states.reshape(-1, self.B, self.H))
        y, last = oracle.scan(oracle.prepare(recurrence, *cells), x, mask, flat, self.options)
        return y.reshape(self.B, -1, self.N * self.H), last.reshape(states.shape)


def made(build: Callable[..., Any], call: Call, parameters: tuple[Any, ...], fresh: bool = False) -> Any:
    """The kernel that a factory makes for the call's cell; fresh functions for one that is compiled."""
    spec = CELLS[call.name]
    functions = build_activations(call.dtype) if fresh else _activations(call.dtype)
    device_function = toolkit.device_function if fresh else _device_function
    recurrence = call.recurrence
    return build(
        toolkit.real_type(call.dtype), len(spec.gates), spec.first or len(spec.gates), len(spec.states), len(spec.extra),
        *parameters, device_function(spec.update), device_function(spec.gate or spec.update),
        functions[recurrence.activation], functions[recurrence.recurrent_activation],
    )  # fmt: skip


def scanned(kernel: Any, call: Call, launch: Launch, pieces: tuple[int, ...] = (), **how: Any) -> tuple[Any, Any]:
    """y and the states after running the call's steps, so many at a time.

    Args:
        kernel: what `made` returned.
        launch: its grid, threads and whether it waits; `work` is its shape for a whole call, its second axis n + 1 if it waits.
        pieces: steps of each launch; none for all at once.
        how: of `run`.
    """
    cells, x, mask, states = call.drawn
    kind = np.dtype(call.dtype)
    y = np.full((call.B, call.T if call.options.return_sequences else 1, call.N * call.H), np.nan, kind)
    states = states.copy()
    error = np.zeros(1, np.int32)
    flags = call.options.flags | (0 if mask is None else MASKED)
    start = 0
    for n in pieces or (call.T,):
        xw = np.empty((call.N, call.B, n, cells[0].bias.size), kind)
        for c, w in enumerate(cells):
            backwards = call.options.go_backwards != (c == 1)
            t = call.T - start - n if backwards else start
            xw[c] = x[:, t : t + n].astype(np.float64) @ w.kernel.astype(np.float64)
        shape = (launch.work[0], n + 1, *launch.work[2:]) if launch.waits else launch.work
        for part in launch.parts(call.N, call.B):
            work = np.full(shape, np.nan, kind)
            if launch.waits:
                work.view(np.uint8)[...] = 0xFF
            run(
                kernel,
                launch.grid,
                launch.threads,
                (
                    xw,
                    np.ones((1, 1), np.bool_) if mask is None else mask,
                    np.stack([w.recurrent_kernel for w in cells]),
                    np.stack([np.stack([w.bias, w.recurrent_bias]) for w in cells]),
                    np.stack([w.extra if w.extra.size else np.zeros((1, call.H), kind) for w in cells]),
                    states, y, work, error, start, call.T, flags | part,
                ),
                **how,
            )  # fmt: skip
        start += n
    assert error[0] == 0, f"waited in vain at step {error[0] - 1}"
    return y, states
