"""Kernels without one of their barriers are found out in the first run; with all of them nothing is found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import SEQUENCES
from numba_rnn.kernels.cuda.ops import build_activations
from numba_rnn.kernels.cuda.scan import build_scan
from numba_rnn.kernels.cuda.scan_block import LANES, build_scan_block
from numba_rnn.kernels.cuda.toolkit import device_function, real_type

from .simulator import SCHEDULES, RaceError, run
from .simulator.mutation import mutant, occurrences

B, T, H, ROWS = 3, 4, 9, 2
DTYPE = np.dtype(np.float32)
ACTIVATIONS = build_activations(DTYPE)
GENERAL = build_scan, (ROWS,), 32
BLOCK = build_scan_block, (H, ROWS), LANES * (math.ceil(H / 8) * 8)
BARRIERS = [
    (kernel, which) for kernel in (GENERAL, BLOCK) for which in range(occurrences(kernel[0], "cuda.syncthreads()"))
]


def scan(factory, parameters, threads, cell, **options):
    """The outputs of a cell with random weights; raises where the simulator finds a fault."""
    spec = CELLS[cell]
    G, S, E = len(spec.gates), len(spec.states), len(spec.extra)
    kernel = factory(
        real_type(DTYPE), G, spec.first or G, S, E, *parameters,
        device_function(spec.update), device_function(spec.gate or spec.update), ACTIVATIONS["tanh"], ACTIVATIONS["sigmoid"],
    )  # fmt: skip
    rng = np.random.default_rng(9)
    shapes = (1, B, T, G * H), (1, H, G * H), (1, 2, G * H), (1, max(1, E), H), (1, S, B, H)
    xw, recurrent, biases, extra, states = (rng.uniform(-1, 1, shape).astype(DTYPE) for shape in shapes)
    y, work = np.zeros((B, T, H), DTYPE), np.full((3, 1, B, H), np.nan, DTYPE)
    mask, error = np.ones((B, T), bool), np.zeros(1, np.int32)
    arguments = xw, mask, recurrent, biases, extra, states, y, work, error, 0, T, SEQUENCES
    run(kernel, (math.ceil(B / ROWS), 1), threads, arguments, races=True, **options)
    return y


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_kernels_have_no_races(cell, schedule):
    one, other = (scan(*kernel, cell, schedule=schedule) for kernel in (GENERAL, BLOCK))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert np.abs(one).max() > 0.1


@pytest.mark.parametrize(("kernel", "which"), BARRIERS)
def test_every_barrier_is_needed(kernel, which):
    """By a cell with two phases: others have no use for what stands between the phases."""
    factory, *launch = kernel
    with pytest.raises(RaceError):
        scan(mutant(factory, "cuda.syncthreads()", which=which), *launch, "gru_reset_before")


@pytest.mark.parametrize(("kernel", "text"), [(GENERAL, "work[1 - now"), (BLOCK, "h[1 - now")])
def test_both_buffers_are_needed(kernel, text):
    factory, *launch = kernel
    with pytest.raises(RaceError):
        scan(mutant(factory, text, text.replace("1 - now", "now")), *launch, "lstm")
