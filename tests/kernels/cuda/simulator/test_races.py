"""Accesses of one word that nothing orders are found in the first run, whatever its schedule; ordered ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, float32

from . import SCHEDULES, RaceError, run

ALL = 0xFFFFFFFF


def found(kernel, grid, threads, *arguments, **options):
    """Whether a race is found: by every schedule alike."""
    answers = set()
    for schedule in SCHEDULES:
        for seed in range(3):
            fresh = tuple(array.copy() for array in arguments)
            try:
                run(kernel, grid, threads, fresh, races=True, schedule=schedule, seed=seed, **options)
            except RaceError:
                answers.add(True)
            else:
                answers.add(False)
    assert len(answers) == 1
    return answers.pop()


def make_reversal(barrier):
    def kernel(x):
        s = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        s[i] = x[i]
        if barrier == "block":
            cuda.syncthreads()
        elif barrier == "warp":
            cuda.syncwarp()
        elif barrier == "shuffle":
            cuda.shfl_xor_sync(ALL, s[i], 1)
        elif barrier == "grid":
            cuda.cg.this_grid().sync()
        elif barrier == "cluster":
            ptx.cluster_arrive()
            ptx.cluster_wait()
        elif barrier == "arrival":
            ptx.cluster_arrive()
        n = cuda.blockDim.x
        x[i] = s[n - 1 - i]
        if barrier == "arrival":
            ptx.cluster_wait()

    return kernel


@pytest.mark.parametrize(
    ("barrier", "threads", "races"),
    [
        ("none", 64, True), ("none", 32, True), ("block", 64, False), ("warp", 32, False), ("warp", 64, True),
        ("shuffle", 32, True), ("grid", 64, False), ("cluster", 64, False), ("arrival", 64, True),
    ],
)  # fmt: skip
def test_one_exchange(barrier, threads, races):
    assert found(make_reversal(barrier), 1, threads, np.zeros(64, np.float32)) == races


@pytest.mark.parametrize(("buffers", "barriers", "races"), [(1, 2, False), (1, 1, True), (2, 1, False), (2, 0, True)])
@pytest.mark.parametrize("memory", ["shared", "global"])
def test_steps(memory, buffers, barriers, races):
    def kernel(work):
        s = cuda.shared.array((2, 48), float32) if memory == "shared" else work
        i = cuda.threadIdx.x
        v = float32(i)
        for t in range(5):
            s[t % buffers, i] = v
            if barriers > 0:
                cuda.syncthreads()
            v = s[t % buffers, (i + 5) % 48]
            if barriers > 1:
                cuda.syncthreads()

    assert found(kernel, 1, 48, np.zeros((2, 48), np.float32)) == races


def test_words_of_other_blocks_and_single_words():
    def own(x):
        x[cuda.grid(1)] += 1

    def others(x):
        x[cuda.grid(1)] = 1
        cuda.syncthreads()
        x[cuda.grid(1)] = x[(cuda.grid(1) + 1) % 16] + 1

    def one_word(x):
        x[0] = cuda.grid(1)

    def one_value(x):
        x[0] = 3

    x = np.zeros(16)
    assert not found(own, 2, 8, x)
    assert found(others, 2, 8, x)
    assert found(one_word, 1, 2, x)
    assert not found(one_value, 2, 8, np.full(16, 3.0))


def test_relaxed_words_order_nothing_else():
    """A flag says nothing of the datum beside it; a datum that is its own flag needs no more."""

    def flag(data, words):
        if cuda.blockIdx.x == 0:
            data[0] = 5
            ptx.store_relaxed(ptx.address(words, 0), 1)
        else:
            while ptx.load_relaxed(ptx.address(words, 0)) == 0:
                pass
            data[1] = data[0]

    def datum(data, words):
        if cuda.blockIdx.x == 0:
            ptx.store_relaxed(ptx.address(words, 0), 5)
        else:
            q = ptx.load4_relaxed(ptx.address(words, 0))
            while q[0] == 0:
                q = ptx.load4_relaxed(ptx.address(words, 0))
            data[1] = q[0]

    def fenced(data, words):
        if cuda.blockIdx.x == 0:
            data[0] = 5
            cuda.threadfence()
            ptx.store_relaxed(ptx.address(words, 0), 1)
        else:
            while ptx.load_relaxed(ptx.address(words, 0)) == 0:
                pass
            cuda.threadfence()
            data[1] = data[0]

    def plain(data, words):
        if cuda.blockIdx.x == 0:
            ptx.store_relaxed(ptx.address(words, 0), 5)
        else:
            data[1] = words[0]

    for kernel, races in ((flag, True), (datum, False), (fenced, False), (plain, True)):
        data, words = np.zeros(2), np.zeros(4, np.uint32)
        assert found(kernel, 2, 1, data, words) == races
        run(kernel, 2, 1, (data, words))
        assert data[1] == 5


def test_the_cache_of_what_nobody_writes():
    def kernel(x, out):
        i = cuda.threadIdx.x
        if i == 0:
            out[0] = ptx.load4(ptx.address(x, 0))[0]
        cuda.syncthreads()
        if i == 1:
            x[0] = 1

    assert found(kernel, 1, 2, np.zeros(4, np.float32), np.zeros(1))


def test_messages_name_both_places():
    def kernel(x):
        i = cuda.threadIdx.x
        x[0] = i

    with pytest.raises(
        RaceError, match=r"thread \(\d, 0, 0\) of block \(0, 0, 0\) wrote a word at line \d+ of kernel, thread"
    ):
        run(kernel, 1, 2, (np.zeros(1),), races=True)


def test_arrays_are_written_by_elements():
    def kernel(x):
        x[:] = 0

    with pytest.raises(NotImplementedError, match="one element"):
        run(kernel, 1, 2, (np.zeros(4),), races=True)
