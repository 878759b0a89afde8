"""The CPU backend: compiles a kernel for each kind of recurrence, packs weights for it, and calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from threading import Lock
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import CELLS
from numba_rnn.compressed import Compressed, expand
from numba_rnn.config import settings
from numba_rnn.kernels.backend import SEQUENCES, CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cpu.calls import build_again, build_repeat, keep
from numba_rnn.kernels.cpu.cost import WORTH_A_KERNEL, Cost, cost
from numba_rnn.kernels.cpu.dot import LONGEST
from numba_rnn.kernels.cpu.host import dots, l2_bytes, lanes_of, readable, rows_shape, tile_shape, vector_bytes
from numba_rnn.kernels.cpu.jit import compile_for
from numba_rnn.kernels.cpu.ops import ACTIVATIONS
from numba_rnn.kernels.cpu.pack import PackedWeights, pack_for_rows, pack_linear, pack_weights, side_by_side
from numba_rnn.kernels.cpu.plan import Load, Plan, plan, plan_rows
from numba_rnn.kernels.cpu.product import build_linear
from numba_rnn.kernels.cpu.scan import build_scan
from numba_rnn.kernels.cpu.scan_rows import build_scan_rows
from numba_rnn.kernels.cpu.team import ALONE, allowed_threads, enter, serve
from numba_rnn.kernels.fingerprint import source

__all__ = ["CPU"]

Kernel = Callable[..., int]
Again = Callable[[Array, Array, Array], int]  # of x, y and last
Shape = tuple[int, ...]

DESCRIBED = (1, 1), (1, 100), (32, 100)  # calls whose plans `describe` tells, rows and steps
MANY = 1 << 20  # rows: more than any choice depends on
PLANS = 1000  # of a cell that are kept, one a shape; and calls, one a shape and options

_building = Lock()  # or two threads that need the same kernel first would compile it twice


def _kept(dtype: Any, storage: str | None) -> str:
    return f"{dtype}, weights kept as {storage}" if storage else f"{dtype}"


@cache
def _jitable(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba.extending import register_jitable

    registered: Callable[..., Any] = register_jitable(function)
    return registered


@cache
def _scan_kernel(cell: str, act: str, rec: str, lanes: int, vector: int, storage: str | None) -> Kernel:
    """The kernel for a cell, its activations, vectors of `lanes` numbers and `vector` bytes, and weights kept as `storage`."""
    spec = CELLS[cell]
    G = len(spec.gates)
    first = spec.first or G
    run: Kernel = build_scan(
        source(), lanes, G, first, len(spec.states), len(spec.extra),
        tile_shape(vector, G, storage), tile_shape(vector, max(first, G - first), storage),
        _jitable(spec.update), _jitable(spec.gate or spec.update), ACTIVATIONS[act], ACTIVATIONS[rec],
    )  # fmt: skip
    return run


@cache
def _rows_kernel(cell: str, act: str, rec: str, lanes: int, vector: int) -> Kernel:
    """The same, with vectors of batch rows."""
    spec = CELLS[cell]
    G = len(spec.gates)
    run: Kernel = build_scan_rows(
        source(), lanes, G, spec.first or G, len(spec.states), len(spec.extra), rows_shape(vector),
        _jitable(spec.update), _jitable(spec.gate or spec.update), ACTIVATIONS[act], ACTIVATIONS[rec],
    )  # fmt: skip
    return run


def load_of(recurrence: Recurrence, D: int, H: int) -> Load:
    """What a step of a cell with D inputs and H units takes."""
    G, panels, item = len(recurrence.spec.gates), -(-H // lanes_of(recurrence.dtype)), recurrence.dtype.itemsize
    row_bytes = panels * lanes_of(recurrence.dtype) * G * item  # the projected input, about half of what a row takes
    weight = {None: item, "int8": 1}.get(readable(recurrence.storage), 2)  # bytes
    return Load(
        madds=(D + H) * G * H,
        panels=panels,
        phases=1 if recurrence.spec.first is None else 2,
        cached=H * row_bytes // item * weight < l2_bytes(),
        cached_steps=l2_bytes() // 2 // row_bytes,
        rows=l2_bytes() // 8 // row_bytes,
    )


def cost_of(recurrence: Recurrence, D: int, H: int) -> Cost:
    """What tells for which batches of such a cell vectors of rows are faster."""
    spec, item, vector = recurrence.spec, recurrence.dtype.itemsize, vector_bytes()
    G, lanes = len(spec.gates), lanes_of(recurrence.dtype)
    panels, row_panels = tile_shape(vector, G).panels, rows_shape(vector).panels
    return cost(G, len(spec.states), D, H, lanes, panels, row_panels, l2_bytes() // 2 // item)


@cache
def _linear_kernel(lanes: int, vector: int, storage: str | None) -> Kernel:
    shape = tile_shape(vector, 1, storage)
    run: Kernel = build_linear(source(), lanes, shape.tall, shape.short, shape.panels, shape.row_panels)
    return run


@cache
def _again(dtype: np.dtype[Any], axes: int) -> Callable[..., int]:
    """What makes kept calls whose y has two axes or three."""
    a, y = np.empty((0, 0, 0), dtype), np.empty((0, 0, 0)[:axes], dtype)
    with _building:
        compiled: Callable[..., int] = compile_for(build_again(source()), f"kept calls {dtype}", ALONE, a, y, a)
    return compiled


@cache
def _repeat() -> Callable[..., int]:
    """What makes kept calls as they were."""
    with _building:
        compiled: Callable[..., int] = compile_for(build_repeat(source()), "kept calls", ALONE)
    return compiled


@dataclass(frozen=True)
class Prepared:
    """A cell ready to run.

    Attributes:
        recurrence: what kind of recurrence it is.
        packed: its weights in panels.
        N: how many cells they are.
        S, H: states of a cell, units.
        load: what a step takes.
        cost: what tells for which batches vectors of rows are faster.
        no_mask, no_state: what the kernel takes for None.
        build, key: `_scan_kernel` or `_rows_kernel`, and its arguments; the vector's width is the one at the time, whatever the
            settings become.
        plans: what `plan` found, by rows, steps and the threads setting.
        calls: those that came twice, by the shape of x, the options and the threads setting: with the shapes of y and last.
    """

    recurrence: Recurrence
    packed: PackedWeights
    N: int
    S: int
    H: int
    load: Load
    cost: Cost
    no_mask: Array
    no_state: tuple[Array, ...]
    build: Callable[..., Kernel]
    key: tuple[str | int | None, ...]
    plans: dict[tuple[int, int, int], tuple[Prepared, Plan]] = field(default_factory=dict, compare=False)
    calls: dict[tuple[Shape, int, int], tuple[Again, Shape, Shape]] = field(default_factory=dict, compare=False)

    def plan(self, B: int, T: int) -> tuple[Prepared, Plan]:
        """Who runs B rows of T steps, this or `rows`, and how to cut them, on as many threads as the settings allow; see `plans`.

        One row never waits for another kernel to be compiled, nor does a batch that it would save little.
        """
        if len(self.plans) >= PLANS:
            self.plans.clear()
        setting, threads = settings.threads, allowed_threads()
        found = self, plan(self.load, self.N, B, T, threads)
        if B > 1 and self.key[-1] is None:
            by_rows = plan_rows(self.cost, self.N, B, T, threads)
            if self.N * self.cost.saved(B, T, found[1].seats, by_rows.seats) > WORTH_A_KERNEL:
                found = self.rows, by_rows
        self.plans[B, T, setting] = found
        return found

    def keep(self, runner: Prepared, how: Plan, x: Array, y: Array, last: Array, flags: int) -> None:
        """Keep a call of `runner` that was just made, without mask and states and on one thread."""
        if len(self.calls) >= PLANS:
            self.calls.clear()
        r = runner
        words = keep(r.kernel, x, r.no_mask, r.no_state, *r.packed, y, last, flags, how.chunk, how.block, 1)
        y_shape = y.shape if flags & SEQUENCES else (y.shape[0], y.shape[2])
        again = partial(_again(x.dtype, len(y_shape)), words)
        self.calls[x.shape, flags, settings.threads] = again, y_shape, last.shape

    @cached_property
    def rows(self) -> Prepared:
        """The same cells for vectors of rows, from the same weights."""
        packed = pack_for_rows(self.packed, self.N, self.H, rows_shape(self.key[-2]).tall)
        return replace(self, packed=packed, build=_rows_kernel, key=self.key[:-1], plans={}, calls={})

    def paired(self, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """N*S states (B, H) as the kernel takes them: S of (N*B, H)."""
        return states if self.N == 1 else tuple(np.concatenate(states[s :: self.S]) for s in range(self.S))

    @cached_property
    def kernel(self) -> Kernel:
        """The compiled kernel."""
        r = self.recurrence
        with _building:
            kernel = self.build(*self.key)
        x = y = last = np.empty((0, 0, 0), r.dtype)
        what = f"{r.spec.name} ({r.activation}, {r.recurrent_activation}) {_kept(r.dtype, r.storage)}"
        what += " by rows" if self.build is _rows_kernel else ""
        return compile_for(kernel, what, 0, ALONE, x, self.no_mask, self.no_state, *self.packed, y, last, 0, 1, 1, 1, 1)


@dataclass(frozen=True)
class PreparedLinear:
    """A matrix ready to multiply: kernel (HB, D, 1, lanes), bias (HB, 1, lanes), as `pack.pack_linear` returns them."""

    kernel: Array
    bias: Array
    H: int
    run: Kernel


def _run(kernel: Kernel, how: Plan, arguments: tuple[Any, ...]) -> None:
    """Call a kernel, with the helper threads that the plan wants if they are free."""
    chunk, block, parts, seats = how
    if seats == 1 or (helped := enter(seats)) is None:
        kernel(0, ALONE, *arguments, chunk, block, 1, 1)
    else:
        try:
            kernel(0, helped.words, *arguments, chunk, block, parts, seats)
        finally:
            helped.leave()


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

    def describe(self, recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
        """The kernel in words, and how a few calls would be cut."""
        storage = readable(recurrence.storage)
        lanes, kept = lanes_of(recurrence.dtype), f", weights kept as {storage}" if storage else ""
        text = f"fused {recurrence.spec.name} kernel, {recurrence.dtype} x {lanes} SIMD lanes{kept}"
        if D is None or H is None:
            return text
        load, threads = load_of(recurrence, D, H), allowed_threads()
        plans = (f"{B} x {T}: {plan(load, 1, B, T, threads)}" for B, T in DESCRIBED)
        return f"{text}; rows x steps: {', '.join(plans)}"

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Prepared:
        """Pack the weights and compile the kernel, or take it from the disk cache."""
        spec, dtype = recurrence.spec, recurrence.dtype
        G, lanes, vector = len(spec.gates), lanes_of(dtype), vector_bytes()
        storage = readable(recurrence.storage)
        N, D, H = len(weights), weights[0].kernel.shape[0], weights[0].recurrent_kernel.shape[0]
        dotted = dots(vector) and H <= LONGEST
        packed = side_by_side(
            [pack_weights(w if storage else w.expanded(), G, spec.first or G, lanes, dots=dotted) for w in weights]
        )
        prepared = Prepared(
            recurrence=recurrence,
            packed=packed,
            N=N,
            S=len(spec.states),
            H=H,
            load=load_of(recurrence, D, H),
            cost=cost_of(recurrence, D, H),
            no_mask=np.zeros((0, 0), np.bool_),
            no_state=(np.zeros((0, 0), dtype),) * len(spec.states),
            build=_scan_kernel,
            key=(spec.name, recurrence.activation or "", recurrence.recurrent_activation or "", lanes, vector, storage),
        )
        _ = prepared.kernel
        return prepared

    def warm(self, prepared: Prepared) -> None:
        """Compile what helper threads run, and the kernel for vectors of rows if any batch is faster by them."""
        if allowed_threads() > 1:
            serve()
        if prepared.key[-1] is None and prepared.cost.saved(MANY, 1) > 0:
            _ = prepared.rows.kernel

    def scan(
        self,
        prepared: Prepared,
        x: Array,
        mask: Array | None,
        initial_state: tuple[Array, ...] | None,
        options: ScanOptions,
    ) -> tuple[Array, Array]:
        """Run the whole sequence; see `Backend.scan`."""
        flags = options.flags
        if mask is None and initial_state is None:
            kept = prepared.calls.get((x.shape, flags, settings.threads))
            if kept is not None:
                again, y_shape, last_shape = kept
                y, last = np.empty(y_shape, x.dtype), np.empty(last_shape, x.dtype)
                again(x, y, last)
                return y, last
        B, T, _ = x.shape
        y = np.empty((B, T if flags & SEQUENCES else 1, prepared.N * prepared.H), x.dtype)
        last = np.empty((prepared.N * prepared.S, B, prepared.H), x.dtype)
        seen = prepared.plans.get((B, T, settings.threads))
        p, how = seen or prepared.plan(B, T)
        m = p.no_mask if mask is None else mask
        states = p.no_state if initial_state is None else p.paired(initial_state)
        _run(p.kernel, how, (x, m, states, *p.packed, y, last, flags))
        if seen and how.seats == 1 and mask is None and initial_state is None:
            prepared.keep(p, how, x, y, last, flags)
        return (y if flags & SEQUENCES else y[:, 0]), last

    def bind(
        self, prepared: Prepared, x: Array, mask: Array | None, states: Array, y: Array, options: ScanOptions
    ) -> Callable[[], object]:
        """A kept call, or on several threads one that is made anew; see `Backend.bind`."""
        B, T, _ = x.shape
        p, how = prepared.plans.get((B, T, settings.threads)) or prepared.plan(B, T)
        m = p.no_mask if mask is None else mask
        # The kernel has read all states before it writes the first.
        arguments = x, m, tuple(states), *p.packed, y if y.ndim == 3 else y[:, None], states, options.flags
        if how.seats == 1:
            return partial(_repeat(), keep(p.kernel, *arguments, how.chunk, how.block, 1))
        return partial(_run, p.kernel, how, arguments)

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> PreparedLinear:
        """Pack the weights and compile the kernel, or take it from the disk cache."""
        storage = readable(kernel.storage) if isinstance(kernel, Compressed) else None
        lanes = lanes_of(kernel.dtype)
        with _building:
            run = _linear_kernel(lanes, vector_bytes(), storage)
        w, b = pack_linear(kernel if storage else expand(kernel), bias, 1, lanes)
        x = y = np.empty((0, 0), kernel.dtype)
        what = f"linear {_kept(kernel.dtype, storage)}"
        return PreparedLinear(w, b, kernel.shape[1], compile_for(run, what, x, w, b, y))

    def linear(self, prepared: PreparedLinear, x: Array) -> Array:
        """`x @ kernel + bias` by the register tile."""
        y = np.empty((len(x), prepared.H), x.dtype)
        prepared.run(x, prepared.kernel, prepared.bias, y)
        return y
