"""What a call on arrays of the host takes there and on the GPU, roughly: enough to tell which is worth while.

**Estimates, none of them measured on a GPU yet**; `python -m asv_bench.gpu` is to replace them.
"""

from __future__ import annotations

import math

from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Launch, Size

__all__ = ["cpu_microseconds", "gpu_microseconds", "step_microseconds"]

# GPU. Source: the latencies and rates of the H100 that are published, added up along each kernel's critical path.
CALL = 100.0  # microseconds: two launches, three copies and waiting for the last
LAUNCH = 6.0  # microseconds of the host for one kernel, where many follow upon one another
HOST_BYTES = 10e3  # bytes a microsecond, between the host's plain memory and the device's
MEMORY_BYTES = 2.5e6  # bytes a microsecond of the device's memory
CACHE_BYTES = 4e6, 150e3  # bytes a microsecond out of the second-level cache: at most, and to one multiprocessor
MADDS = {"fp32": 15e6, "bf16x3": 15e6, "tf32": 80e6, "bf16": 150e6}  # multiply-adds a microsecond, of products
BLOCK_MADDS = 110e3  # of one block, without tensor cores
STEP = {"block": 0.15, "grid": 0.6, "cluster": 0.5, "tensor": 0.8}  # microseconds, where only latencies count
GENERAL_STEP = 2.0
# CPU, one thread of AVX2: measured by `python -m asv_bench.report`.
CPU_CALL = 2.0  # microseconds
CPU_MADDS = 40e3  # multiply-adds a microsecond
CPU_BYTES = 60e3  # bytes a microsecond of weights that come out of a cache


def gpu_microseconds(size: Size, call: Call, launch: Launch, device: Device, sequences: bool) -> float:
    """The time of a call whose x comes from the host and whose outputs go there, every step's if `sequences`."""
    B, T = call.B, call.T
    carried = B * (T * size.D + (T if sequences else 1) * size.N * size.H) * size.item
    project = size.N * B * T * size.D * size.G * size.H / product_rate(size, call)
    return CALL + carried / HOST_BYTES + project + T * step_microseconds(size, call, launch, device)


def step_microseconds(size: Size, call: Call, launch: Launch, device: Device) -> float:
    """The time of one step of all cells and sequences."""
    weights = size.H * size.G * size.H * size.item
    blocks = launch.grid[0] * launch.grid[1]
    rounds = math.ceil(blocks / device.multiprocessors)
    if launch.kernel == "general":
        return GENERAL_STEP + max(rounds * weights / CACHE_BYTES[1], blocks * weights / CACHE_BYTES[0])
    if launch.kernel == "steps":
        product = max(call.B * size.H * size.G * size.H / product_rate(size, call), weights / MEMORY_BYTES)
        phases = 2 if size.two_phases else 1
        return size.N * product + LAUNCH * phases * (size.N + 1)
    rows, parts = min(call.B, launch.rows), len(launch.parts(size.N, call.B))
    multiplies = 0.0
    if launch.kernel == "grid":
        multiplies = launch.grid[1] * rows * size.H * size.G * size.H / blocks / BLOCK_MADDS
    return parts * (max(rounds, launch.turns) * STEP[launch.kernel] + multiplies)


def product_rate(size: Size, call: Call) -> float:
    """Multiply-adds a microsecond of a product: float64 knows no precision but its own."""
    return MADDS["fp32" if size.item == 8 else call.precision]


def cpu_microseconds(size: Size, B: int, T: int, threads: int) -> float:
    """The time of the same call on so many threads."""
    madds = size.N * (size.D + size.H) * size.G * size.H
    shared = min(threads, max(1, size.N * B // 4))
    step = max(B * madds / CPU_MADDS / shared, size.N * size.H * size.G * size.H * size.item / CPU_BYTES)
    return CPU_CALL + T * step
