"""Times of work on a GPU's stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from numba_rnn.kernels.cuda.toolkit import cuda

from .section import Bench

__all__ = ["best", "elapsed", "host"]

FAR = 8  # times the fastest


def elapsed(bench: Bench, stream: Any, call: Callable[[], object]) -> float:
    """Seconds from an idle stream to the end of what one call puts onto it, by the GPU's own clock."""
    if bench.simulated:
        return host(call)
    begin, end = cuda.event(), cuda.event()
    stream.synchronize()
    begin.record(stream)
    call()
    end.record(stream)
    end.synchronize()
    return cuda.event_elapsed_time(begin, end) * 1e-3


def host(call: Callable[[], object]) -> float:
    """Seconds by the host's clock."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def best(sides: dict[str, Callable[[], float]], seconds: float, most: int = 30) -> dict[str, float]:
    """The shortest time of each side; they take turns for so many seconds, at least three and at most `most` of them.

    One that is far behind after the first turn gets one more.
    """
    found = {name: side() for name, side in sides.items()}
    until, turns = time.perf_counter() + seconds, 1
    while turns < 3 or (turns < most and time.perf_counter() < until):
        for name, side in sides.items():
            if turns == 1 or found[name] < FAR * min(found.values()):
                found[name] = min(found[name], side())
        turns += 1
    return found
