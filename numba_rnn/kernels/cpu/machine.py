"""The CPU backend: compiles a kernel for each kind of recurrence, packs weights for it, and calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from threading import Lock
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import CELLS
from numba_rnn.compressed import Compressed, expand
from numba_rnn.config import settings
from numba_rnn.kernels.backend import CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cpu import team
from numba_rnn.kernels.cpu.host import l2_bytes, lanes_of, tile_shape, vector_bytes
from numba_rnn.kernels.cpu.jit import compile_for
from numba_rnn.kernels.cpu.ops import ACTIVATIONS
from numba_rnn.kernels.cpu.pack import PackedWeights, pack_bias, pack_matrix, pack_weights, side_by_side
from numba_rnn.kernels.cpu.plan import Load, Plan, plan
from numba_rnn.kernels.cpu.product import build_linear
from numba_rnn.kernels.cpu.scan import build_scan
from numba_rnn.kernels.fingerprint import source

__all__ = ["CPU"]

Kernel = Callable[..., int]

PLANS = 1000  # of a cell that are kept, one a shape

_building = Lock()  # or two threads that need the same kernel first would compile it twice


@cache
def _jitable(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba.extending import register_jitable

    registered: Callable[..., Any] = register_jitable(function)
    return registered


@cache
def _scan_kernel(cell: str, act: str, rec: str, lanes: int, vector: int) -> Kernel:
    """The kernel for a cell, its activations, and vectors of `lanes` numbers and `vector` bytes."""
    spec = CELLS[cell]
    G = len(spec.gates)
    first = spec.first or G
    run: Kernel = build_scan(
        source(), lanes, G, first, len(spec.states), len(spec.extra),
        tile_shape(vector, G), tile_shape(vector, max(first, G - first)),
        _jitable(spec.update), _jitable(spec.gate or spec.update), ACTIVATIONS[act], ACTIVATIONS[rec],
    )  # fmt: skip
    return run


@cache
def _linear_kernel(lanes: int, vector: int) -> Kernel:
    shape = tile_shape(vector, 1)
    run: Kernel = build_linear(source(), lanes, shape.tall, shape.short, shape.panels, shape.row_panels)
    return run


@dataclass(frozen=True)
class Prepared:
    """A cell ready to run.

    Attributes:
        recurrence: what kind of recurrence it is.
        packed: its weights in panels.
        N: how many cells they are.
        H: units.
        load: what a step takes.
        no_mask, no_state: what the kernel takes for None.
        key: arguments of `_scan_kernel`; the vector's width is the one at the time, whatever the settings become.
    """

    recurrence: Recurrence
    packed: PackedWeights
    N: int
    H: int
    load: Load
    no_mask: Array
    no_state: tuple[Array, ...]
    key: tuple[str, str, str, int, int]
    plans: dict[tuple[int, int, int], Plan] = field(default_factory=dict, compare=False)

    def plan(self, B: int, T: int) -> Plan:
        """How to cut B rows of T steps, on as many threads as the settings allow."""
        key = B, T, settings.threads
        found = self.plans.get(key)
        if found is None:
            if len(self.plans) >= PLANS:
                self.plans.clear()
            threads = min(settings.threads or team.cores(), team.MOST)
            found = self.plans[key] = plan(self.load, self.N, B, T, threads)
        return found

    @cached_property
    def kernel(self) -> Kernel:
        """The compiled kernel."""
        r = self.recurrence
        with _building:
            kernel = _scan_kernel(*self.key)
        x = last = np.empty((0, 0, 0), r.dtype)
        y = np.empty((0, 0), r.dtype)
        what = f"{r.spec.name} ({r.activation}, {r.recurrent_activation}) {r.dtype}"
        return compile_for(
            kernel, what, 0, team.ALONE, x, self.no_mask, self.no_state, *self.packed, y, last, 0, 1, 1, 1, 1
        )


@dataclass(frozen=True)
class PreparedLinear:
    """A matrix ready to multiply: kernel (HB, D, 1, lanes), bias (HB, 1, lanes)."""

    kernel: Array
    bias: Array
    H: int
    run: Kernel


class CPU:
    """Runs every cell whose activations act unit by unit."""

    name = "cpu"

    def supports(self, recurrence: Recurrence) -> str | None:
        """None, or why the reference has to run it."""
        for name in (recurrence.activation, recurrence.recurrent_activation):
            if name is None:
                return "an activation is a Python function"
            if name not in ACTIVATIONS:
                return f"activation {name!r} mixes the units of a row"
        return None

    def describe(self, recurrence: Recurrence) -> str:
        """The kernel in words."""
        return f"fused {recurrence.spec.name} kernel, {recurrence.dtype} x {lanes_of(recurrence.dtype)} SIMD lanes"

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Prepared:
        """Pack the weights and compile the kernel, or take it from the disk cache."""
        spec, dtype = recurrence.spec, recurrence.dtype
        G, lanes, vector = len(spec.gates), lanes_of(dtype), vector_bytes()
        packed = side_by_side([pack_weights(w.expanded(), G, spec.first or G, lanes) for w in weights])
        N, D, (H, width) = len(weights), weights[0].kernel.shape[0], weights[0].recurrent_kernel.shape
        row_bytes = packed.bias.nbytes // N  # of the projected input of a step, about half of what a row takes
        prepared = Prepared(
            recurrence=recurrence,
            packed=packed,
            N=N,
            H=H,
            load=Load(
                madds=(D + H) * width,
                panels=len(packed.bias) // N,
                phases=1 if spec.first is None else 2,
                cached=packed.first.nbytes + packed.rest.nbytes < l2_bytes(),
                cached_steps=l2_bytes() // 2 // row_bytes,
                rows=l2_bytes() // 8 // row_bytes,
            ),
            no_mask=np.zeros((0, 0), np.bool_),
            no_state=(np.zeros((0, 0), dtype),) * len(spec.states),
            key=(spec.name, recurrence.activation or "", recurrence.recurrent_activation or "", lanes, vector),
        )
        _ = prepared.kernel
        return prepared

    def warm(self, prepared: Prepared) -> None:
        """`prepare` has compiled all there is."""

    def scan(
        self,
        prepared: Prepared,
        x: Array,
        mask: Array | None,
        initial_state: tuple[Array, ...] | None,
        options: ScanOptions,
    ) -> tuple[Array, Array]:
        """Run the whole sequence; see `Backend.scan`."""
        p = prepared
        (B, T, _), S, width, dtype = x.shape, len(p.no_state), p.N * p.H, p.recurrence.dtype
        y = np.empty((B, T, width) if options.return_sequences else (B, width), dtype)
        last = np.empty((p.N * S, B, p.H), dtype)
        if p.N > 1 and initial_state is not None:
            initial_state = tuple(np.concatenate(initial_state[s::S]) for s in range(S))
        how = p.plan(B, T)
        args = (
            x, p.no_mask if mask is None else mask, p.no_state if initial_state is None else initial_state, *p.packed,
            y.reshape(-1, width) if options.return_sequences else y, last,
            options.flags,
        )  # fmt: skip
        helped = team.enter(how.seats) if how.seats > 1 else None
        if helped is None:
            p.kernel(0, team.ALONE, *args, *how[:2], 1, 1)
            return y, last
        try:
            p.kernel(0, helped.words, *args, *how)
        finally:
            helped.leave()
        return y, last

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> PreparedLinear:
        """Pack the weights and compile the kernel, or take it from the disk cache."""
        lanes = lanes_of(kernel.dtype)
        with _building:
            run = _linear_kernel(lanes, vector_bytes())
        w, b = pack_matrix(expand(kernel), 1, lanes), pack_bias(bias, 1, lanes)
        x = y = np.empty((0, 0), kernel.dtype)
        return PreparedLinear(w, b, kernel.shape[1], compile_for(run, f"linear {kernel.dtype}", x, w, b, y))

    def linear(self, prepared: PreparedLinear, x: Array) -> Array:
        """`x @ kernel + bias` by the register tile."""
        y = np.empty((len(x), prepared.H), x.dtype)
        prepared.run(x, prepared.kernel, prepared.bias, y)
        return y
