"""Which calls the kernels take that round nothing, and how: plain arithmetic on shapes, registers and shared memory."""

from __future__ import annotations

import itertools
import math

from numba_rnn.kernels.cuda.cuts import MOST_ROWS, WARPS, grid_registers, grid_shared, lane_width, registers
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import SHARED, Call, Launch, Size, steps_at_once

__all__ = ["plan_block", "plan_general", "plan_grid", "plan_steps"]

# The block kernel. Registers beside the weights, by rows of a block: with as many or more, nothing is spilled in the time loop
# (tests/kernels/cuda/test_sass_scan.py).
BLOCK_ROOM = {1: 44, 2: 56, 4: 64}
DOUBLES_ROOM = 56  # more, where numbers are float64
PHASES_ROOM = 44  # more, where some gates wait for others, of several sequences
BLOCK_REST = 60  # instructions a step beside multiplications, about
MOST_BLOCK_THREADS = 768
# The grid kernel. Units of a block: the fewer, the sooner it has done its multiplications.
GRID_UNITS = 8, 16, 32
GRID_WEIGHTS = 160  # registers
MOST_GRID_GATES = 4
# The general kernel, and that of one step.
MOST_THREADS = 256  # of a block: their registers, up to 255 a thread, allow no more


def plan_block(size: Size, call: Call, device: Device) -> Launch | None:
    """None where the weights do not fit into the registers of one block.

    How many lanes serve a unit depends on the cell alone, and with it the order in which h U is added up.
    """
    fitting = [lanes for lanes in (4, 2) if block_fits(size, lanes, 1)]
    if not fitting:
        return None
    lanes = min(fitting, key=lambda lanes: block_cycles(size, lanes))
    rows = 1
    while (
        2 * rows <= lanes
        and math.ceil(call.B / rows) * size.N > device.multiprocessors
        and block_fits(size, lanes, 2 * rows)
    ):
        rows *= 2
    return Launch(
        kernel="block",
        parameters=(size.H, rows, lanes),
        grid=(math.ceil(call.B / rows), size.N),
        threads=block_threads(size, lanes),
        most_threads=block_threads(size, lanes),
        work=(1, 1, 1, 1),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )


def block_threads(size: Size, lanes: int) -> int:
    """Of a block of the block kernel."""
    return 32 * math.ceil(lanes * size.H / 32)


def block_fits(size: Size, lanes: int, rows: int) -> bool:
    """Whether a thread has registers enough for its weights and for all else; seen in what the compiler makes of it."""
    threads, words = block_threads(size, lanes), size.item // 4
    weights = size.G * lane_width(size.H, lanes, size.item) * words
    room = BLOCK_ROOM[rows] + (words - 1) * DOUBLES_ROOM + (PHASES_ROOM if size.two_phases and rows > 1 else 0)
    return threads <= MOST_BLOCK_THREADS and weights + room <= registers(threads)


def block_cycles(size: Size, lanes: int) -> int:
    """Instructions that the fullest quarter of a multiprocessor executes a step."""
    width = lane_width(size.H, lanes, size.item)
    return math.ceil(block_threads(size, lanes) / 128) * (size.G * width + BLOCK_REST)


def plan_grid(size: Size, call: Call, device: Device) -> Launch | None:
    """None unless one block a multiprocessor can hold all units of one cell, in float32.

    Two cells at once where there are multiprocessors enough, one after the other where not; 16 sequences after 16.
    """
    if size.two_phases or size.item != 4 or size.G > MOST_GRID_GATES:
        return None
    padded, taken = 4 * math.ceil(size.H / 4), min(call.B, MOST_ROWS)
    for cells, units in itertools.product(sorted({size.N, 1}, reverse=True), GRID_UNITS):
        blocks = math.ceil(padded / units)
        if blocks * cells <= device.multiprocessors and grid_registers(size.H, size.G, units) <= GRID_WEIGHTS:
            rows = min(4, 1 << (taken - 1).bit_length())
            while grid_shared(size.H, size.G, size.S, units, rows) > SHARED:
                rows //= 2
            held = math.ceil(taken / rows) * rows
            steps = steps_at_once(size, call.B, call.T, cells * held * padded)
            return Launch(
                kernel="grid",
                parameters=(size.H, units, rows),
                grid=(blocks, cells),
                threads=32 * WARPS,
                most_threads=32 * WARPS,
                work=(cells, steps + 1, held, padded),
                waits=True,
                steps=steps,
                turns=max(1, taken / 8),
                cells=cells,
                rows=MOST_ROWS,
            )
    return None


def plan_steps(size: Size, call: Call, device: Device) -> Launch | None:
    """A product of all sequences with the recurrent weights, then their gates, step by step; None without cuBLAS."""
    if not device.blas:
        return None
    threads = min(MOST_THREADS, 32 * math.ceil(size.H / 32))
    return Launch(
        kernel="steps",
        parameters=(1,),
        grid=(call.B * math.ceil(size.H / threads), size.N),
        threads=threads,
        most_threads=MOST_THREADS,
        work=(size.N, call.B, (size.G + (1 if size.two_phases else 0)) * size.H),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )


def plan_general(size: Size, call: Call, device: Device) -> Launch:
    """A block a few sequences: as few as keep every multiprocessor busy, at most four."""
    rows = 1
    while rows < 4 and math.ceil(call.B / rows) * size.N > device.multiprocessors:
        rows *= 2
    threads = min(MOST_THREADS, 32 * math.ceil(size.H / 32))
    return Launch(
        kernel="general",
        parameters=(rows,),
        grid=(math.ceil(call.B / rows), size.N),
        threads=threads,
        most_threads=MOST_THREADS,
        work=(3, size.N, call.B, size.H),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )
