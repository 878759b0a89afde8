"""The CUDA backend: uploads weights once, projects the input, launches the kernel that suits the shape."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.compressed import Compressed, expand
from numba_rnn.config import settings
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.cuda.compiled import Compiled, activations
from numba_rnn.kernels.cuda.cost import cpu_microseconds, gpu_microseconds
from numba_rnn.kernels.cuda.driver import Driver, Hardware
from numba_rnn.kernels.cuda.launch import Call, Size
from numba_rnn.kernels.cuda.memory import Pool, part_of, view_of
from numba_rnn.kernels.cuda.ops import ACTIVATIONS
from numba_rnn.kernels.cuda.plan import plan
from numba_rnn.kernels.cuda.presence import why_not
from numba_rnn.kernels.cuda.project import build_finish, build_multiply
from numba_rnn.kernels.cuda.scan import MASKED
from numba_rnn.kernels.cuda.stepped import run_steps

__all__ = ["CUDA"]

DESCRIBED = (1, 1), (1, 100), (32, 100)  # calls whose kernels `describe` names, rows and steps
WORTH = tuple(2**k for k in range(11))  # rows of the calls that `describe_worth` asks about
WARMED = 1, 32  # rows of the calls that `warm` compiles for
TILE_THREADS, MOST_TILES = 256, 65535  # of kernels that go over rows and columns: of a block; blocks along each


@dataclass(frozen=True)
class Prepared:
    """A cell, or two, ready to run: the weights on the device, in Keras' layout.

    Attributes:
        recurrence, size: what they are.
        kernels: the input's, N arrays (D, G*H).
        recurrent, biases, extra: as `scan` has them.
    """

    recurrence: Recurrence
    size: Size
    kernels: tuple[Any, ...]
    recurrent: Any
    biases: Any
    extra: Any


@dataclass(frozen=True)
class PreparedLinear:
    """A matrix (D, H) and a bias (H,) on the device."""

    kernel: Any
    bias: Any


class CUDA:
    """Runs every cell whose activations act unit by unit, on an NVIDIA GPU.

    Args:
        driver: the GPU; None for the current one, which is then looked for at the first call.
    """

    name = "cuda"

    def __init__(self, driver: Driver | None = None) -> None:
        self._given, self._lock = driver, threading.RLock()
        self._made: dict[str, Any] = {}
        self._pools: dict[Any, Pool] = {}
        self._external: dict[int, Any] = {}
        self._uploads = 0  # of weights, so far
        self._ordered: dict[int, int] = {}  # a stream's number: the uploads that it has waited for

    def missing(self) -> str | None:
        """None, or why there is no device."""
        return None if self._given is not None else why_not()

    @property
    def driver(self) -> Driver:
        """The device.

        Raises:
            DeviceError: there is none.
        """
        if self._given is None:
            if (reason := why_not()) is not None:
                raise DeviceError(f"Device 'cuda' cannot be used: {reason}.")
            with self._lock:
                self._given = self._given or Hardware()
        return self._given

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What all calls share, made by the first of them."""
        if name not in self._made:
            with self._lock:
                if name not in self._made:
                    self._made[name] = make()
        return self._made[name]

    @property
    def _compiled(self) -> Compiled:
        made: Compiled = self._once("compiled", lambda: Compiled(self.driver.kernel))
        return made

    @property
    def stream(self) -> Any:
        """The stream of calls whose arrays come from the host."""
        return self._once("stream", self.driver.stream)

    def pool(self, stream: Any) -> Pool:
        """The arrays that calls on this stream borrow."""
        key = getattr(stream, "handle", stream)
        return self._pools.get(key) or self._pools.setdefault(key, Pool(self.driver))

    def supports(self, recurrence: Recurrence) -> str | None:
        """None, or why another backend has to run it."""
        if (reason := self.missing()) is not None:
            return reason
        for name in (recurrence.activation, recurrence.recurrent_activation):
            if name is None:
                return "an activation is a Python function"
            if name not in ACTIVATIONS:
                return f"activation {name!r} mixes the units of a row"
        return None

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Prepared:
        """Upload the weights."""
        spec, plain = recurrence.spec, [w.expanded() for w in weights]
        up = self.upload_weights
        D, H = plain[0].kernel.shape[0], plain[0].recurrent_kernel.shape[0]
        return Prepared(
            recurrence=recurrence,
            size=size_of(recurrence, len(weights), D, H),
            kernels=tuple(up(w.kernel) for w in plain),
            recurrent=up(np.stack([w.recurrent_kernel for w in plain])),
            biases=up(np.stack([np.stack([w.bias, w.recurrent_bias]) for w in plain])),
            extra=up(np.stack([w.extra if spec.extra else np.zeros((1, H), recurrence.dtype) for w in plain])),
        )

    def upload_weights(self, array: Array) -> Any:
        """A copy on the device; whoever uses it on another stream than `stream` calls `order` first."""
        there = self.driver.upload(np.ascontiguousarray(array), self.stream)
        with self._lock:
            self._uploads += 1
        return there

    def external(self, handle: int) -> Any:
        """A stream that somebody else has made, by its number."""
        if handle not in self._external:
            self._external[handle] = self.driver.external(handle)
        return self._external[handle]

    def order(self, stream: Any) -> None:
        """Let a stream wait, on the device, until all weights are there that were uploaded so far."""
        uploads, number = self._uploads, int(stream)
        if stream is not self.stream and self._ordered.get(number) != uploads:
            self.driver.order(self.stream, stream)
            self._ordered[number] = uploads

    def _send(self, array: Array) -> Any:
        """A copy of a call's array on the device, in memory from the pool."""
        if array.size == 0:  # nothing to send, and nothing there to point to
            return self.pool(self.stream).take((*array.shape[:-1], 1), array.dtype)[..., :0]
        target = self.pool(self.stream).take(array.shape, array.dtype)
        self.driver.send(np.ascontiguousarray(array), target, self.stream)
        return target

    def describe(self, recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
        """The kernel in words, and which one a few calls would take."""
        text = f"{recurrence.spec.name} on {self.driver.device.name}, {recurrence.dtype}"
        if D is None or H is None:
            return text
        size, device = size_of(recurrence, 1, D, H), self.driver.device
        plans = (f"{B} x {T}: {plan(size, Call(B, T, settings.precision), device).kernel} kernel" for B, T in DESCRIBED)
        return f"{text}; rows x steps: {', '.join(plans)}"

    def is_worth(self, recurrence: Recurrence, N: int, D: int, H: int, B: int, T: int, sequences: bool) -> bool:
        """Whether a call on arrays of the host is estimated to be done sooner here, the way there and back included."""
        if B == 0:
            return False
        size, call, device = size_of(recurrence, N, D, H), Call(B, T, settings.precision), self.driver.device
        here = gpu_microseconds(size, call, plan(size, call, device), device, sequences)
        return here < cpu_microseconds(size, B, T, settings.threads or os.cpu_count() or 1)

    def describe_worth(self, recurrence: Recurrence, D: int, H: int) -> str:
        """From how many rows on a call of 100 steps is estimated to be done sooner here."""
        for B in WORTH:
            if self.is_worth(recurrence, 1, D, H, B, 100, True):
                return f"cuda from about {B} rows of 100 steps on (estimated)"
        return f"cuda for none of up to {WORTH[-1]} rows of 100 steps (estimated)"

    def warm(self, prepared: Prepared) -> None:
        """Compile, or take from the disk, the kernels that a few sequences take, and many: by a step of each."""
        for B in WARMED:
            x = np.zeros((B, 1, prepared.size.D), prepared.recurrence.dtype)
            self.scan(prepared, x, None, None, ScanOptions(return_sequences=True))

    def scan(
        self,
        prepared: Prepared,
        x: Array,
        mask: Array | None,
        initial_state: tuple[Array, ...] | None,
        options: ScanOptions,
    ) -> tuple[Array, Array]:
        """Run the whole sequence, there and back; see `Backend.scan`."""
        size, stream = prepared.size, self.stream
        B = x.shape[0]
        shape = size.N * size.S, B, size.H
        if B == 0:
            y = np.empty((0, x.shape[1], size.N * size.H)[:: 1 if options.return_sequences else 2], x.dtype)
            return y, np.empty(shape, x.dtype)
        x_there, mask_there = self._send(x), None if mask is None else self._send(mask)
        if initial_state is None:
            states_there = self.pool(stream).take((size.N, size.S, B, size.H), x.dtype)
            self.driver.fill(states_there, 0, stream)
        else:
            states_there = self._send(np.stack(initial_state).reshape(size.N, size.S, B, size.H))
        y_there, _ = self.run(prepared, x_there, mask_there, states_there, options, stream)
        y, last = self.driver.download(y_there, stream), self.driver.download(states_there, stream)
        self.pool(stream).give(y_there, x_there, states_there, *(() if mask_there is None else (mask_there,)))
        self.check()
        return (y if options.return_sequences else y[:, 0]), last.reshape(shape)

    def run(
        self,
        prepared: Prepared,
        x: Any,
        mask: Any | None,
        states: Any,
        options: ScanOptions,
        stream: Any,
        y: Any = None,
    ) -> tuple[Any, Any]:
        """A scan of arrays that are on the device, put onto a stream.

        Args:
            prepared: what `prepare` returned, of N cells.
            x: (B, T, D), B and T at least 1, rows contiguous.
            mask: bool (B, T), or None.
            states: (N, S, B, H), C-contiguous: overwritten by the last ones.
            options, stream: as they are.
            y: where the output belongs; taken from the stream's pool if None.

        Returns:
            The output, (B, T or 1, N*H), which the caller gives back to the stream's pool or keeps; and `states`.
        """
        size, r, driver, pool = prepared.size, prepared.recurrence, self.driver, self.pool(stream)
        B, T, _ = x.shape
        call = Call(B, T, settings.precision)
        launch = plan(size, call, driver.device)
        if y is None:
            y = pool.take((B, T if options.return_sequences else 1, size.N * size.H), r.dtype)
        work = pool.take(launch.work, r.dtype)
        flags = options.flags | (0 if mask is None else MASKED)
        mask = self._no_mask if mask is None else mask
        self.order(stream)
        for start in range(0, T, launch.steps):
            n = min(launch.steps, T - start)
            xw = pool.take((size.N, B, n, size.G * size.H), r.dtype)
            for cell, w in enumerate(prepared.kernels):
                t = T - start - n if options.go_backwards != (cell == 1) else start
                self.multiply(x if n == T else x[:, t : t + n], w, part_of(xw, cell), stream)
            if launch.kernel == "steps":
                arrays = xw, mask, prepared.biases, prepared.extra, states, y, work
                run_steps(
                    driver,
                    self._compiled,
                    r,
                    launch,
                    prepared.recurrent,
                    arrays,
                    start,
                    T,
                    flags,
                    call.precision,
                    stream,
                )
            else:
                kernel = self._compiled.scan(r, launch)
                for part in launch.parts(size.N, B):
                    if launch.waits:
                        driver.fill(work, 0xFF, stream)
                    driver.launch(
                        kernel, launch.grid, launch.threads, stream, xw, mask, prepared.recurrent, prepared.biases,
                        prepared.extra, states, y, work, self._error, start, T, flags | part,
                    )  # fmt: skip
            pool.give(xw)
        pool.give(work)
        return y, states

    def multiply(self, x: Any, w: Any, z: Any, stream: Any) -> None:
        """z = x w: x (B, T, D), rows contiguous, w (D, M), z (B, T, M)."""
        if w.shape[0] == 0:
            self.driver.fill(z, 0, stream)
        elif (product := self.driver.product(x, w, z, settings.precision, stream)) is not None:
            product()
        else:
            build = partial(build_multiply, toolkit.real_type(z.dtype))
            self.tile(("multiply", z.dtype), build, z.shape[0] * z.shape[1], z.shape[2], stream, x, w, z)

    def tile(
        self, key: Any, build: Callable[[], Callable[..., None]], rows: int, columns: int, stream: Any, *arguments: Any
    ) -> None:
        """Run a kernel that goes over rows, by blocks, and columns, by threads; `build` makes it where `key` is not known."""
        kernel = self._compiled.get(key, build, TILE_THREADS)
        threads = min(TILE_THREADS, 32 * math.ceil(columns / 32))
        grid = min(MOST_TILES, math.ceil(columns / threads)), min(MOST_TILES, rows)
        self.driver.launch(kernel, grid, threads, stream, *arguments)

    @property
    def _no_mask(self) -> Any:
        return self._once("no mask", lambda: self.upload_weights(np.ones((1, 1), np.bool_)))

    @property
    def _error(self) -> Any:
        return self._once("error", self.driver.flag)

    def check(self) -> None:
        """Raise what kernels have reported so far.

        Raises:
            DeviceError: blocks waited for one another in vain; the results since are wrong.
            IndexError: an Embedding got an index that it has no row for; the results are NaN.
        """
        if step := int(self._error[0]):
            self._error[0] = 0
            if step < 0:
                raise IndexError(
                    "An Embedding on the GPU was given an index that it has no row for, in an earlier call: its rows are NaN. The "
                    "model was made for another vocabulary."
                )
            raise DeviceError(f"A CUDA kernel waited in vain for another block at step {step - 1}. Run it again.")

    def bind(
        self, prepared: Prepared, x: Array, mask: Array | None, states: Array, y: Array, options: ScanOptions
    ) -> Callable[[], object]:
        """A scan whose results are copied to where they belong; see `Backend.bind`."""

        def run() -> None:
            y[...], states[...] = self.scan(prepared, x, mask, tuple(states), options)

        return run

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> PreparedLinear:
        """Upload the weights."""
        return PreparedLinear(self.upload_weights(np.asarray(expand(kernel))), self.upload_weights(bias))

    def linear(self, prepared: PreparedLinear, x: Array) -> Array:
        """`x @ kernel + bias`, there and back."""
        stream = self.stream
        B, H = x.shape[0], prepared.bias.shape[0]
        if B == 0 or H == 0:
            return np.empty((B, H), x.dtype)
        there = self._send(x)
        z = self.linear_there(prepared, there, "linear", stream)
        out = self.driver.download(z, stream)
        self.pool(stream).give(z, there)
        return out

    def linear_there(self, prepared: PreparedLinear, x: Any, activation: str, stream: Any, z: Any = None) -> Any:
        """`activation(x @ kernel + bias)` of arrays on the device: x (B, D); (B, H), into z or an array from the stream's pool."""
        dtype, B, H = np.dtype(prepared.bias.dtype), x.shape[0], prepared.bias.shape[0]
        if z is None:
            z = self.pool(stream).take((B, H), dtype)
        self.order(stream)
        one_x, one_z = (view_of(a, "one", partial(a.reshape, 1, *a.shape)) for a in (x, z))
        self.multiply(one_x, prepared.kernel, one_z, stream)
        act = activations(dtype.str)[activation]
        self.tile(("finish", dtype, activation), partial(build_finish, act), B, H, stream, z, prepared.bias)
        return z


def size_of(recurrence: Recurrence, N: int, D: int, H: int) -> Size:
    """The size of N cells of D inputs and H units."""
    spec, G = recurrence.spec, len(recurrence.spec.gates)
    return Size(
        G=G, first=spec.first or G, S=len(spec.states), E=len(spec.extra), N=N, D=D, H=H, item=recurrence.dtype.itemsize
    )
