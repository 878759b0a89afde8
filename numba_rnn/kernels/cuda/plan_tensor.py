"""Which calls the tensor cores take, and how: plain arithmetic on shapes, registers and shared memory.

What they compute is not float32's own result, so they run only where the precision asked for is "tf32", "bf16" or "bf16x3".
Clusters first: a step of theirs is shorter than one of the whole GPU (estimated at 0.4 to 0.6 microseconds against 0.7 to 1.3),
and many of them run at once. Below about 96 units a block by itself is better still, and exact.
"""

from __future__ import annotations

import itertools
import math

from numba_rnn.kernels.cuda.cuts import registers
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import SHARED, Call, Launch, Size, steps_at_once
from numba_rnn.kernels.cuda.tiles import (
    COLUMNS,
    SLICES,
    TERMS,
    UNITS,
    WORDS,
    cluster_shared,
    groups_of,
    padded_units,
    pairs_of,
    spans_of,
    tensor_shared,
)

__all__ = ["plan_cluster", "plan_tensor"]

WARPS = 8  # of a block of the tensor kernel: two of each scheduler, the most that can have 255 registers a thread
# Registers of the kernels beside weights, h, sums and a cell's numbers: with fewer, something is spilled (test_sass_tensor.py).
CLUSTER_ROOM, TENSOR_ROOM = 46, 50
REMAINDERS_ROOM = 8  # more in the cluster kernel, where numbers have remainders
MOST_NUMBERS = 1 << 29  # of h, a step: the tensor kernel counts their bytes in 32 bits
MOST_GROUPS = 6  # of 8 units, of a block of the cluster kernel: three warps of each scheduler


def takes(size: Size, call: Call, device: Device, capability: tuple[int, int]) -> bool:
    """Whether this is a call for tensor cores, and the device can do as much as is needed."""
    return size.item == 4 and not size.two_phases and call.precision in WORDS and device.capability >= capability


def fits(size: Size, threads: int, numbers: int) -> bool:
    """Whether so many numbers, beside a cell's own, lie in the registers of a thread."""
    own = 4 * max(4, size.G) + max(2, size.S) + size.E  # smaller cells than LSTM need no less
    return numbers + own <= registers(threads)


def plan_cluster(size: Size, call: Call, device: Device) -> Launch | None:
    """A cluster of multiprocessors for every 8 sequences; None where the weights do not fit into one of 8."""
    if not takes(size, call, device, (9, 0)):
        return None
    blocks = 4 if groups_of(size.H, 4) <= 4 else 8
    groups, pairs = groups_of(size.H, blocks), pairs_of(size.G)
    threads, spans = 32 * SLICES * groups, UNITS * blocks * groups // (TERMS * SLICES)
    remainders = REMAINDERS_ROOM if call.precision == "bf16x3" else 0
    if (
        groups > MOST_GROUPS
        or cluster_shared(size.H, size.G, blocks) > SHARED
        or not fits(size, threads, pairs * (spans * WORDS[call.precision] + 4) + CLUSTER_ROOM + remainders)
    ):
        return None
    return Launch(
        kernel="cluster",
        parameters=(size.H, blocks, call.precision),
        grid=(blocks * math.ceil(call.B / COLUMNS), size.N),
        threads=threads,
        most_threads=threads,
        work=(1, 1, 1, 1),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )


def plan_tensor(size: Size, call: Call, device: Device) -> Launch | None:
    """The whole GPU for a step; None where the weights of one cell do not fit into it.

    Two cells at once where there is room, one after the other where not. A block owns 8 units, or 16 where that leaves it fewer
    turns of 8 sequences: each of them costs about the same.
    """
    if not takes(size, call, device, (8, 0)):
        return None
    padded, spans, tiles = padded_units(size.H), spans_of(size.H, WARPS), math.ceil(call.B / COLUMNS)
    if call.B * padded >= MOST_NUMBERS:
        return None
    cuts = []
    for cells, groups in itertools.product({size.N, 1}, (1, 2)):
        blocks, products = padded // (UNITS * groups), groups * pairs_of(size.G)
        slices = device.multiprocessors // (cells * blocks)
        numbers = spans * (products * WORDS[call.precision] + 4) + 4 * products + TENSOR_ROOM
        if slices > 0 and tensor_shared(size.G, groups, WARPS) <= SHARED and fits(size, 32 * WARPS, numbers):
            turns = math.ceil(tiles / slices)
            cuts.append((turns * (size.N // cells), -cells, groups, blocks * math.ceil(tiles / turns), turns))
    if not cuts:
        return None
    _, less, groups, across, turns = min(cuts)
    cells = -less
    steps = steps_at_once(size, call.B, call.T, cells * call.B * padded)
    return Launch(
        kernel="tensor",
        parameters=(size.H, groups, WARPS, call.precision),
        grid=(across, cells),
        threads=32 * WARPS,
        most_threads=32 * WARPS,
        work=(cells, steps + 1, call.B, padded),
        waits=True,
        steps=steps,
        turns=turns,
        cells=cells,
    )
