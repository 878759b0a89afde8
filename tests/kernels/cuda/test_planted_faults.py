"""Kernels with one fault of synchronisation planted in their source are found out; without it nothing is found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda.plan import Launch
from numba_rnn.kernels.cuda.scan import build_scan
from numba_rnn.kernels.cuda.scan_block import build_scan_block
from numba_rnn.kernels.cuda.scan_grid import build_scan_grid

from .calls import BOUND, Call, made, scanned
from .simulator import SCHEDULES, DeadlockError, RaceError
from .simulator.mutation import mutant, occurrences

B, T, H, ROWS = 3, 4, 9, 2
TILES = math.ceil(B / ROWS)
GENERAL = build_scan, Launch("general", (ROWS,), (TILES, 1), 32, (3, 1, B, H), False, T)
BLOCK = build_scan_block, Launch("block", (H, ROWS, 4), (TILES, 1), 64, (1, 1, 1, 1), False, T)
GRID = build_scan_grid, Launch("grid", (H, 8, ROWS), (2, 1), 256, (1, T + 1, TILES * ROWS, 12), True, T)
KERNELS = GENERAL, BLOCK, GRID
IDS = "general", "block", "grid"


def call_of(cell):
    return Call(cell, B, T, H, stateful=True, options=ScanOptions(return_sequences=True))


def check(factory, launch, cell, **how):
    """Raises where the simulator finds a fault, or the results do."""
    call = call_of(cell)
    actual = scanned(made(factory, call, launch.parameters), call, launch, **how)
    for a, b in zip(actual, call.expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=BOUND[call.dtype])


def two_phases_where_possible(factory):
    """Others have no use for what stands between the phases."""
    return "gru" if factory is build_scan_grid else "gru_reset_before"


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("kernel", "cell"),
    [(k, cell) for k in KERNELS for cell in sorted(CELLS) if k is not GRID or CELLS[cell].first is None],
    ids=lambda value: value if isinstance(value, str) else value[1].kernel,
)
def test_kernels_have_no_races(kernel, cell, schedule):
    check(*kernel, cell, schedule=schedule, races=True)


@pytest.mark.parametrize(
    ("kernel", "which"),
    [(kernel, which) for kernel in KERNELS for which in range(occurrences(kernel[0], "cuda.syncthreads()"))],
    ids=lambda value: str(value) if isinstance(value, int) else value[1].kernel,
)
def test_every_barrier_is_needed(kernel, which):
    factory, launch = kernel
    with pytest.raises(RaceError):
        check(mutant(factory, "cuda.syncthreads()", which=which), launch, two_phases_where_possible(factory), races=True)


@pytest.mark.parametrize(
    ("kernel", "text", "instead"),
    [
        (GENERAL, "work[1 - now", "work[now"),
        (BLOCK, "(p + 1) % 2 * copy", "p % 2 * copy"),
        (BLOCK, "new_at + uint32(2 * copy)", "new_at"),
        (GRID, "turn = uint32(turn_bytes) - turn", "pass"),
        (GRID, "cuda.syncwarp()", "pass"),
    ],
)  # fmt: skip
def test_every_buffer_is_needed(kernel, text, instead):
    factory, launch = kernel
    with pytest.raises(RaceError):
        check(mutant(factory, text, instead), launch, two_phases_where_possible(factory), races=True)


@pytest.mark.parametrize(
    ("text", "instead", "fault"),
    [
        ("while cuda.any_sync(WARP, incomplete(words[b, v])) and waits > 0:", "while False:", AssertionError),  # no wait
        ("while cuda.any_sync(WARP, incomplete(words[b, v]))", "while incomplete(words[0, 0])", AssertionError),
        ("publish(next_at, new_h if exists else zero)", "pass", DeadlockError),
        ("(cell, 1, r, 0)", "(cell, 0, r, 0)", (AssertionError, DeadlockError)),  # a place that is used already
    ],
)
def test_the_words_of_h_are_waited_for(text, instead, fault):
    """Found without looking for races: relaxed accesses have none."""
    factory, launch = mutant(GRID[0], text, instead), GRID[1]
    with pytest.raises(fault):
        for seed in range(4):
            check(factory, launch, "gru", seed=seed, schedule=SCHEDULES[seed % 2])


def test_a_barrier_is_missed_in_the_results_too():
    """What no one looked for: some order of threads gives other numbers."""
    for kernel in (BLOCK, GRID):
        factory, launch = kernel
        which = {BLOCK[0]: 1, GRID[0]: 1}[factory]  # of the time loop
        with pytest.raises(AssertionError):
            for seed in range(8):
                check(mutant(factory, "cuda.syncthreads()", which=which), launch, "lstm", seed=seed, schedule=SCHEDULES[seed % 2])
