"""The shortest time of several calls that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["best"]

# Several calls a turn: whatever slows the machine meets all sides, and none finds its weights evicted by another, as it would if
# single calls alternated.
TURN = 0.04  # seconds
TURNS = 4  # at least; long calls get one call a turn
FAR_BEHIND = 4.0  # times the best: such a side gets no more turns, which is half of a run saved


def settle() -> None:
    """Wait until this process' threads sleep, at most a fifth of a second.

    Idle threads go on spinning after a call and would share the cores with the next side: with two threads, ONNX Runtime's did
    for 70 ms, PyTorch's and ours for 10.
    """
    for _ in range(100):
        used = time.process_time()
        time.sleep(0.002)
        if time.process_time() - used < 0.0005:
            return


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
            settle()
        turns += 1
        if turns >= TURNS:
            bar = FAR_BEHIND * min(minima)
            active = [i for i in active if spent[i] < seconds and minima[i] <= bar]
    return minima
