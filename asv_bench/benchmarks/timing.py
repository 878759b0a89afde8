"""The shortest time of several calls that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["best"]

# Several calls a turn: whatever slows the machine meets all sides, and none finds its weights evicted by another, as it would if
# single calls alternated. 20 ms also outlast the few milliseconds that idle threads of some peers keep a core busy for, so that a
# turn ends undisturbed.
TURN = 0.02
TURNS = 4  # at least; long calls get one call a turn
FAR_BEHIND = 4.0  # times the best: such a side gets no more turns, which is half of a run saved


def best(calls: Sequence[Callable[[], Any]], seconds: float) -> list[float]:
    """The shortest time of each call, in seconds, after about `seconds` spent on each."""
    clock = time.perf_counter
    minima, spent, active, turns = [float("inf")] * len(calls), [0.0] * len(calls), list(range(len(calls))), 0
    while active:
        for i in active:
            call, least, begin = calls[i], minima[i], clock()
            end = begin
            while end - begin < TURN:
                start = clock()
                call()
                end = clock()
                least = min(least, end - start)
            minima[i] = least
            spent[i] += end - begin
        turns += 1
        if turns >= TURNS:
            bar = FAR_BEHIND * min(minima)
            active = [i for i in active if spent[i] < seconds and minima[i] <= bar]
    return minima
