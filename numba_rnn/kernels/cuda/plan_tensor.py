"""Which calls the tensor cores take, and how: plain arithmetic on shapes, registers and shared memory.

What they compute is not float32's own result, so they run only where the precision asked for is "tf32", "bf16" or "bf16x3".
Clusters first: a step of theirs is shorter than one of the whole GPU (estimated at 0.4 to 0.6 microseconds against 0.7 to 1.3),
and many of them run at once. Below about 96 units a block by itself is better still, and exact.
"""

from __future__ import annotations

import math

from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.plan import WORKSPACE, Call, Launch, Size, steps_at_once
from numba_rnn.kernels.cuda.product import COLUMNS, TERMS, UNITS, WORDS, pairs_of
from numba_rnn.kernels.cuda.scan_cluster import SLICES, groups_of
from numba_rnn.kernels.cuda.scan_tensor import padded_units, spans_of

__all__ = ["plan_cluster", "plan_tensor"]

SCHEDULERS, REGISTERS = 4, 16384  # of a multiprocessor; of each scheduler, whose warps share them
SHARED_BYTES = 48 << 10  # of a block: as much as can be declared
WARPS = 8  # of a block of `scan_tensor`: two a scheduler, the most that can have 255 registers a thread
OTHERS = (
    46  # registers beside weights, sums and a cell's numbers: compiled kernels that need more than this leaves spill
)
MOST_GROUPS = 6  # of 8 units, of a block of `scan_cluster`: three warps a scheduler


def takes(size: Size, call: Call, device: Device, capability: tuple[int, int]) -> bool:
    """Whether this is a call for tensor cores, and the device can do as much as is needed."""
    return size.item == 4 and not size.two_phases and call.precision in WORDS and device.capability >= capability


def fits(size: Size, warps: int, numbers: int) -> bool:
    """Whether so many numbers, beside a cell's own, lie in the registers of a thread."""
    registers = min(255, REGISTERS // (32 * math.ceil(warps / SCHEDULERS)) // 8 * 8)
    return numbers + 4 * size.G + size.S + size.E + OTHERS <= registers


def plan_cluster(size: Size, call: Call, device: Device) -> Launch | None:
    """A cluster of multiprocessors for every 8 sequences; None where the weights do not fit into one of 8."""
    if not takes(size, call, device, (9, 0)):
        return None
    blocks = 4 if groups_of(size.H, 4) <= 4 else 8
    groups, pairs = groups_of(size.H, blocks), pairs_of(size.G)
    padded, warps = UNITS * blocks * groups, SLICES * groups
    spans = padded // (TERMS * SLICES)
    shared = 4 * (2 * COLUMNS * (padded + 16) + SLICES * 2 * groups * 32 * 2 * pairs) + 16
    if (
        groups > MOST_GROUPS
        or shared > SHARED_BYTES
        or not fits(size, warps, pairs * (spans * WORDS[call.precision] + 4))
    ):
        return None
    return Launch(
        kernel="cluster",
        parameters=(size.H, blocks, call.precision),
        grid=(blocks * math.ceil(call.B / COLUMNS), size.N),
        threads=32 * warps,
        work=(1, 1, 1, 1),
        waits=False,
        steps=steps_at_once(size, call.B, call.T),
    )


def plan_tensor(size: Size, call: Call, device: Device) -> Launch | None:
    """The whole GPU for a step; None where the weights do not fit into it.

    A block owns 8 units, or 16 where that leaves it fewer turns of 8 sequences: each of them costs about the same.
    """
    if not takes(size, call, device, (8, 0)):
        return None
    padded, spans, tiles = padded_units(size.H), spans_of(size.H, WARPS), math.ceil(call.B / COLUMNS)
    cuts = []
    for groups in (1, 2):
        blocks, products = padded // (UNITS * groups), groups * pairs_of(size.G)
        slices = device.multiprocessors // (size.N * blocks)
        shared = 4 * 2 * WARPS * 2 * groups * 32 * 2 * pairs_of(size.G)
        numbers = spans * (products * WORDS[call.precision] + 4) + 4 * products
        if slices > 0 and shared <= SHARED_BYTES and fits(size, WARPS, numbers):
            turns = math.ceil(tiles / slices)
            cuts.append((turns, groups, blocks * math.ceil(tiles / turns)))
    if not cuts:
        return None
    _, groups, across = min(cuts)
    steps = min(steps_at_once(size, call.B, call.T), max(1, WORKSPACE // (size.N * call.B * padded * size.item) - 1))
    return Launch(
        kernel="tensor",
        parameters=(size.H, groups, WARPS, call.precision),
        grid=(across, size.N),
        threads=32 * WARPS,
        work=(size.N, steps + 1, call.B, padded),
        waits=True,
        steps=steps,
    )
