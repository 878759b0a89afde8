"""What the processor can do, measured by the library's own vectors, and the least time that a case can take with that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from numba_rnn.cells import CELLS
from numba_rnn.kernels.cpu.host import lanes_of, tile_shape, vector_bytes
from numba_rnn.kernels.cpu.pack import aligned
from numba_rnn.kernels.cpu.simd import fma, load_tuple, splat, store
from numba_rnn.kernels.cpu.tile import tile

from .shapes import Case

__all__ = ["bounds", "cache_bytes", "limit", "measure"]

LEVELS = ("L1", "L2", "L3", "memory")
TRIES, SECONDS = 20, 0.004  # runs of so many seconds; the fastest counts
FLOAT = np.dtype(np.float32)
# Sums in flight: eight hide the latency of two fma units; ten and the two operands fit into 16 registers.
CHAINS, LOADS = 10, 8


def cache_bytes() -> dict[str, int]:
    """Bytes of a core's data caches and of the shared one; common sizes where the system does not say."""
    sizes = {"L1": 32 << 10, "L2": 512 << 10, "L3": 16 << 20}
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (folder / "type").read_text().strip() != "Instruction":
            level = "L" + (folder / "level").read_text().strip()
            sizes[level] = int((folder / "size").read_text().strip().rstrip("K")) << 10
    return sizes


@cache
def _kernels() -> tuple[Callable[..., Any], ...]:
    """Multiply-adds between registers; loads that are added up; the register tile over one panel. None is kept on disk."""
    lanes = lanes_of(FLOAT)
    shape, gates = tile_shape(vector_bytes(), 4), 4
    rows, panels = shape.tall, shape.panels

    @njit(nogil=True, error_model="numpy")
    def multiply_adds(a, out, passes):
        s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 = load_tuple(lanes, CHAINS, a, 0)
        m, c = splat(0.5, s0), splat(1.0, s0)
        for _ in range(passes):
            s0, s1, s2, s3, s4 = fma(s0, m, c), fma(s1, m, c), fma(s2, m, c), fma(s3, m, c), fma(s4, m, c)
            s5, s6, s7, s8, s9 = fma(s5, m, c), fma(s6, m, c), fma(s7, m, c), fma(s8, m, c), fma(s9, m, c)
        store(out, 0, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)) + (s8 + s9), lanes)

    @njit(nogil=True, error_model="numpy")
    def loads(a, out, passes):
        s0, s1, s2, s3, s4, s5, s6, s7 = load_tuple(lanes, LOADS, a, 0)
        for _ in range(passes):
            for i in range(0, a.size, LOADS * lanes):
                v = load_tuple(lanes, LOADS, a, i)
                s0, s1, s2, s3 = s0 + v[0], s1 + v[1], s2 + v[2], s3 + v[3]
                s4, s5, s6, s7 = s4 + v[4], s5 + v[5], s6 + v[6], s7 + v[7]
        store(out, 0, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)), lanes)

    @njit(nogil=True, error_model="numpy")
    def tiles(a, out, passes):
        K = a.size // (2 * panels * gates * lanes)  # half of `a` the panel, the rest the rows and the bias
        w = K * panels * gates * lanes
        for _ in range(passes):
            tile(lanes, rows, panels, gates, a, w, 0, 1, rows - 1, a, 0, K * gates * lanes, panels - 1, K, a, w,
                 0, gates * lanes, True, True, out, 0, panels * gates * lanes, gates * lanes)  # fmt: skip

    return multiply_adds, loads, tiles


def _rate(kernel: Callable[..., Any], elements: int, amount: float, threads: int) -> float:
    """`amount` a pass and thread, in units a second, all threads at it at once, each with an array of so many elements."""
    whole = LOADS * lanes_of(FLOAT)
    arrays = [aligned((-(-elements // whole) * whole,), FLOAT) for _ in range(threads)]
    for a in arrays:
        a[:] = 1.0  # pages that nobody has written are all one page, in the first-level cache
    outs = [aligned((4096,), FLOAT) for _ in range(threads)]
    clock = time.perf_counter
    kernel(arrays[0], outs[0], 1)
    start = clock()
    kernel(arrays[0], outs[0], 1)
    passes = max(1, int(SECONDS / (clock() - start)))
    start = clock()
    kernel(arrays[0], outs[0], passes)  # once more: a single pass is mostly the call
    passes = max(1, int(passes * SECONDS / (clock() - start)))
    seconds = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(TRIES):
            start = clock()
            if threads == 1:
                kernel(arrays[0], outs[0], passes)
            else:
                list(pool.map(kernel, arrays, outs, [passes] * threads))
            seconds = min(seconds, clock() - start)
    return amount * passes * threads / seconds


def measure(threads: int) -> dict[str, float]:
    """The rates of so many threads together, on arrays of their own.

    `fma`: floating-point operations a second, two a multiply-add, between registers; `tile`: the same by the register tile on a
    panel in the first-level cache, which shows what the tile itself leaves; `L1`, `L2`, `L3`, `memory`: bytes a second that
    whole vectors load, from arrays of half of each private cache, a quarter of the shared one, and four times that one.
    """
    lanes, sizes = lanes_of(FLOAT), cache_bytes()
    multiply_adds, loads, tiles = _kernels()
    panel = sizes["L1"] // 2 // FLOAT.itemsize
    shape = tile_shape(vector_bytes(), 4)
    width = shape.panels * 4 * lanes
    rates = {
        "threads": threads,
        "fma": _rate(multiply_adds, CHAINS * lanes, 2 * CHAINS * lanes, threads),
        "tile": _rate(tiles, 2 * panel, 2 * shape.tall * (2 * panel // (2 * width)) * width, threads),
    }
    arrays = {"L1": sizes["L1"] // 2, "L2": sizes["L2"] // 2, "L3": sizes["L3"] // 4, "memory": sizes["L3"] * 4}
    whole = LOADS * lanes * FLOAT.itemsize
    for level, size in arrays.items():
        size = size // whole * whole  # noqa: PLW2901
        rates[level] = _rate(loads, size // FLOAT.itemsize, size, threads)
    return rates


def _read(size: float, rates: dict[str, float]) -> float:
    """Seconds to read `size` bytes over and over, once: what fits is read from the first level, the next from the second, ...

    No replacement policy can do better. Private caches count once for each thread.
    """
    threads, sizes, seconds = rates["threads"], cache_bytes(), 0.0
    for level in LEVELS:
        room = sizes.get(level, float("inf")) * (1 if level == "L3" else threads)
        here = min(size, room)
        seconds, size = seconds + here / rates[level], size - here
    return seconds


def bounds(case: Case, rates: dict[str, float]) -> dict[str, float]:
    """Seconds that no kernel can undercut, by what holds it; the largest is the limit.

    - `multiply-adds`: 2 n G H (D + H) operations for each layer and direction over the peak rate, n the steps that count.
    - `weights`: the recurrent kernel, 4 G H H bytes, is needed anew at every step, since h is only known then: it is read T times
      from the caches that it fits into, and the kernel, 4 D G H bytes, once. With T = 1, both once, as one working set.
    - `input and output`: x and y of every layer once.

    Left out: activations, the latency from one step to the next, the call itself. Threads are taken to share the work evenly.
    """
    G = len(CELLS[case.cell].gates)
    steps, item = int(case.lengths().sum()), FLOAT.itemsize
    operations, weights, arrays = 0.0, 0.0, 0.0
    for n in range(case.layers):
        D = case.inputs_of(n)
        U, W = item * G * case.H * case.H, item * G * case.H * D
        operations += case.directions * 2 * steps * G * case.H * (D + case.H)
        each = _read(U + W, rates) if case.T == 1 else case.T * _read(U, rates) + _read(W, rates)
        weights += case.directions * each
        arrays += _read(item * steps * (D + case.directions * case.H), rates)
    return {"multiply-adds": operations / rates["fma"], "weights": weights, "input and output": arrays}


def limit(case: Case, rates: dict[str, float]) -> tuple[float, str]:
    """The largest of `bounds`, in seconds, and its name."""
    found: Iterable[tuple[str, float]] = bounds(case, rates).items()
    name, seconds = max(found, key=lambda item: item[1])
    return seconds, name
