"""What is asked of cuBLAS: a stand-in reads the arguments as cublas_api.h has them, matrices in Fortran's order, and multiplies."""

import ctypes

import numpy as np
import pytest

from numba_rnn import DeviceError
from numba_rnn.kernels.cuda import blas

KINDS = {0: np.float32, 1: np.float64}


class StandIn:
    """cuBLAS over memory of the host."""

    def __init__(self, status=0):
        self.status, self.streams, self.computes, self.counts = status, [], [], []

    def cublasCreate_v2(self, handle):  # noqa: N802 (cuBLAS' names)
        return 0

    def cublasSetStream_v2(self, handle, stream):  # noqa: N802
        self.streams.append(stream.value)
        return 0

    def cublasGemmStridedBatchedEx(  # noqa: N802
        self, handle, ta, tb, m, n, k, alpha, a, a_kind, lda, stride_a, b, b_kind, ldb, stride_b, beta, c, c_kind, ldc, stride_c,
        count, compute, algorithm,
    ):  # fmt: skip
        assert (ta, tb, algorithm) == (0, 0, -1)
        assert alpha._obj.value == 1
        assert beta._obj.value == 0
        self.computes.append(compute)
        self.counts.append(count)
        for i in range(count):
            A = columns(a, a_kind, m, k, lda, stride_a.value * i)
            B = columns(b, b_kind, k, n, ldb, stride_b.value * i)
            columns(c, c_kind, m, n, ldc, stride_c.value * i)[...] = A @ B
        return self.status


def columns(pointer, kind, rows, count, leading, offset):
    """The matrix there, one column after another, `leading` numbers apart."""
    assert leading >= max(1, rows)
    dtype = np.dtype(KINDS[kind])
    memory = (ctypes.c_char * ((offset + leading * (count - 1) + rows) * dtype.itemsize)).from_address(pointer.value)
    flat = np.frombuffer(memory, dtype)[offset:]
    return np.lib.stride_tricks.as_strided(flat, (rows, count), (dtype.itemsize, leading * dtype.itemsize))


class Shown(np.ndarray):
    """An array of the host that says it is on the device."""

    @property
    def __cuda_array_interface__(self):
        return self.__array_interface__


def shown(array):
    return array.view(Shown)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_slices_of_time(rng, dtype):
    library = blas.Library(StandIn())
    x, w = rng.standard_normal((3, 7, 4)).astype(dtype), rng.standard_normal((4, 5)).astype(dtype)
    stream = 99
    for begin, end in ((0, 7), (2, 5), (6, 7)):
        for first in (0, 2):  # columns of w and z, as the phases of a step have them
            z = np.full((3, end - begin, 5), np.nan, dtype)
            columns = slice(first, 5)
            library.product(shown(x)[:, begin:end], shown(w)[:, columns], shown(z)[..., columns], "fp32", stream)()
            np.testing.assert_allclose(
                z[..., columns], x[:, begin:end] @ w[:, columns], rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-6
            )
            assert np.isnan(z[..., :first]).all()
    assert library._library.streams == [blas.LEGACY, 99]


@pytest.mark.parametrize(
    ("shape", "T", "count"), [((5, 4, 3), 4, 1), ((5, 4, 3), 1, 1), ((5, 4, 3), 2, 2), ((2, 9, 3), 4, 2)]
)
def test_few_products_of_many_rows(rng, shape, T, count):
    library = blas.Library(StandIn())
    x, w = rng.standard_normal(shape), rng.standard_normal((3, 2))
    z = np.full((shape[0], T, 2), np.nan)
    library.product(shown(x)[:, :T], shown(w), shown(z), "fp32", 1)()
    np.testing.assert_allclose(z, x[:, :T] @ w, rtol=1e-13, atol=1e-14)
    assert library._library.counts == [count]


def test_precisions(rng):
    """float32 is rounded only where that was asked for, float64 never. Numbers: cublasComputeType_t."""
    library = blas.Library(StandIn())
    stream = 0
    for dtype in ("float32", "float64"):
        x, w, z = (shown(np.ones(shape, dtype)) for shape in ((1, 2, 3), (3, 4), (1, 2, 4)))
        for precision in ("fp32", "bf16x3", "tf32", "bf16"):
            library.product(x, w, z, precision, stream)()
    assert library._library.computes == [68, 68, 77, 75, 70, 70, 70, 70]


def test_failures_are_errors():
    x, w, z = (shown(np.ones(shape, "float32")) for shape in ((1, 2, 3), (3, 4), (1, 2, 4)))
    with pytest.raises(DeviceError, match="cublasGemmStridedBatchedEx returned status 13"):
        blas.Library(StandIn(13)).product(x, w, z, "fp32", 1)()


def test_no_library(monkeypatch):
    def missing(name, *_, **__):
        raise OSError(name)

    monkeypatch.setattr(blas.ctypes, "CDLL", missing)
    assert blas.Library.load() is None


def test_a_library_that_does_not_start_is_none(monkeypatch):
    """As one of a newer CUDA than the driver's."""
    started = []

    class Broken(StandIn):
        def __init__(self, name, mode=None):
            if mode is not None:  # `cuda.pathfinder` looks for a real one
                raise OSError(name)
            super().__init__()
            started.append(name)

        def cublasCreate_v2(self, handle):  # noqa: N802
            return 1

    monkeypatch.setattr(blas.ctypes, "CDLL", Broken)
    assert blas.Library.load() is None
    assert started == list(blas.NAMES)
