"""Blocks of a cluster reach one another's shared memory, and barriers count the bytes that come."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, float32, float64

from . import DivergenceError, OutOfRangeError, run

CLUSTER, THREADS = 4, 32


def make_exchange(*, wait_first=True, expected=16 * CLUSTER, parity=0, rearm=True, buffers=2, steps=3):
    """Every block tells every other of its cluster a vector, step by step: the sum of what it heard before."""

    def kernel(x, out):
        ptx.cluster_size(CLUSTER)
        s = cuda.shared.array((buffers, CLUSTER, 4), float32, 16)
        barriers = cuda.shared.array(buffers, float64)
        rank, thread = ptx.cluster_rank(), cuda.threadIdx.x
        if thread == 0:
            for b in range(buffers):
                ptx.barrier_init(ptx.shared_address(barriers, b), 1)
                ptx.barrier_expect(ptx.shared_address(barriers, b), expected)
            ptx.fence_barriers()
        if wait_first:
            ptx.cluster_arrive()
            ptx.cluster_wait()
        value = x[cuda.blockIdx.x]
        for t in range(steps):
            b = t % buffers
            here, barrier = ptx.shared_address(s, (b, rank, 0)), ptx.shared_address(barriers, b)
            if thread < CLUSTER:
                ptx.store4_remote(
                    ptx.map_shared(here, thread),
                    ptx.map_shared(barrier, thread),
                    value,
                    value + 1,
                    value + 2,
                    value + 3,
                )
            while ptx.barrier_reached(barrier, (t // buffers + parity) & 1) == 0:
                pass
            value = s[b, 0, 0]
            for i in range(1, CLUSTER):
                value += s[b, i, i]
            cuda.syncthreads()
            if thread == 0 and rearm:
                ptx.barrier_expect(barrier, expected)
        out[cuda.blockIdx.x, thread] = value
        ptx.cluster_arrive()
        ptx.cluster_wait()

    return kernel


def exchanged(kernel, seed, schedule="random", races=False):
    x = np.random.default_rng(5).normal(size=2 * CLUSTER).astype(np.float32)
    out = np.zeros((2 * CLUSTER, THREADS), np.float32)
    report = run(kernel, 2 * CLUSTER, THREADS, (x, out), seed=seed, schedule=schedule, races=races)
    assert report.cluster == CLUSTER
    values = x.reshape(2, CLUSTER).astype(np.float64)
    for _ in range(3):
        values = np.repeat(values.sum(1, keepdims=True) + 6, CLUSTER, 1)
    return np.allclose(out, values.reshape(-1, 1), 1e-4)


@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("schedule", ["random", "priority"])
def test_clusters(schedule, races):
    assert all(exchanged(make_exchange(), seed, schedule, races) for seed in range(3))


@pytest.mark.parametrize(
    "fault", [{"wait_first": False}, {"expected": 16 * (CLUSTER - 1)}, {"expected": 16 * (CLUSTER + 1)},
              {"parity": 1}, {"rearm": False}],
    ids=str,
)  # fmt: skip
def test_planted_faults_of_clusters(fault):
    found = 0
    for seed in range(4):
        for schedule in "random", "priority":
            try:
                found += not exchanged(make_exchange(**fault), seed, schedule)
            except (DivergenceError, RuntimeError):
                found += 1
    assert found > 0


@pytest.mark.parametrize("waits", [False, True])
def test_blocks_must_live_while_others_store_into_them(waits):
    def kernel(x):
        s = cuda.shared.array(4, float32, 16)
        barriers = cuda.shared.array(1, float64)
        here, barrier = ptx.shared_address(s, 0), ptx.shared_address(barriers, 0)
        ptx.barrier_init(barrier, 1)
        ptx.cluster_arrive()
        ptx.cluster_wait()
        if ptx.cluster_rank() == 0:
            ptx.store4_remote(ptx.map_shared(here, 1), ptx.map_shared(barrier, 1), x[0], x[1], x[2], x[3])
        if waits:
            ptx.cluster_arrive()
            ptx.cluster_wait()

    def ended(seed):
        try:
            run(kernel, 2, 1, (np.zeros(4, np.float32),), cluster=2, seed=seed)
        except DivergenceError as error:
            return "has ended" in str(error)
        return False

    assert any(ended(seed) for seed in range(16)) != waits


def test_clusters_reach_only_their_own_blocks():
    def kernel(x):
        s = cuda.shared.array(4, float32, 16)
        ptx.map_shared(ptx.shared_address(s, 0), 2)

    def without_map(x):
        s = cuda.shared.array(4, float32, 16)
        ptx.store4_remote(ptx.shared_address(s, 0), ptx.shared_address(s, 0), x[0], x[1], x[2], x[3])

    x = np.zeros(4, np.float32)
    for wrong in kernel, without_map:
        with pytest.raises(OutOfRangeError):
            run(wrong, 4, 1, (x,), cluster=2)
    with pytest.raises(ValueError, match="no clusters of 3"):
        run(kernel, 4, 1, (x,), cluster=3)
