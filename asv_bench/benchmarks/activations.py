"""What an activation costs by the host's own vectors, numbers in the first-level cache: at most 0.6 ns a float32, by agreement."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from numba_rnn.kernels.cpu import ops
from numba_rnn.kernels.cpu.host import lanes_of
from numba_rnn.kernels.cpu.pack import aligned
from numba_rnn.kernels.cpu.simd import load_tuple, store

__all__ = ["Activations", "nanoseconds"]

# 8 KiB of float64 each way; a try is about 1 ms; the fastest counts.
ELEMENTS, PASSES, TRIES = 1024, 1000, 50


def _compiled(name: str, lanes: int) -> Callable[..., Any]:
    function = ops.ACTIVATIONS[name]

    @njit(nogil=True, error_model="numpy")
    def run(x, y, passes):
        for _ in range(passes):
            for i in range(0, x.size, lanes):
                store(y, i, function(load_tuple(lanes, 1, x, i)[0]), lanes)

    return run


def nanoseconds(name: str, dtype: str) -> float:
    """The time an element takes."""
    kind = np.dtype(dtype)
    x, y = aligned((ELEMENTS,), kind), aligned((ELEMENTS,), kind)
    x[:] = np.random.default_rng(0).standard_normal(ELEMENTS)
    run = _compiled(name, lanes_of(kind))
    run(x, y, 1)
    seconds = float("inf")
    for _ in range(TRIES):
        start = time.perf_counter()
        run(x, y, PASSES)
        seconds = min(seconds, time.perf_counter() - start)
    return seconds / (ELEMENTS * PASSES) * 1e9


class Activations:
    """The three that cells use most."""

    params = (["exponential", "sigmoid", "tanh"], ["float32", "float64"])
    param_names = ("activation", "dtype")

    def track_element(self, activation: str, dtype: str) -> float:
        return nanoseconds(activation, dtype)

    track_element.unit = "ns"  # type: ignore[attr-defined]
