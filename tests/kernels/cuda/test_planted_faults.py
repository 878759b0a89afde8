"""Kernels with one fault of synchronisation planted in their source are found out; without it nothing is found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import scan_grid
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.scan import build_scan
from numba_rnn.kernels.cuda.scan_block import build_scan_block
from numba_rnn.kernels.cuda.scan_grid import build_scan_grid

from .calls import BOUND, Call, made, scanned
from .simulator import SCHEDULES, RaceError
from .simulator.mutation import mutant, occurrences

B, T, H, ROWS = 3, 4, 9, 2
TILES = math.ceil(B / ROWS)
GENERAL = build_scan, Launch("general", (ROWS,), (TILES, 1), 32, 32, (3, 1, B, H), False, T)
BLOCK = build_scan_block, Launch("block", (H, ROWS, 4), (TILES, 1), 64, 64, (1, 1, 1, 1), False, T)
GRID = build_scan_grid, Launch("grid", (H, 8, ROWS), (2, 1), 256, 256, (1, T + 1, TILES * ROWS, 12), True, T)
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
        check(
            mutant(factory, "cuda.syncthreads()", which=which), launch, two_phases_where_possible(factory), races=True
        )


@pytest.mark.parametrize(
    ("kernel", "text", "instead"),
    [
        (GENERAL, "work[1 - now", "work[now"),
        (BLOCK, "p % 2 * copy, (p + 1) % 2 * copy", "0, 0"),
        (GRID, "turn = uint32(turn_bytes) - turn", "pass"),
        (GRID, "cuda.syncwarp()", "pass"),
    ],
    ids=["general", "block", "grid", "grid's slices"],
)
def test_every_buffer_is_needed(kernel, text, instead):
    """By a cell with one phase: the barrier between two would do."""
    factory, launch = kernel
    with pytest.raises(RaceError):
        check(mutant(factory, text, instead), launch, "lstm", races=True)


def wrong_in_some_order(factory, launch, cell, seeds, **how):
    """Whether some order of threads gives wrong results, or a kernel that waits in vain."""
    try:
        for seed in range(seeds):
            check(factory, launch, cell, seed=seed, schedule=SCHEDULES[seed % 2], **how)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("while cuda.any_sync(WARP, incomplete(words[b, v])) and waits > 0:", "while False:"),  # nobody waits
        (
            "while cuda.any_sync(WARP, incomplete(words[b, v]))",
            "while incomplete(words[0, 0])",
        ),  # for one sequence only
        ("publish(next_at, new_h if exists else zero)", "pass"),
        ("uint64((tiles * rows * padded + unit0 + ui)", "uint64((unit0 + ui)"),  # a place that is used already
    ],
    ids=["no wait", "waits for one", "not published", "wrong place"],
)
def test_the_words_of_h_are_waited_for(monkeypatch, text, instead):
    """Found without looking for races, which relaxed accesses do not have: by the kernel's own patience, or by the results."""
    monkeypatch.setattr(scan_grid, "MOST_WAITS", 20)
    factory, launch = mutant(GRID[0], text, instead), GRID[1]
    assert wrong_in_some_order(factory, launch, "gru", 4, give_up=True)


@pytest.mark.parametrize("kernel", [BLOCK, GRID], ids=["block", "grid"])
def test_a_missing_barrier_shows_in_the_results_too(kernel):
    """That of the time loop: some order of threads gives other numbers."""
    factory, launch = kernel
    assert wrong_in_some_order(mutant(factory, "cuda.syncthreads()", which=1), launch, "lstm", 8)
