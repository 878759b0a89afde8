"""How a call is cut into tasks and parts, and for how many threads: a small model of what each way costs.

Costs are in multiply-adds, which the register tile does at 45 to 55 in a nanosecond (16 lanes). The constants were measured by
running every way over a grid of shapes (`asv_bench/NOTES.md`); they need to be right within a factor of two only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba_rnn.kernels.cpu.cost import Cost

__all__ = ["Load", "Plan", "plan", "plan_rows"]

TEAM = 150_000  # to open a job, and to have helpers find it: 3 us
STEP = 12_500  # a thread, for all to wait for one another at the end of a step: 0.5 us for two
GAIN = 0.85  # of the cost on one thread is what more threads must stay below

# As many rows as cost what one row costs, since reading the weights takes that long: where they fit the second-level cache, and
# where they do not.
FREE_ROWS, FREE_ROWS_UNCACHED = 2, 4
BLOCK = 48  # rows of a task are not cut below that for the sake of the cache


class Load(NamedTuple):
    """What a step of a cell takes.

    Attributes:
        madds: multiply-adds of a row, its input's among them.
        panels: groups of units that threads can share out.
        phases: of a step, after each of which they wait for one another.
        cached: whether the second-level cache holds the weights.
        cached_steps: how many steps of one row half of that cache holds, their inputs projected.
        rows: as many as leave the cache to others, a quarter of it.
    """

    madds: int
    panels: int
    phases: int
    cached: bool
    cached_steps: int
    rows: int


class Plan(NamedTuple):
    """Arguments of the kernel: steps projected at once, rows of a task, parts of a step's panels, threads."""

    chunk: int
    block: int
    parts: int
    seats: int

    def __str__(self) -> str:
        if self.seats == 1:
            return "one thread"
        return f"{self.seats} threads share " + ("each step's units" if self.parts > 1 else "the batch")


def plan(load: Load, cells: int, B: int, T: int, threads: int) -> Plan:
    """The cheapest way to run `cells` cells, one or two, over B rows and T steps on at most so many threads."""
    free = FREE_ROWS if load.cached else FREE_ROWS_UNCACHED

    def step(rows: float) -> float:
        return max(rows, free) * load.madds

    best, block, parts, seats = GAIN * cells * T * step(B), B, 1, 1
    for s in range(2, threads + 1):
        if cells * B > 1:
            rows = _rows(B, -(-s // cells))
            cost = TEAM + -(-cells * -(-B // rows) // s) * T * step(rows)
            if cost < best:
                best, block, parts, seats = cost, rows, 1, s
        if cells == 1 and load.panels > 1:
            share = -(-load.panels // s) / load.panels
            cost = TEAM + T * (share * step(B) + load.phases * s * STEP)
            if cost < best:
                best, block, parts, seats = cost, B, s, s
    if parts == 1 and block > max(load.rows, BLOCK):
        block = _rows(block, math.ceil(block / max(load.rows, BLOCK)))
    return Plan(1 if T == 1 else min(T, max(1, load.cached_steps // max(1, block))), max(1, block), parts, seats)


def plan_rows(cost: Cost, cells: int, B: int, T: int, threads: int) -> Plan:
    """The same for vectors of rows: a task is as many rows as run together."""
    tasks, each = cells * -(-B // cost.together), cost.lanes * cost.rows(min(B, cost.together), T)
    best, seats = GAIN * tasks * each, 1
    for s in range(2, min(threads, tasks) + 1):
        shared = TEAM + -(-tasks // s) * each
        if shared < best:
            best, seats = shared, s
    return Plan(min(T, cost.chunk), cost.together, 1, seats)


def _rows(B: int, tasks: int) -> int:
    """Rows of a task where B of them make so many: an even number, or all, as two rows cost hardly more than one."""
    rows = -(-B // tasks)
    return min(B, rows + rows % 2)
