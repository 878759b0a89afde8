"""Deadlocks, divergence and races come to light, whichever order is drawn, and a run leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, float64

from . import SCHEDULES, DeadlockError, DivergenceError, run

ALL = 0xFFFFFFFF
both_schedules = pytest.mark.parametrize("schedule", SCHEDULES)


def unreached(words):
    if cuda.threadIdx.x < 3:
        cuda.syncthreads()
    elif cuda.threadIdx.x == 3:
        while ptx.load_relaxed(ptx.address(words, 0)) == 0:
            pass


def all_poll(words):
    while ptx.load4_relaxed(ptx.address(words, 0))[cuda.threadIdx.x % 4] == 0:
        pass


def each_waits_for_the_next(words):
    i = cuda.threadIdx.x
    while ptx.load_relaxed(ptx.address(words, (i + 1) % 4)) == 0:
        pass
    ptx.store_relaxed(ptx.address(words, i % 4), 1)


def a_missing_block(words):
    if cuda.blockIdx.x == 0:
        cuda.cg.this_grid().sync()
    else:
        while cuda.atomic.add(words, 0, 0) == 0:
            pass


def all_vote_in_vain(words):
    while cuda.any_sync(0xFF, ptx.load_relaxed(ptx.address(words, cuda.threadIdx.x % 4)) == 0):
        pass


def a_missing_lane(words):
    if cuda.threadIdx.x != 3:
        cuda.shfl_xor_sync(0xFF, 1, 1)
    else:
        cuda.syncthreads()


@both_schedules
@pytest.mark.parametrize(
    "kernel", [unreached, all_poll, each_waits_for_the_next, a_missing_block, all_vote_in_vain, a_missing_lane]
)
def test_deadlocks(kernel, schedule):
    with pytest.raises(DeadlockError):
        run(kernel, 2, 8, (np.zeros(4, np.uint32),), schedule=schedule)


def test_bounded_waits_can_end_by_themselves():
    def kernel(words, error):
        waits = 0
        while ptx.load_relaxed(ptx.address(words, 0)) == 0 and waits < 200:
            waits += 1
        if waits == 200:
            error[0] = 1

    error = np.zeros(1, np.int32)
    with pytest.raises(DeadlockError, match="16 threads poll memory"):
        run(kernel, 2, 8, (np.zeros(1, np.uint32), error))
    run(kernel, 2, 8, (np.zeros(1, np.uint32), error), give_up=True)
    assert error[0] == 1


def different_barriers(x):
    if cuda.threadIdx.x % 2:
        cuda.syncthreads()
    else:
        cuda.syncthreads()


def different_shuffles(x):
    if cuda.threadIdx.x % 2:
        x[0] = cuda.shfl_xor_sync(ALL, 1, 1)
    else:
        x[0] = cuda.ballot_sync(ALL, True)


def a_mask_without_me(x):
    x[0] = cuda.shfl_xor_sync(0xF, x[0], 1)


def lanes_that_have_ended(x):
    if cuda.threadIdx.x < 8:
        cuda.nanosleep(1)
        cuda.nanosleep(1)
        x[0] = cuda.any_sync(ALL, True)


@pytest.mark.parametrize("kernel", [different_barriers, different_shuffles, a_mask_without_me, lanes_that_have_ended])
def test_divergence(kernel):
    found = 0
    for seed in range(8):
        try:
            run(kernel, 1, 32, (np.zeros(4, np.float32),), seed=seed)
        except (DivergenceError, DeadlockError):
            found += 1
    assert found == 8


def test_errors_of_kernels_come_out():
    def kernel(x):
        cuda.syncthreads()
        if cuda.threadIdx.x == 5:
            raise KeyError("planted")
        cuda.syncthreads()

    for _ in range(2):
        with pytest.raises(KeyError, match="planted"):
            run(kernel, 4, 64, (np.zeros(1),))


def make_pipeline(buffers, waits):
    """Warp 0 hands h to warp 1 through shared memory, step by step."""

    def kernel(out):
        s = cuda.shared.array((buffers, 32), float64)
        lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
        for t in range(6):
            if warp == 0:
                s[t % buffers, lane] = 100 * t + lane
            cuda.syncthreads()
            if warp == 1:
                out[t, lane] = s[t % buffers, 31 - lane]
            if waits:
                cuda.syncthreads()

    return kernel


def is_right(kernel, seed, schedule):
    out = np.zeros((6, 32))
    run(kernel, 1, 64, (out,), seed=seed, schedule=schedule)
    return np.array_equal(out, 100 * np.arange(6)[:, None] + 31 - np.arange(32))


@both_schedules
def test_schedules_find_a_single_buffer(schedule):
    assert not all(is_right(make_pipeline(1, False), seed, schedule) for seed in range(8))
    assert all(is_right(make_pipeline(2, False), seed, schedule) for seed in range(8))
    assert all(is_right(make_pipeline(1, True), seed, schedule) for seed in range(8))


def test_priorities_let_a_warp_lag_far_behind():
    """The first warp to come takes what the last leaves many steps later: hardly any uniform choice shows it."""

    def kernel(ring, errors):
        lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
        for t in range(12):
            cuda.syncwarp()
            if warp == 0 and lane == 0:
                ring[t % 12] = t + 1
            if warp == 1 and lane == 0 and t == 0:
                errors[0] = ring[11] == 12

    def shown(schedule):
        count = 0
        for seed in range(40):
            errors = np.zeros(1, np.int32)
            run(kernel, 1, 64, (np.zeros(12, np.int32), errors), seed=seed, schedule=schedule)
            count += errors[0]
        return count

    assert shown("priority") > 10
    assert shown("random") == 0


def test_schedules_have_names():
    with pytest.raises(ValueError, match="'uniform'"):
        run(unreached, 1, 1, (np.zeros(1),), schedule="uniform")


def test_runs_in_several_threads_of_this_process():
    kernel = make_pipeline(2, False)
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda seed: is_right(kernel, seed, "random"), range(12)))
    assert is_right(kernel, 0, "random")


def test_nothing_of_a_run_is_kept():
    class Argument(np.ndarray):
        pass

    def kernel(x):
        cuda.syncthreads()
        if x.size > 3:
            raise KeyError("planted")

    for size in 3, 4:
        x = np.zeros(size).view(Argument)
        seen = weakref.ref(x)
        with pytest.raises(KeyError) if size > 3 else contextlib.nullcontext():
            run(kernel, 2, 8, (x,))
        del x
        gc.collect()
        assert seen() is None
