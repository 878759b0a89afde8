"""A mutant differs in one place, and its errors point to where that is."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.kernels.cuda.toolkit import cuda

from . import RaceError, run
from .mutation import mutant, occurrences


def build_shift(steps):
    def kernel(x):
        i = cuda.threadIdx.x
        for _ in range(steps):
            v = x[(i + 1) % 40]
            cuda.syncthreads()
            x[i] = v
            cuda.syncthreads()

    return kernel


def shifted(factory):
    x = np.arange(40.0)
    run(factory(3), 1, 40, (x,), races=True)
    return x.tolist()


def test_mutants():
    assert occurrences(build_shift, "cuda.syncthreads()") == 2
    expected = np.roll(np.arange(40.0), -3).tolist()
    assert shifted(build_shift) == expected
    assert shifted(mutant(build_shift, "cuda.syncthreads()", "cuda.syncthreads(); cuda.syncwarp()")) == expected
    for which in range(2):
        with pytest.raises(RaceError, match=f"at line {build_shift.__code__.co_firstlineno + 4} of kernel"):
            shifted(mutant(build_shift, "cuda.syncthreads()", which=which))
    assert shifted(mutant(build_shift, "+ 1", "+ 2")) == np.roll(np.arange(40.0), -6).tolist()
    assert shifted(build_shift) == expected


def test_mutants_have_a_place():
    with pytest.raises(ValueError, match=r"build_shift has 'cuda\.syncthreads\(\)' fewer than 3 times"):
        mutant(build_shift, "cuda.syncthreads()", which=2)
