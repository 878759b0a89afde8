"""Which calls the tensor cores take, and how: plain arithmetic on shapes, registers and shared memory.

What they give is not float32's own result, so they run only where `config` says "tf32", "bf16" or "bf16x3".
"""

from __future__ import annotations

import math

from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.plan import WORKSPACE, Call, Launch, Size, steps_at_once
from numba_rnn.kernels.cuda.product import COLUMNS, TERMS, UNITS, WORDS, pairs_of
from numba_rnn.kernels.cuda.scan_cluster import groups_of
from numba_rnn.kernels.cuda.scan_tensor import padded_units, spans_of

__all__ = ["plan_cluster", "plan_tensor"]

REGISTERS = 65536  # of a multiprocessor, of 32 bits
SHARED_BYTES = 48 << 10  # of a block: what can be declared
TENSOR_WARPS = 8  # of a block: its registers are 255 a thread, and two warps of a scheduler wait for one another's products
OTHERS = 64  # registers beside weights, h and sums: read off the compiled kernels, the largest that do not spill
LARGEST_CLUSTER_CELL = 256  # units: beyond, a step's products on 8 multiprocessors outweigh what waiting for the second-level cache costs


def takes(size: Size, call: Call, capability: tuple[int, int], device: Device) -> bool:
    """Whether the tensor cores may run the call, on a device that can do at least so much."""
    return (
        size.item == 4 and not size.two_phases and call.precision in WORDS and tuple(device.capability) >= capability
    )


def registers(threads: int) -> int:
    """Of each of so many threads, the only ones of a multiprocessor."""
    return min(255, REGISTERS // threads // 8 * 8)


def fits(spans: int, tiles: int, precision: str, threads: int) -> bool:
    """Whether a thread's part of the weights, of h and of the sums lies in registers."""
    return spans * (tiles * WORDS[precision] + 4) + 4 * tiles + OTHERS <= registers(threads)


def plan_tensor(size: Size, call: Call, device: Device) -> Launch | None:
    """The whole GPU for a step; None where the weights do not fit.

    A block owns 8 units or 16: whichever leaves it fewer tiles of sequences, as each of them costs about the same; 8 if equal.
    """
    if not takes(size, call, (8, 0), device):
        return None
    padded, tiles, best = padded_units(size.H), math.ceil(call.B / COLUMNS), None
    for groups in (1, 2):
        blocks = padded // (UNITS * groups)
        most = device.multiprocessors // (size.N * blocks)
        products = groups * pairs_of(size.G)
        shared = 2 * TENSOR_WARPS * 2 * groups * 32 * 2 * pairs_of(size.G) * 4
        if (
            most < 1
            or shared > SHARED_BYTES
            or not fits(spans_of(size.H, TENSOR_WARPS), products, call.precision, 32 * TENSOR_WARPS)
        ):
            continue
        rounds = math.ceil(tiles / most)
        if best is None or rounds < best[0]:
            best = rounds, groups, blocks * math.ceil(tiles / rounds)
    if best is None:
        return None
    _, groups, across = best
    exchanged = size.N * call.B * padded * size.item  # bytes of a step
    steps = min(steps_at_once(size, call.B, call.T), max(1, WORKSPACE // exchanged - 1))
    return Launch(
        kernel="tensor",
        parameters=(size.H, groups, TENSOR_WARPS, call.precision),
        grid=(across, size.N),
        threads=32 * TENSOR_WARPS,
        work=(size.N, steps + 1, call.B, padded),
        waits=True,
        steps=steps,
    )


def plan_cluster(size: Size, call: Call, device: Device) -> Launch | None:
    """A cluster of multiprocessors for 8 sequences; None where the weights do not fit, or `plan_tensor` does better."""
    if not takes(size, call, (9, 0), device) or size.H > LARGEST_CLUSTER_CELL:
        return None
    for blocks, slices in ((4, 2), (8, 2)):
        groups = groups_of(size.H, blocks)
        padded, threads = UNITS * blocks * groups, 32 * groups * slices
        pairs = pairs_of(size.G)
        shared = 4 * (2 * COLUMNS * (padded + 16) + slices * 2 * groups * 32 * 2 * pairs) + 16
        if groups > 4 or shared > SHARED_BYTES:
            continue
        if fits(padded // (TERMS * slices), pairs, call.precision, threads):
            return Launch(
                kernel="cluster",
                parameters=(size.H, blocks, slices, call.precision),
                grid=(blocks * math.ceil(call.B / COLUMNS), size.N),
                threads=threads,
                work=(1, 1, 1, 1),
                waits=False,
                steps=steps_at_once(size, call.B, call.T),
            )
    return None
