"""Threads, warps and blocks run as on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, float32

from . import SCHEDULES, DeadlockError, DivergenceError, run

ALL = 0xFFFFFFFF
both_schedules = pytest.mark.parametrize("schedule", SCHEDULES)


def test_places():
    def kernel(out):
        x, y, z = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.z
        bx, by, bz = cuda.blockIdx.x, cuda.blockIdx.y, cuda.blockIdx.z
        out[bz, by, bx, z, y, x] = x + 10 * y + 100 * z + 1000 * cuda.laneid
        i, j, k = cuda.grid(3)
        assert (i, j, k) == (x + bx * cuda.blockDim.x, y + by * cuda.blockDim.y, z + bz * cuda.blockDim.z)
        assert cuda.gridsize(1) == cuda.gridDim.x * cuda.blockDim.x == 15

    out = np.zeros((2, 4, 3, 2, 4, 5), np.int32)
    report = run(kernel, (3, 4, 2), (5, 4, 2), (out,))
    assert report.threads == out.size
    z, y, x = np.indices((2, 4, 5))
    np.testing.assert_array_equal(
        out, np.broadcast_to(x + 10 * y + 100 * z + 1000 * ((x + 5 * y + 20 * z) % 32), out.shape)
    )


@both_schedules
@pytest.mark.parametrize("seed", range(3))
def test_barriers_of_blocks(schedule, seed):
    def kernel(x):
        s = cuda.shared.array((2, 48), float32)
        b, i = cuda.blockIdx.x, cuda.threadIdx.x
        s[0, i] = x[b, i]
        cuda.syncthreads()
        for step in range(7):
            s[1 - step % 2, i] = s[step % 2, (i + 1) % 48] + float32(step)
            cuda.syncthreads()
        x[b, i] = s[1, i]

    x = np.random.default_rng(1).normal(size=(3, 48)).astype(np.float32)
    expected = np.roll(x, -7, axis=1)
    for step in range(7):
        expected = expected + np.float32(step)
    run(kernel, 3, 48, (x,), schedule=schedule, seed=seed)
    np.testing.assert_allclose(x, expected, 1e-5)


@both_schedules
def test_one_seed_is_one_order(schedule):
    def kernel(order, count):
        for _ in range(3):
            order[cuda.atomic.add(count, 0, 1)] = cuda.grid(1)
            cuda.syncthreads()

    def order(seed):
        order, count = np.zeros(384, np.int32), np.zeros(1, np.int32)
        run(kernel, 2, 64, (order, count), schedule=schedule, seed=seed)
        assert sorted(order) == sorted([*range(128)] * 3)
        return order.tolist()

    assert order(5) == order(5)
    assert order(5) != order(6)
    assert order(5) != sorted(order(5))


def test_threads_that_end_are_not_waited_for():
    def kernel(x):
        i = cuda.threadIdx.x
        if i >= 40:
            return
        s = cuda.shared.array(40, float32)
        s[i] = x[i]
        cuda.syncthreads()
        x[i] = s[39 - i]

    x = np.arange(64, dtype=np.float32)
    run(kernel, 1, 64, (x,))
    np.testing.assert_array_equal(x, [*range(39, -1, -1), *range(40, 64)])


def test_the_whole_grid_waits():
    def kernel(x, out):
        i = cuda.grid(1)
        x[i] = i
        cuda.cg.this_grid().sync()
        out[i] = x[(i + 8) % 32]

    x, out = np.zeros(32), np.zeros(32)
    run(kernel, 4, 8, (x, out))
    np.testing.assert_array_equal(out, np.roll(np.arange(32), -8))


@both_schedules
def test_shuffles(schedule):
    def kernel(x, out):
        i = cuda.threadIdx.x
        v = x[i]
        out[0, i] = cuda.shfl_sync(ALL, v, 5)
        out[1, i] = cuda.shfl_xor_sync(ALL, v, 3)
        out[2, i] = cuda.shfl_down_sync(ALL, v, 7)
        out[3, i] = cuda.shfl_up_sync(ALL, v, 7)
        out[4, i] = cuda.shfl_sync(ALL, v, 37)  # only five bits count

    x = np.random.default_rng(2).normal(size=64).astype(np.float32)
    out = np.zeros((5, 64), np.float32)
    run(kernel, 1, 64, (x, out), schedule=schedule)
    warps, lanes = x.reshape(2, 32), np.arange(32)
    expected = [
        np.repeat(warps[:, 5:6], 32, 1),
        warps[:, lanes ^ 3],
        warps[:, np.where(lanes + 7 < 32, lanes + 7, lanes)],
        warps[:, np.where(lanes >= 7, lanes - 7, lanes)],
        np.repeat(warps[:, 5:6], 32, 1),
    ]
    np.testing.assert_array_equal(out, np.stack(expected).reshape(5, 64))


def test_shuffles_of_a_part():
    def kernel(x, out):
        i = cuda.threadIdx.x
        if i < 8:
            out[i] = cuda.shfl_xor_sync(0xFF, x[i], 1)
        elif i < 16:
            out[i] = cuda.shfl_xor_sync(0xFF00, x[i], 2)

    def outside(x):
        if cuda.threadIdx.x < 8:
            x[cuda.threadIdx.x] = cuda.shfl_xor_sync(0xFF, x[cuda.threadIdx.x], 8)

    x, out = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)
    run(kernel, 1, 32, (x, out))
    i = np.arange(32)
    np.testing.assert_array_equal(out, np.where(i < 8, i ^ 1, np.where(i < 16, i ^ 2, 0)))
    with pytest.raises(DivergenceError, match="does not take part"):
        run(outside, 1, 32, (x,))


@both_schedules
def test_votes(schedule):
    def kernel(x, out):
        i = cuda.threadIdx.x
        out[0, i] = cuda.ballot_sync(ALL, x[i] > 0)
        out[1, i] = cuda.any_sync(ALL, x[i] > 1)
        out[2, i] = cuda.all_sync(ALL, x[i] < 3)
        out[3, i] = cuda.popc(out[0, i])
        cuda.syncwarp()

    x = np.random.default_rng(3).normal(size=64)
    x[:32] -= 9
    x[40] = 2
    out = np.zeros((4, 64), np.uint32)
    run(kernel, 1, 64, (x, out), schedule=schedule)
    for warp in 0, 1:
        part = x[32 * warp : 32 * warp + 32]
        ballot = sum(1 << lane for lane in range(32) if part[lane] > 0)
        for row, value in enumerate((ballot, (part > 1).any(), (part < 3).all(), ballot.bit_count())):
            np.testing.assert_array_equal(out[row, 32 * warp : 32 * warp + 32], value)


def fragment_kernel(multiply, steps):
    """C (16, 8) += A (16, 8 or 16) B by one warp, in the layout of the PTX ISA (sections on m16n8k8 and m16n8k16)."""

    def kernel(a, b, c):
        lane = cuda.threadIdx.x
        g, q = lane // 4, lane % 4
        if steps == 1:
            af = (
                ptx.to_tf32(a[g, q]), ptx.to_tf32(a[g + 8, q]), ptx.to_tf32(a[g, q + 4]), ptx.to_tf32(a[g + 8, q + 4]),
            )  # fmt: skip
            bf = ptx.to_tf32(b[q, g]), ptx.to_tf32(b[q + 4, g])
        else:
            k = 2 * q
            af = (
                ptx.pack_bf16(a[g, k + 1], a[g, k]), ptx.pack_bf16(a[g + 8, k + 1], a[g + 8, k]),
                ptx.pack_bf16(a[g, k + 9], a[g, k + 8]), ptx.pack_bf16(a[g + 8, k + 9], a[g + 8, k + 8]),
            )  # fmt: skip
            bf = ptx.pack_bf16(b[k + 1, g], b[k, g]), ptx.pack_bf16(b[k + 9, g], b[k + 8, g])
        d = multiply(
            af[0], af[1], af[2], af[3], bf[0], bf[1], c[g, 2 * q], c[g, 2 * q + 1], c[g + 8, 2 * q], c[g + 8, 2 * q + 1]
        )
        c[g, 2 * q] = d[0]
        c[g, 2 * q + 1] = d[1]
        c[g + 8, 2 * q] = d[2]
        c[g + 8, 2 * q + 1] = d[3]

    return kernel


@pytest.mark.parametrize(("multiply", "steps", "bits"), [(ptx.mma_tf32, 1, 10), (ptx.mma_bf16, 2, 7)])
def test_tensor_cores(multiply, steps, bits):
    rng = np.random.default_rng(4)
    exact = [rng.integers(-8, 8, shape).astype(np.float32) for shape in ((16, 8 * steps), (8 * steps, 8), (16, 8))]
    c = exact[2].copy()
    run(fragment_kernel(multiply, steps), 1, 32, (exact[0], exact[1], c))
    np.testing.assert_array_equal(c, exact[0] @ exact[1] + exact[2])

    a, b, c = (rng.normal(size=x.shape).astype(np.float32) for x in exact)
    expected, most = a @ b + c, np.abs(a) @ np.abs(b)
    run(fragment_kernel(multiply, steps), 1, 32, (a, b, c))
    errors = np.abs(c - expected) / most
    assert errors.max() < 2.0**-bits
    assert errors.max() > 2.0 ** -(bits + 6)  # it does round its operands


def test_tensor_cores_want_whole_warps():
    def kernel(out):
        if cuda.threadIdx.x < 20:
            out[cuda.threadIdx.x] = ptx.mma_tf32(0, 0, 0, 0, 0, 0, float32(0), float32(0), float32(0), float32(0))[0]

    for threads in 20, 32:
        with pytest.raises((DivergenceError, DeadlockError)):
            run(kernel, 1, threads, (np.zeros(32, np.float32),))


@both_schedules
@pytest.mark.parametrize("seed", range(4))
def test_flags_between_blocks(schedule, seed):
    def kernel(words, out):
        b = cuda.blockIdx.x
        here = ptx.address(words, b)
        if cuda.threadIdx.x == 0:
            if b == 0:
                ptx.store_relaxed(here, 7)
            while ptx.load_relaxed(here) == 0:
                pass
            if b < 4:
                ptx.store_relaxed(here + 4, ptx.load_relaxed(here) + 1)
        cuda.syncthreads()
        out[b, cuda.threadIdx.x] = ptx.load_relaxed(here)

    words, out = np.zeros(5, np.uint32), np.zeros((5, 8), np.uint32)
    run(kernel, 5, 8, (words, out), schedule=schedule, seed=seed)
    np.testing.assert_array_equal(out, np.repeat(np.arange(7, 12)[:, None], 8, 1))


@both_schedules
def test_locks_of_atomics(schedule):
    def kernel(lock, total):
        while cuda.atomic.cas(lock, 0, 0, 1) == 1:
            pass
        before = total[0]
        cuda.nanosleep(10)
        total[0] = before + 1
        cuda.atomic.exch(lock, 0, 0)
        cuda.atomic.max(total, 1, cuda.grid(1))
        cuda.atomic.sub(total, 2, 2)

    total = np.zeros(3, np.int32)
    run(kernel, 3, 20, (np.zeros(1, np.int32), total), schedule=schedule)
    assert total.tolist() == [60, 59, -120]
