"""Where one call computes whose arrays are on the GPU: the caller's stream, and what can be done with arrays there.

Every array that is not a result is borrowed from the stream's pool, and goes back when nobody has it any more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import arrays, elementwise, toolkit
from numba_rnn.kernels.cuda.memory import view_of
from numba_rnn.kernels.cuda.strided import Memory, Strided, on_gpu

__all__ = ["Place"]

FLOAT32, BOOL = np.dtype(np.float32), np.dtype(np.bool_)


class Place:
    """One call.

    Args:
        backend: the CUDA backend.
        like: one of the caller's arrays: it says which stream is used, and what kind results are of; None if they are the host's.

    Attributes:
        stream: what everything is put onto.
        makes_results: whether arrays are of the caller's allocator, where it has one, to be handed out.
    """

    def __init__(self, backend: Any, like: Any) -> None:
        self.backend, self.driver, self.like = backend, backend.driver, like
        backend.check()
        handle = arrays.caller_stream(like)
        self.stream = backend.stream if handle is None else backend.external(handle)
        self.makes_results = False
        self._allocates = arrays.family(like) in arrays.ALLOCATORS
        self._kept: list[Any] = []

    # Memory

    def keep(self, owner: Any) -> None:
        """Keep something for as long as the call."""
        self._kept.append(owner)

    def let_wait(self, stream: Any) -> None:
        """Let a stream, as DLPack numbers them, wait for what was put onto this one so far."""
        if stream is not None and stream != -1 and (stream or arrays.LEGACY) != int(self.stream):
            self.driver.order(self.stream, self.driver.external(stream or arrays.LEGACY))

    def take(self, shape: tuple[int, ...], dtype: Any) -> Strided:
        """An array of any content."""
        dtype = np.dtype(dtype)
        if self.makes_results and self._allocates:
            return arrays.result(self, shape, dtype)
        pool = self.backend.pool(self.stream)
        return Strided(self, Memory(pool.take((math.prod(shape),), dtype), pool), shape)

    def bring(self, x: Any) -> Strided:
        """A foreign array where it lies; a copy of what is on the host."""
        if isinstance(x, Strided):
            return x
        if not on_gpu(x):
            x = np.ascontiguousarray(x)
            there = self.take(x.shape, x.dtype)
            if x.size:
                self.driver.send(x, there.array, self.stream)
            return there
        return arrays.bring(x, self)

    def give(self, x: Strided) -> Any:
        """A result for the caller: as it is where nobody else has its memory, otherwise a copy."""
        alone = x.memory.foreign is not None if self._allocates else x.memory.is_ours
        if not (alone and x.size == x.memory.flat.shape[0] and x.is_packed):
            before, self.makes_results = self.makes_results, True
            x = self.map("copy", x)
            self.makes_results = before
        return arrays.hand_out(x)

    def fetch(self, x: Strided) -> Array:
        """A copy on the host, once all that was put onto the stream is done.

        Raises:
            DeviceError, IndexError: as `CUDA.check`.
        """
        if not x.size:
            return np.empty(x.shape, x.dtype)
        found: Array = self.driver.download(self.packed(x).array, self.stream).reshape(x.shape)
        self.backend.check()
        return found

    def constant(self, uploaded: Any) -> Strided:
        """An array of weights, which `CUDA.upload_weights` has put there."""
        self.backend.order(self.stream)
        flat = view_of(uploaded, "flat", lambda: uploaded.reshape(uploaded.size))
        return Strided(self, Memory(flat), tuple(uploaded.shape))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Strided:
        """An array of zeros."""
        made = self.take(shape, dtype)
        if made.size:
            self.driver.fill(made.array, 0, self.stream)
        return made

    def number(self, value: float, dtype: Any) -> Strided:
        """An array () of this number."""
        made = Strided(
            self, Memory(self.backend.pool(self.stream).take((1,), dtype), self.backend.pool(self.stream)), ()
        )
        return self.map("number", made, out=made, numbers=(value,))

    def packed(self, x: Strided) -> Strided:
        """The same elements one after another, copied if they are not."""
        return x if x.is_packed else self.map("copy", x)

    def cast(self, x: Strided, dtype: Any) -> Strided:
        """The same numbers in another dtype."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        y = self.map("different", x, dtype=BOOL) if dtype == BOOL else self.map("copy", x, dtype=dtype)
        y.mask = x.mask
        return y

    # Elements

    def map(
        self,
        operation: str,
        *inputs: Strided,
        dtype: Any = None,
        out: Strided | None = None,
        numbers: tuple[float, ...] = (),
    ) -> Strided:
        """An operation of `elementwise.build_operations` on up to three arrays whose shapes broadcast.

        Args:
            operation: its name.
            inputs: a, b, c.
            dtype: of the result; the last input's if None.
            out: where the result belongs; a new array if None.
            numbers: p, q, r.
        """
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
        if out is None:
            out = self.take(shape, inputs[-1].dtype if dtype is None else dtype)
        if not out.size:
            return out
        real = next((x.dtype for x in (out, *inputs[::-1]) if x.dtype in toolkit.REALS), FLOAT32)
        spread = [x.spread(shape) for x in (*inputs, out)]
        sizes, strides = merged(shape, [x.strides for x in spread])
        if len(sizes) > elementwise.AXES:
            raise DeviceError(
                f"Arrays whose elements lie apart along more than {elementwise.AXES} axes are not moved on the GPU."
            )
        sizes = (1,) * (elementwise.AXES - len(sizes)) + sizes
        places = [(0,) * (elementwise.AXES - len(s)) + s + (x.offset,) for s, x in zip(strides, spread, strict=True)]
        flats = [x.memory.flat for x in spread]
        while len(flats) < 4:  # an operation does not look at what it does not need
            flats.insert(-1, flats[0])
            places.insert(-1, places[0])
        p, q, r = (real.type(number) for number in (*numbers, 0, 0, 0)[:3])
        self.backend.tile(
            ("map", operation, real), lambda: elementwise.build_map(_operations(real)[operation]),
            math.prod(sizes[:3]), sizes[3], self.stream, *flats, sizes, *places, p, q, r,
        )  # fmt: skip
        return out

    def fold(self, name: str, x: Strided, axis: int, number: float = 0.0) -> Strided:
        """One of `elementwise.FOLDS` along an axis, which is then gone; along an axis of no places only `sum` and `different`."""
        axis %= x.ndim
        rest = (*x.shape[:axis], *x.shape[axis + 1 :])
        out = self.take(rest, BOOL if name == "different" else x.dtype)
        if not out.size:
            return out
        before = x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
        (O, T, N), (so, st, sn) = before.shape, before.strides  # noqa: E741
        if N == 1:  # threads go along the last axis
            O, N, so, sn = 1, O, 0, so  # noqa: E741
        real = x.dtype if x.dtype in toolkit.REALS else FLOAT32
        self.backend.tile(
            ("fold", name, real), lambda: elementwise.build_fold(real, name),
            O, N, self.stream, before.memory.flat, out.memory.flat, (O, T, N), (so, st, sn, before.offset), real.type(number),
        )  # fmt: skip
        return out

    def softmax(self, x: Strided, logarithm: bool = False) -> Strided:
        """The softmax along the last axis, or its logarithm."""
        out = self.take(x.shape, x.dtype)
        if x.size:
            rows = math.prod(x.shape[:-1]), x.shape[-1]
            self.backend.tile(
                ("softmax", logarithm, x.dtype), lambda: elementwise.build_softmax(x.dtype, logarithm), rows[0], elementwise.WARP,
                self.stream, x.reshape(*rows).array, out.reshape(*rows).array,
            )  # fmt: skip
        return out

    def normalize(self, x: Strided, gamma: Strided, beta: Strided, epsilon: float, centre: bool) -> Strided:
        """Layer normalisation along the last axis: gamma and beta of its size."""
        out = self.take(x.shape, x.dtype)
        if x.size:
            rows = math.prod(x.shape[:-1]), x.shape[-1]
            self.backend.tile(
                ("normalize", centre, x.dtype), lambda: elementwise.build_normalize(x.dtype, centre), rows[0], elementwise.WARP,
                self.stream, x.reshape(*rows).array, gamma.array, beta.array, out.reshape(*rows).array, x.dtype.type(epsilon),
            )  # fmt: skip
        return out

    def gather(self, table: Strided, indices: Strided) -> Strided:
        """The rows of a table at indices (...); the next call raises `IndexError` where there was none."""
        n, D = indices.size, table.shape[1]
        out = self.take((*indices.shape, D), table.dtype)
        if out.size:
            self.backend.tile(
                ("gather", table.dtype), lambda: elementwise.build_gather(table.dtype), n, D, self.stream, table.array,
                indices.reshape(n).array, out.reshape(n, D).array, self.backend._error,
            )  # fmt: skip
        return out

    def join(self, parts: list[Strided], axis: int) -> Strided:
        """Arrays one after another along an axis, in the dtype that NumPy finds for them."""
        axis %= parts[0].ndim
        ends = np.cumsum([p.shape[axis] for p in parts]).tolist()
        shape = (*parts[0].shape[:axis], ends[-1], *parts[0].shape[axis + 1 :])
        out = self.take(shape, np.result_type(*(p.dtype for p in parts)))
        for part, end in zip(parts, ends, strict=True):
            self.map("copy", part, out=out.part(axis, end - part.shape[axis], end))
        return out

    # Products

    def scan(
        self, prepared: Any, x: Strided, mask: Strided | None, states: list[Strided] | None, options: ScanOptions
    ) -> tuple[Strided, Strided]:
        """A cell over whole sequences; see `Backend.scan`: the output, and the states (N*S, B, H)."""
        size = prepared.size
        B, T, _ = x.shape
        y = self.take((B, T if options.return_sequences else 1, size.N * size.H), x.dtype)
        last = self.take((size.N * size.S, B, size.H), x.dtype)
        if B:
            if states is None:
                self.driver.fill(last.array, 0, self.stream)
            else:
                for k, state in enumerate(states):
                    self.map("copy", state, out=last.at(0, k))
            four = last.reshape(size.N, size.S, B, size.H)
            self.backend.run(
                prepared, x.array, None if mask is None else mask.array, four.array, options, self.stream, y.array
            )
        return (y if options.return_sequences else y.reshape(B, size.N * size.H)), last

    def linear(self, prepared: Any, x: Strided, activation: str) -> Strided:
        """`activation(x @ kernel + bias)` along the last axis; the activation acts on each element."""
        rows, H = math.prod(x.shape[:-1]), prepared.bias.shape[0]
        out = self.take((*x.shape[:-1], H), x.dtype)
        if out.size:
            self.backend.linear_there(
                prepared, x.reshape(rows, x.shape[-1]).array, activation, self.stream, out.reshape(rows, H).array
            )
        return out


def merged(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Fewer axes for the same elements: those of size 1 go, and neighbours that every array steps through as one become one."""
    kept: list[tuple[int, list[int]]] = []
    for n, steps in zip(shape, zip(*strides, strict=True), strict=True):
        if n == 1:
            continue
        if kept and all(before == n * step for before, step in zip(kept[-1][1], steps, strict=True)):
            kept[-1] = kept[-1][0] * n, list(steps)
        else:
            kept.append((n, list(steps)))
    sizes = tuple(n for n, _ in kept) or (1,)
    return sizes, [tuple(steps[k] for _, steps in kept) or (0,) for k in range(len(strides))]


_made: dict[np.dtype[Any], Any] = {}


def _operations(real: np.dtype[Any]) -> Any:
    if real not in _made:
        _made[real] = elementwise.build_operations(real)
    return _made[real]
