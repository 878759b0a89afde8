"""The kernel for small cells, in the simulator against the oracle."""

import itertools

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.scan_block import build_scan_block

from .calls import BOUND, Call, made, scanned
from .simulator import SCHEDULES

OPTIONS = [ScanOptions(*bits) for bits in itertools.product((False, True), repeat=3)]
MASKS = None, "random", "none counts", "rows"
CUTS = (1, 2), (2, 2), (1, 4), (2, 4), (4, 4)  # rows, lanes


def launch_of(call, rows, lanes):
    threads = -(-lanes * call.H // 32) * 32
    return Launch(
        "block", (call.H, rows, lanes), (-(-call.B // rows), call.N), threads, threads, (1, 1, 1, 1), False, call.T
    )


def check(call, rows, lanes, pieces=(), **how):
    launch = launch_of(call, rows, lanes)
    actual = scanned(made(build_scan_block, call, launch.parameters), call, launch, pieces, **how)
    for a, b in zip(actual, call.expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=BOUND[call.dtype])
    return actual


@pytest.mark.parametrize("dtype", sorted(BOUND))
@pytest.mark.parametrize("name", sorted(CELLS))
def test_every_cut_direction_and_mask(name, dtype):
    cuts, masks, units = itertools.cycle(CUTS), itertools.cycle(MASKS), itertools.cycle((1, 3, 8, 9, 13))
    for i, options in enumerate(OPTIONS * (2 if dtype == "float32" else 1)):
        rows, lanes = next(cuts)
        call = Call(
            name,
            B=1 + i % 5,
            T=1 + i % 7,
            H=next(units),
            N=1 + i % 2,
            dtype=dtype,
            mask=next(masks),
            stateful=i % 3 > 0,
            options=options,
            seed=i,
        )
        check(call, rows, lanes, seed=i, schedule=SCHEDULES[i % 2])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", sorted(CELLS))
def test_the_order_of_threads_says_nothing(name, schedule):
    """The same bits, and no access that nothing orders."""
    call = Call(name, B=3, T=6, H=9, mask="random", stateful=True, options=ScanOptions(return_sequences=True))
    runs = [check(call, 2, 4, seed=seed, schedule=schedule, races=seed == 0) for seed in range(2)]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_pieces_of_time_give_the_whole(name):
    for options, pieces in zip(OPTIONS, itertools.cycle(((1, 6), (3, 4), (5, 1, 1))), strict=False):
        call = Call(name, B=2, T=7, H=5, N=2, mask="random", stateful=True, options=options)
        for a, b in zip(check(call, 2, 2), check(call, 2, 2, pieces), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("lanes", [2, 4])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_sequences_do_not_know_how_many_share_a_block(name, lanes):
    """The same bits, however many there are."""
    call = Call(name, B=5, T=3, H=6, mask="rows", options=ScanOptions(return_sequences=True))
    alone = check(call, 1, lanes)
    for rows in (2, 4)[: lanes // 2]:
        for a, b in zip(alone, check(call, rows, lanes), strict=True):
            np.testing.assert_array_equal(a, b)
