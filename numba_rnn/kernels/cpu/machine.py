"""The CPU backend: compiles a kernel for each kind of recurrence, packs weights for it, and calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Lock
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import CELLS
from numba_rnn.compressed import Compressed, expand
from numba_rnn.kernels.backend import CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cpu import threads
from numba_rnn.kernels.cpu.host import l2_bytes, lanes_of, tile_shape, vector_bytes
from numba_rnn.kernels.cpu.jit import compile_for
from numba_rnn.kernels.cpu.ops import ACTIVATIONS
from numba_rnn.kernels.cpu.pack import PackedWeights, pack_bias, pack_matrix, pack_weights
from numba_rnn.kernels.cpu.product import build_linear
from numba_rnn.kernels.cpu.scan import build_scan
from numba_rnn.kernels.fingerprint import fingerprint

__all__ = ["CPU"]

Kernel = Callable[..., int]

_building = Lock()  # or two threads that need the same kernel first would compile it twice


@cache
def _source() -> int:
    return fingerprint("cells", "kernels", "kernels/cpu")


@cache
def _jitable(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba.extending import register_jitable

    registered: Callable[..., Any] = register_jitable(function)
    return registered


@cache
def _scan_kernel(cell: str, act: str, rec: str, lanes: int, vector: int, parallel: bool) -> Kernel:
    """The kernel for a cell, its activations, and vectors of `lanes` numbers and `vector` bytes."""
    spec = CELLS[cell]
    G = len(spec.gates)
    first = spec.first or G
    run: Kernel = build_scan(
        _source(), parallel, lanes, G, first, len(spec.states), len(spec.extra),
        tile_shape(vector, G), tile_shape(vector, max(first, G - first)),
        _jitable(spec.update), _jitable(spec.gate or spec.update), ACTIVATIONS[act], ACTIVATIONS[rec],
    )  # fmt: skip
    return run


@cache
def _linear_kernel(lanes: int, vector: int) -> Kernel:
    shape = tile_shape(vector, 1)
    run: Kernel = build_linear(_source(), lanes, shape.tall, shape.short, shape.panels, shape.row_panels)
    return run


@dataclass(frozen=True)
class Prepared:
    """A cell ready to run.

    Attributes:
        recurrence: what kind of recurrence it is.
        packed: its weights in panels.
        H, width: units, and gates times units.
        tall: rows of the tallest tile, which threads share batches by.
        cached_steps: how many steps of one row half of the second-level cache holds, their inputs projected.
        no_mask, no_state: what the kernel takes for None.
        key: arguments of `_scan_kernel` but the last; the vector's width is the one at the time, whatever the settings become.
    """

    recurrence: Recurrence
    packed: PackedWeights
    H: int
    width: int
    tall: int
    cached_steps: int
    no_mask: Array
    no_state: tuple[Array, ...]
    key: tuple[str, str, str, int, int]

    @cached_property
    def serial(self) -> Kernel:
        """The kernel for one thread."""
        return self._compiled(parallel=False)

    @cached_property
    def parallel(self) -> Kernel:
        """The kernel that shares rows among threads; compiled when first needed."""
        return self._compiled(parallel=True)

    def _compiled(self, *, parallel: bool) -> Kernel:
        r = self.recurrence
        with _building:
            kernel = _scan_kernel(*self.key, parallel)
        x = last = np.empty((0, 0, 0), r.dtype)
        y = np.empty((0, 0), r.dtype)
        activations, how = f"{r.activation}, {r.recurrent_activation}", "several threads" if parallel else "one thread"
        what = f"{r.spec.name} ({activations}) {r.dtype} on {how}"
        return compile_for(kernel, what, x, self.no_mask, self.no_state, *self.packed, y, last, 0, 1, 1, 1)


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

    def prepare(self, recurrence: Recurrence, weights: CellWeights) -> Prepared:
        """Pack the weights and compile the serial kernel, or take it from the disk cache."""
        spec, dtype = recurrence.spec, recurrence.dtype
        G, lanes, vector = len(spec.gates), lanes_of(dtype), vector_bytes()
        packed = pack_weights(weights.expanded(), G, spec.first or G, lanes)
        step_bytes = packed.bias.nbytes  # one row's projected input
        prepared = Prepared(
            recurrence=recurrence,
            packed=packed,
            H=weights.recurrent_kernel.shape[0],
            width=weights.recurrent_kernel.shape[1],
            tall=tile_shape(vector, G).tall,
            cached_steps=l2_bytes() // 2 // step_bytes,
            no_mask=np.zeros((0, 0), np.bool_),
            no_state=(np.zeros((0, 0), dtype),) * len(spec.states),
            key=(spec.name, recurrence.activation or "", recurrence.recurrent_activation or "", lanes, vector),
        )
        _ = prepared.serial
        return prepared

    def warm(self, prepared: Prepared) -> None:
        """Compile the kernel for several threads."""
        _ = prepared.parallel

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
        (B, T, D), H, dtype = x.shape, p.H, p.recurrence.dtype
        y = np.empty((B, T, H) if options.return_sequences else (B, H), dtype)
        last = np.empty((len(p.no_state), B, H), dtype)
        block, workers = threads.split(B, B * T * (D + H) * p.width, p.tall)
        args = (
            x, p.no_mask if mask is None else mask, p.no_state if initial_state is None else initial_state, *p.packed,
            y.reshape(-1, H) if options.return_sequences else y, last,
            options.flags, 1 if T == 1 else min(T, max(1, p.cached_steps // block)), block, workers,
        )  # fmt: skip
        if workers == 1:
            p.serial(*args)
        else:
            with threads.parallel_region() as allowed:
                (p.parallel if allowed else p.serial)(*args)
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
