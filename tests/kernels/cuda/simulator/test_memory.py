"""Arrays, addresses and memory that nobody has written."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import cuda, float32, float64, int32, uint64

from . import OutOfRangeError, run


def test_memory_begins_as_garbage():
    def kernel(out):
        i = cuda.threadIdx.x
        s, t = cuda.shared.array((2, 3), float32), cuda.shared.array(3, float64)
        w, v = cuda.local.array((2, 3), float32), cuda.local.array(3, float64)
        assert s.dtype == w.dtype == np.float32
        assert t.dtype == v.dtype == np.float64
        for value in (s[1, 2], t[2], w[0, 1], v[1]):
            assert math.isnan(value)
        n = cuda.local.array(2, int32)
        out[i] = n[1]
        n[1] = i

    out = np.zeros(4, np.int32)
    run(kernel, 1, 4, (out,))
    assert (out > 2**30).all()  # no index of anything, and each thread has its own


def test_local_arrays():
    """Numbers are of the array's type, rows are views, and there is nothing beyond the end."""

    def kernel(out):
        w, n = cuda.local.array((2, 3), float32), cuda.local.array(2, uint64)
        row = w[1]
        w[1, 0], row[1], w[1][2] = float64(0.1), float32(2), 3
        for i in range(3):
            out[i] = w[np.int64(1), i] * float64(1)
        n[0], n[1] = ptx.address(out, 1), uint64(7)
        out[3] = ptx.load_float64(n[0] + uint64(8))
        a, b = n
        assert (a, b) == (n[0], 7)
        assert (w.shape, len(w), len(row), n.dtype) == ((2, 3), 2, 3, np.uint64)
        assert n[1] not in [*w[0], *w[1]]
        for index in ((2, 0), (0, 3), (-1, 0), (0, -1), 2, -1, (0, 0, 0)):
            with pytest.raises(OutOfRangeError):
                w[index] = 0
        with pytest.raises(OutOfRangeError):
            row[-1] = 0

    out = np.zeros(4)
    run(kernel, 1, 1, (out,))
    assert out.tolist() == [np.float32(0.1), 2, 3, 3]


def test_shared_memory_is_of_one_block():
    def kernel(out):
        s = cuda.shared.array(1, int32)
        if cuda.threadIdx.x == 0:
            s[0] = cuda.blockIdx.x
        cuda.syncthreads()
        out[cuda.blockIdx.x, cuda.threadIdx.x] = s[0]

    out = np.zeros((5, 3), np.int32)
    run(kernel, 5, 3, (out,))
    np.testing.assert_array_equal(out, np.repeat(np.arange(5)[:, None], 3, 1))


def test_shared_memory_is_limited():
    def kernel(out):
        s = cuda.shared.array(12000, float32)
        t = cuda.shared.array(289, float32)
        out[0] = s[0] + t[0]

    with pytest.raises(MemoryError, match="49152 bytes"):
        run(kernel, 1, 1, (np.zeros(1),))


INDICES = [
    lambda x: x[4, 0], lambda x: x[0, 3], lambda x: x[-1, 0], lambda x: x[0, -1], lambda x: x[np.int64(-1), 0],
    lambda x: x[0][-1], lambda x: x[-1], lambda x: x[4],
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(INDICES)))
@pytest.mark.parametrize("place", ["global", "shared", "local"])
@pytest.mark.parametrize("races", [False, True])
def test_indices_outside(index, place, races):
    read = INDICES[index]

    def kernel(x):
        s = cuda.shared.array((4, 3), float32)
        w = cuda.local.array((4, 3), float32)
        read({"global": x, "shared": s, "local": w}[place])

    with pytest.raises(IndexError):
        run(kernel, 1, 1, (np.zeros((4, 3)),), races=races)


@pytest.mark.parametrize("index", [8, -1, -9, np.int32(-1), slice(-3, None)])
def test_stores_outside(index):
    def kernel(x):
        x[index] = 1

    x = np.zeros(8)
    with pytest.raises(IndexError):
        run(kernel, 1, 1, (x,))
    assert not x.any()


def test_views_and_words():
    """Addresses of views, of rows, of part of an array, in both directions."""

    def kernel(whole, part, rows, out):
        a = ptx.load4(ptx.address(whole, (1, 4)))
        b = ptx.load4(ptx.address(part, (0, 0)))
        c = ptx.load4(ptx.address(whole[1], 4) + 16)
        d = ptx.load4(ptx.address(rows, (1, 0)) - 32)
        for i in range(4):
            out[0, i], out[1, i], out[2, i], out[3, i] = a[i], b[i], c[i], d[i]

    whole = np.arange(48, dtype=np.float32).reshape(3, 16)
    out = np.zeros((4, 4))
    run(kernel, 1, 1, (whole, whole[1:, 8:12], whole[:, 4:], out))
    np.testing.assert_array_equal(out, [whole[1, 4:8], whole[1, 8:12], whole[1, 8:12], whole[0, 12:16]])


def test_shared_words_and_relaxed_words():
    def kernel(x, words, out):
        s = cuda.shared.array((2, 8), float32, 16)
        i = cuda.threadIdx.x
        p = ptx.shared_address(s, (0, 0))
        ptx.store4_shared(p + 16 * i, x[i], x[i] + 1, x[i] + 2, x[i] + 3)
        cuda.syncthreads()
        q = ptx.load4_shared(ptx.shared_address(s, (i // 2, 4 * (i % 2))))
        for j in range(4):
            assert s[i // 2, 4 * (i % 2) + j] == q[j]
            out[i, j] = q[j]
        ptx.store_relaxed(ptx.address(words, i), ptx.bits_of(x[i]))
        cuda.syncthreads()
        out[i, 0] = ptx.float_of(ptx.load4_relaxed(ptx.address(words, 0))[i])

    x, words, out = np.array([1.5, -2, 1e30, np.inf], np.float32), np.zeros(4, np.uint32), np.zeros((4, 4), np.float32)
    run(kernel, 1, 4, (x, words, out))
    np.testing.assert_array_equal(out, x[:, None] + np.arange(4, dtype=np.float32))
    np.testing.assert_array_equal(words, x.view(np.uint32))


WRONG = {
    "beyond": lambda x, s: ptx.load4(ptx.address(x, 8) + 16),
    "before": lambda x, s: ptx.load4(ptx.address(x, 0) - 16),
    "an index beyond": lambda x, s: ptx.address(x, 12),
    "an index before": lambda x, s: ptx.address(x, -1),
    "not aligned": lambda x, s: ptx.load4(ptx.address(x, 1)),
    "half a word": lambda x, s: ptx.load_relaxed(ptx.address(x, 1) + 2),
    "a store beyond": lambda x, s: ptx.store_relaxed(ptx.address(x, 11) + 4, 1),
    "shared, not aligned": lambda x, s: ptx.load4_shared(ptx.shared_address(s, 1)),
    "shared, beyond": lambda x, s: ptx.load4_shared(ptx.shared_address(s, 4) + 16),
    "shared, before": lambda x, s: ptx.store4_shared(ptx.shared_address(s, 0) - 16, 0, 0, 0, 0),
}


@pytest.mark.parametrize("what", WRONG)
def test_addresses_outside(what):
    wrong = WRONG[what]

    def kernel(x):
        s = cuda.shared.array(8, float32, 16)
        call(x, s)

    call = cuda.jit(wrong, device=True)
    with pytest.raises(OutOfRangeError):
        run(kernel, 1, 1, (np.zeros(12, np.float32),))


def test_shared_arrays_are_aligned_as_asked():
    def kernel(alignments):
        a = cuda.shared.array(5, float32)
        b = cuda.shared.array(5, float64)
        c = cuda.shared.array(5, float32, 16)
        for i in range(1):
            alignments[0] = ptx.shared_address(a, i) % 16
            alignments[1] = ptx.shared_address(b, i) % 16
            alignments[2] = ptx.shared_address(c, i) % 16

    alignments = np.ones(3, np.int32)
    run(kernel, 1, 1, (alignments,))
    assert alignments.tolist() == [4, 8, 0]


def test_spaces_are_kept_apart():
    def of_local():
        ptx.address(cuda.local.array(4, float32), 0)

    def of_shared():
        ptx.address(cuda.shared.array(4, float32), 0)

    def of_global(x):
        ptx.shared_address(x, 0)

    for kernel, arguments in ((of_local, ()), (of_shared, ()), (of_global, (np.zeros(4, np.float32),))):
        with pytest.raises(TypeError, match="address"):
            run(kernel, 1, 1, arguments)
