"""The simulator runs what a GPU would, and finds what a GPU would do wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, device_function, float32

from . import SCHEDULES, DeadlockError, run


def test_reversal():
    def kernel(x):
        s = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        s[i] = x[cuda.blockIdx.x, i]
        cuda.syncthreads()
        x[cuda.blockIdx.x, i] = s[63 - i]

    x = np.arange(128, dtype=np.float32).reshape(2, 64)
    expected = x[:, ::-1].copy()
    run(kernel, 2, 64, (x,))
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sum_by_shuffles(schedule):
    def kernel(x, y):
        i = cuda.grid(1)
        total = x[i]
        for bits in (16, 8, 4, 2, 1):
            total += cuda.shfl_xor_sync(0xFFFFFFFF, total, bits)
        y[i] = total

    x = np.arange(128, dtype=np.float32)
    y = np.zeros(128, np.float32)
    run(kernel, 2, 64, (x, y), schedule=schedule)
    np.testing.assert_array_equal(y, x.reshape(4, 32).sum(1).repeat(32))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_spin_between_blocks(schedule):
    def kernel(words, out):
        b = cuda.blockIdx.x
        if cuda.threadIdx.x == 0:
            if b == 0:
                ptx.store_relaxed(ptx.address(words, 0), 7)
            while ptx.load_relaxed(ptx.address(words, b)) == 0:
                pass
            if b < 3:
                ptx.store_relaxed(ptx.address(words, b + 1), ptx.load_relaxed(ptx.address(words, b)) + 1)
        cuda.syncthreads()
        out[b, cuda.threadIdx.x] = words[b]

    words, out = np.zeros(4, np.uint32), np.zeros((4, 8), np.uint32)
    run(kernel, 4, 8, (words, out), schedule=schedule)
    np.testing.assert_array_equal(out, np.repeat([[7], [8], [9], [10]], 8, 1))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_deadlocks(schedule):
    def unreached(x):
        if cuda.threadIdx.x < 3:
            cuda.syncthreads()
        else:
            while ptx.load_relaxed(ptx.address(x, 0)) == 0:
                pass

    with pytest.raises(DeadlockError):
        run(unreached, 1, 8, (np.zeros(1, np.uint32),), schedule=schedule)


def test_out_of_range():
    def above(x):
        x[cuda.grid(1)] = 1

    def below(x):
        x[cuda.grid(1) - 1] = 1

    for kernel in above, below:
        with pytest.raises(IndexError):
            run(kernel, 1, 9 if kernel is above else 8, (np.zeros(8),))


def test_clusters_and_remote_stores():
    def kernel(x, out):
        ptx.cluster_size(4)
        s = cuda.shared.array((4, 4), float32, 16)
        barrier = cuda.shared.array(1, np.uint64, 8)
        rank, thread = ptx.cluster_rank(), cuda.threadIdx.x
        here, bar = ptx.shared_address(s, (rank, 0)), ptx.shared_address(barrier, 0)
        if thread == 0:
            ptx.barrier_init(bar, 1)
            ptx.barrier_expect(bar, 64)
            ptx.fence_barriers()
        ptx.cluster_arrive()
        ptx.cluster_wait()
        if thread < 4:
            v = x[rank]
            ptx.store4_remote(ptx.map_shared(here, thread), ptx.map_shared(bar, thread), v, v + 1, v + 2, v + 3)
        while ptx.barrier_reached(bar, 0) == 0:
            pass
        if thread < 16:
            out[cuda.blockIdx.x, thread] = s[thread // 4, thread % 4]
        ptx.cluster_arrive()
        ptx.cluster_wait()

    x, out = np.array([10, 20, 30, 40], np.float32), np.zeros((8, 16), np.float32)
    report = run(kernel, 8, 32, (x, out))
    assert report.cluster == 4
    np.testing.assert_array_equal(out, np.tile((x[:, None] + np.arange(4)).reshape(-1), (8, 1)))


def test_device_functions_as_arguments():
    @device_function
    def twice(x):
        return x + x

    @device_function
    def exponential(x):
        return math.exp(x)

    @device_function
    def update(first, second, x):
        return first(second(x))

    def kernel(x):
        i = cuda.grid(1)
        x[i] = update(twice, exponential, x[i]) + float32(1)

    x = np.array([0, 1, 200], np.float32)
    run(kernel, 1, 3, (x,))
    np.testing.assert_allclose(x, [3, 2 * np.e + 1, np.inf], 1e-6)
