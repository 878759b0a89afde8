"""The CPU backend: compiles a kernel for each kind of recurrence, packs weights for it, and calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cpu import threads
from numba_rnn.kernels.cpu.host import host_lanes, l2_bytes, tile_shape
from numba_rnn.kernels.cpu.ops import ACTIVATIONS
from numba_rnn.kernels.cpu.pack import PackedWeights, aligned, pack_bias, pack_matrix, pack_weights
from numba_rnn.kernels.cpu.product import build_linear
from numba_rnn.kernels.cpu.scan import build_scan
from numba_rnn.kernels.fingerprint import fingerprint
from numba_rnn.progress import compiling

__all__ = ["CPU"]

Kernel = Callable[..., int]


@cache
def _source() -> int:
    return fingerprint("cells", "kernels", "kernels/cpu")


def _lanes(dtype: np.dtype[Any]) -> int:
    return max(2, host_lanes() * 4 // dtype.itemsize)


@cache
def _jitable(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba.extending import register_jitable

    registered: Callable[..., Any] = register_jitable(function)
    return registered


@cache
def _kernel(cell: str, act: str, rec: str, lanes: int, register_lanes: int, parallel: bool) -> Kernel:
    spec = CELLS[cell]
    G = len(spec.gates)
    first = spec.first or G
    run: Kernel = build_scan(
        _source(), parallel, lanes, G, first, len(spec.states), len(spec.extra),
        tile_shape(register_lanes, G), tile_shape(register_lanes, max(first, G - first)),
        _jitable(spec.update), _jitable(spec.gate or spec.update), ACTIVATIONS[act], ACTIVATIONS[rec],
    )  # fmt: skip
    return run


@cache
def _linear_kernel(lanes: int, register_lanes: int) -> Kernel:
    shape = tile_shape(register_lanes, 1)
    run: Kernel = build_linear(_source(), lanes, shape.tall, shape.short, shape.panels, shape.row_panels)
    return run


@dataclass(frozen=True)
class Prepared:
    """A cell ready to run: its weights in panels and how to find its kernels."""

    recurrence: Recurrence
    packed: PackedWeights
    lanes: int
    register_lanes: int
    gates: int
    H: int
    rows: int
    row_chunk: int
    serial: Kernel
    no_mask: Array
    no_state: tuple[Array, ...]
    weights: tuple[Array, ...]

    @cached_property
    def parallel(self) -> Kernel:
        """The kernel that shares rows among threads; compiled when first needed."""
        r = self.recurrence
        act, rec = r.activation or "", r.recurrent_activation or ""
        return self.warm(_kernel(r.spec.name, act, rec, self.lanes, self.register_lanes, True), "on several threads")

    def warm(self, kernel: Kernel, how: str) -> Kernel:
        """Run one step of one row, so that the kernel is compiled, or taken from the disk cache, before it is needed."""
        r = self.recurrence
        x, y = np.zeros((1, 1, self.packed.kernel.shape[1]), r.dtype), np.empty((1, 1, self.H), r.dtype)
        last = np.empty((len(self.no_state), 1, self.H), r.dtype)
        with compiling(f"{r.spec.name} ({r.activation}, {r.recurrent_activation}) {r.dtype} {how}"):
            kernel(x, self.no_mask, self.no_state, *self.weights, y, last, 0, 1, 1, 1)
        return kernel


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
        lanes = _lanes(recurrence.dtype)
        return f"fused {recurrence.spec.name} kernel, {recurrence.dtype} x {lanes} SIMD lanes"

    def prepare(self, recurrence: Recurrence, weights: CellWeights) -> Prepared:
        """Pack the weights and compile the serial kernel, or take it from the disk cache."""
        spec, dtype = recurrence.spec, recurrence.dtype
        lanes, register_lanes = _lanes(dtype), host_lanes()
        G, S = len(spec.gates), len(spec.states)
        packed = pack_weights(weights, G, spec.first or G, lanes)
        act, rec = recurrence.activation or "", recurrence.recurrent_activation or ""
        H = weights.recurrent_kernel.shape[0]
        step_bytes = packed.bias.nbytes  # one row's projected input
        prepared = Prepared(
            recurrence, packed, lanes, register_lanes, G, H, tile_shape(register_lanes, G).tall, l2_bytes() // 2 // step_bytes,
            _kernel(spec.name, act, rec, lanes, register_lanes, False),
            np.zeros((0, 0), np.bool_), (np.zeros((0, 0), dtype),) * S,
            (packed.kernel, packed.bias, packed.first, packed.first_bias, packed.rest, packed.rest_bias, packed.extra),
        )  # fmt: skip
        prepared.warm(prepared.serial, "on one thread")
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
    ) -> tuple[Array, tuple[Array, ...]]:
        """Run the whole sequence; see `Backend.scan`."""
        B, T, D = x.shape
        H, S, G = prepared.H, len(prepared.no_state), prepared.gates
        y = np.empty((B, T if options.return_sequences else 1, H), x.dtype)  # one rank, or there would be two kernels
        last = np.empty((S, B, H), x.dtype)
        block, workers = threads.split(B, B * T * (D + H) * G * H, prepared.rows)
        # The projected input of a chunk of steps takes about half of the second-level cache.
        chunk = 1 if T == 1 else min(T, max(1, prepared.row_chunk // block))
        args = (
            x,
            prepared.no_mask if mask is None else mask,
            prepared.no_state if initial_state is None else initial_state,
            *prepared.weights, y, last, options.flags, chunk, block,
        )  # fmt: skip
        if workers == 1:
            prepared.serial(*args, workers)
        else:
            with threads.parallel_region() as allowed:
                (prepared.parallel if allowed else prepared.serial)(*args, workers)
        return y if options.return_sequences else y[:, 0], tuple(last)

    def prepare_linear(self, kernel: Array, bias: Array) -> PreparedLinear:
        """Pack the weights and compile the kernel, or take it from the disk cache."""
        lanes = _lanes(kernel.dtype)
        prepared = PreparedLinear(
            pack_matrix(kernel, 1, lanes),
            pack_bias(bias, 1, lanes),
            kernel.shape[1],
            _linear_kernel(lanes, host_lanes()),
        )
        with compiling(f"linear {kernel.dtype}"):
            self.linear(prepared, np.zeros((1, kernel.shape[0]), kernel.dtype))
        return prepared

    def linear(self, prepared: PreparedLinear, x: Array) -> Array:
        """`x @ kernel + bias` by the register tile."""
        w = prepared.kernel
        padded = aligned((len(x), w.shape[0] * w.shape[3]), x.dtype)
        prepared.run(x, w, prepared.bias, padded)
        return np.ascontiguousarray(padded[:, : prepared.H])
