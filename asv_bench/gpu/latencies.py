"""What decides between designs: the price of a launch, of a word from one block to another, of barriers of each size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.kernels.cuda.ptx import (
    address,
    barrier_expect,
    barrier_init,
    barrier_reached,
    cluster_arrive,
    cluster_rank,
    cluster_size,
    cluster_wait,
    cooperative,
    fence_barriers,
    load4_relaxed,
    load_relaxed,
    map_shared,
    shared_address,
    store4_remote,
    store_relaxed,
)
from numba_rnn.kernels.cuda.toolkit import cuda, float32, uint32, uint64

from .clock import best, elapsed
from .section import Bench, Job, Row, Section

__all__ = ["LATENCIES"]

PATIENCE = 1 << 20  # reads of a word: a kernel that hangs holds the GPU
NOT_YET = 0xFFFFFFFF
APART = 32  # words between two that are handed over: another line each
ROUNDS = 2000
LAUNCHES = 500
CLUSTER = 8


def one_word(words, error, n):
    """Two blocks, the first and the last, hand a word to and fro; each is written once."""
    cooperative()
    mine = 0 if cuda.blockIdx.x == 0 else 1
    if cuda.threadIdx.x == 0 and cuda.blockIdx.x % (cuda.gridDim.x - 1) == 0:
        for i in range(n):
            place = address(words, i * APART)
            if i & 1 == mine:
                store_relaxed(place, uint32(i))
            else:
                waits = 0
                while load_relaxed(place) == uint32(NOT_YET) and waits < PATIENCE:
                    waits += 1
                if waits == PATIENCE:
                    error[0] = i + 1


def all_words(words, error, n):
    """Every block writes eight words a round and reads those of all: how h goes round in the kernel for large cells."""
    cooperative()
    mine, thread = cuda.blockIdx.x * 8, cuda.threadIdx.x
    count = cuda.gridDim.x * 8
    for i in range(n):
        if thread < 8:
            store_relaxed(address(words, i * count + mine + thread), uint32(i))
        for v in range(4 * thread, count, 4 * cuda.blockDim.x):
            place = address(words, i * count + v)
            q = load4_relaxed(place)
            waits = 0
            while (
                q[0] == uint32(NOT_YET) or q[1] == uint32(NOT_YET) or q[2] == uint32(NOT_YET) or q[3] == uint32(NOT_YET)
            ) and waits < PATIENCE:
                q = load4_relaxed(place)
                waits += 1
            if waits == PATIENCE:
                error[0] = i + 1
        cuda.syncthreads()


def all_blocks(words, error, n):
    """A barrier of all blocks: a counter, and everyone reads it until it is full."""
    cooperative()
    for i in range(n):
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            cuda.threadfence()
            cuda.atomic.add(words, 0, uint32(1))
            full = uint32((i + 1) * cuda.gridDim.x)
            waits = 0
            while load_relaxed(address(words, 0)) < full and waits < PATIENCE:
                waits += 1
            if waits == PATIENCE:
                error[0] = i + 1
            cuda.threadfence()
        cuda.syncthreads()


def one_block(words, error, n):
    """A barrier of one block's threads."""
    for _ in range(n):
        cuda.syncthreads()


def one_cluster(words, error, n):
    """A barrier of a cluster's blocks."""
    cluster_size(8)
    for _ in range(n):
        cluster_arrive()
        cluster_wait()


def remote_words(words, error, n):
    """Two blocks of a cluster hand 16 bytes to and fro, from shared memory to shared memory, with a barrier that counts bytes."""
    cluster_size(2)
    box = cuda.shared.array((4,), float32, 16)
    bell = cuda.shared.array((1,), uint64, 8)
    rank = cluster_rank()
    here = shared_address(bell, 0)
    if cuda.threadIdx.x == 0:
        barrier_init(here, uint32(1))
        fence_barriers()
    cluster_arrive()
    cluster_wait()
    if cuda.threadIdx.x == 0:
        other = rank ^ uint32(1)
        there, its_bell = map_shared(shared_address(box, 0), other), map_shared(here, other)
        parity = uint32(0)
        for i in range(n):
            if uint32(i & 1) == rank:
                value = float32(i)
                store4_remote(there, its_bell, value, value, value, value)
            else:
                barrier_expect(here, uint32(16))  # the bytes may have come before
                waits = 0
                while barrier_reached(here, parity) == uint32(0) and waits < PATIENCE:
                    waits += 1
                if waits == PATIENCE:
                    error[0] = i + 1
                parity ^= uint32(1)
    cluster_arrive()
    cluster_wait()


KERNELS: dict[str, tuple[Callable[..., None], int, int, str]] = {
    # name: the kernel, threads a block, blocks (0: one a multiprocessor), what a round is
    "one word through the second-level cache, one way": (
        one_word,
        32,
        0,
        "two blocks as far apart as block numbers go",
    ),
    "eight words a block to all blocks": (all_words, 256, 0, "h of 8 units a block, 256 threads read it all"),
    "the same with 32 blocks": (all_words, 256, 32, "256 words"),
    "barrier of all blocks by a counter": (all_blocks, 256, 0, "256 threads a block"),
    "barrier of a block": (one_block, 256, 1, "256 threads"),
    "barrier of a cluster": (one_cluster, 256, CLUSTER, "8 blocks of 256 threads"),
    "16 bytes into another block's shared memory, one way": (remote_words, 32, 2, "cluster of 2"),
}
HOPPER = {one_cluster, remote_words}


def jobs(bench: Bench) -> list[Job]:
    """Launches by their number of arrays, then every latency."""
    out = [Job(f"launch with {n} arrays", {"what": "launch", "n": n}, "launch") for n in (0, 1, 4, 9, 12)]
    return out + [Job(name, {"what": name, "n": 4 if bench.simulated else ROUNDS}, name) for name in KERNELS]


def run(bench: Bench, what: str, n: int) -> Row:
    """A row: microseconds."""
    return launches(bench, n) if what == "launch" else latency(bench, what, n)


def launches(bench: Bench, arrays: int) -> Row:
    """What the host pays for a launch, and how fast they follow one another when nothing else is to do."""
    driver, stream = bench.backend.driver, bench.backend.stream
    names = ", ".join(f"a{i}" for i in range(arrays))
    scope: dict[str, Any] = {}
    exec(f"def nothing({names}): pass", scope)  # as many parameters as are asked for
    kernel = driver.kernel(scope["nothing"], 32)
    arguments = [driver.empty((8, 8), np.float32) for _ in range(arrays)]

    def launch() -> None:
        driver.launch(kernel, (1, 1), 32, stream, *arguments)

    if bench.simulated:
        launch()
        return {"us": 0.0}
    for _ in range(20):
        launch()
    stream.synchronize()
    single, row = [], []
    for _ in range(200):
        started = time.perf_counter()
        launch()
        single.append(time.perf_counter() - started)
        stream.synchronize()
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(LAUNCHES):
            launch()
        stream.synchronize()
        row.append((time.perf_counter() - started) / LAUNCHES)
    return {"us": sorted(single)[len(single) // 2] * 1e6, "us in a row": min(row) * 1e6}


def latency(bench: Bench, what: str, rounds: int) -> Row:
    """One round: many minus one, over how many more they are."""
    function, threads, blocks, note = KERNELS[what]
    driver, stream = bench.backend.driver, bench.backend.stream
    if function in HOPPER and driver.device.capability < (9, 0):
        return {"refused": f"needs compute capability 9.0, this is {driver.device.capability}"}
    blocks = blocks or driver.device.multiprocessors
    if bench.simulated:
        threads = min(threads, 64)
    kernel = driver.kernel(function, threads)
    words = driver.empty((rounds * max(APART, 8 * blocks),), np.uint32)
    error = driver.flag()

    def once(n: int) -> float:
        driver.fill(words, 0x00 if function is all_blocks else 0xFF, stream)
        return elapsed(bench, stream, lambda: driver.launch(kernel, (blocks, 1), threads, stream, words, error, n))

    sides = {"many": lambda: once(rounds), "one": lambda: once(1)}
    best(sides, 0.0)  # compiled, warm
    if step := int(error[0]):
        return {"failed": f"a block waited in vain in round {step - 1}"}
    with bench.alone():
        found = best(sides, 0.0 if bench.simulated else 0.5, most=20)
    return {"us": (found["many"] - found["one"]) / (rounds - 1) * 1e6, "of": note}


LATENCIES = Section("latencies", "Latencies", seconds=40, patience=60, processes=6, jobs=jobs, run=run)
