"""The kernel that the whole GPU runs on tensor cores, in the simulator against the oracle."""

import itertools

import numpy as np
import pytest

from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import scan_tensor
from numba_rnn.kernels.cuda.scan_tensor import build_scan_tensor

from .calls import Call, made, scanned
from .simulator import SCHEDULES, DeadlockError, RaceError
from .simulator.mutation import mutant
from .tensors import ERRORS, KINDS, MASKS, NAMES, Given, check, check_seeds, kinds, tensor_launch

CUTS = (1, 2, 1), (2, 4, 1), (1, 4, 2), (2, 4, 3)  # groups, warps, slices
SIZES = (1, 1), (3, 16), (9, 20), (2, 33), (17, 7)  # B, H


@pytest.mark.parametrize("rest", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=() if i % len(NAMES) == j else pytest.mark.slow)
        for i, name in enumerate(NAMES)
        for j, precision in enumerate(sorted(ERRORS))
    ],
)
def test_every_cut_direction_and_mask(name, precision, rest):
    sizes, cuts, masks = itertools.cycle(SIZES), itertools.cycle(CUTS), itertools.cycle(MASKS)
    for i, options in kinds(rest):
        (B, H), (groups, warps, slices) = next(sizes), next(cuts)
        slices = min(slices, -(-B // 8))
        call = Call(
            name, B=B, T=1 + i % 3, H=H, N=1 + i % 3 // 2, mask=next(masks), stateful=i % 3 > 0, options=options, seed=i
        )
        check(call, tensor_launch(call, precision, groups, warps, slices), seed=i, schedule=SCHEDULES[i % 2])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("name", "precision"), list(zip(NAMES, sorted(ERRORS), strict=True)))
def test_the_order_of_threads_says_nothing(name, precision, schedule):
    """The same bits, and no access that nothing orders."""
    call = Call(name, B=9, T=3, H=18, mask="random", stateful=True, options=ScanOptions(return_sequences=True))
    runs = [
        check(call, tensor_launch(call, precision), seed=seed, schedule=schedule, races=seed == 0) for seed in range(2)
    ]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_time_give_the_whole(name):
    for options, pieces in zip(KINDS[::3], itertools.cycle(((1, 3), (2, 2), (3, 1))), strict=False):
        call = Call(name, B=2, T=4, H=5, N=1 + pieces[0] % 2, mask="random", stateful=True, options=options)
        launched = tensor_launch(call, "tf32")
        for a, b in zip(check(call, launched), check(call, launched, pieces), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_two_cells_one_after_the_other(name):
    options = ScanOptions(return_sequences=True, go_backwards=True)
    call = Call(name, B=3, T=3, H=18, N=2, mask="random", stateful=True, options=options)
    build, together = tensor_launch(call, "tf32")
    apart = together._replace(grid=(together.grid[0], 1), work=(1, *together.work[1:]), cells=1)
    for a, b in zip(check(call, (build, together)), check(call, (build, apart)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", sorted(ERRORS))
def test_how_a_call_is_cut_says_little(precision):
    """The same sums in another order; in another slice, or beside others, the same bits."""
    call = Call("lstm", B=10, T=2, H=24, stateful=True)
    one = check(call, tensor_launch(call, precision, 1, 2, 1))
    for groups, warps, slices in ((2, 4, 2), (1, 4, 1), (1, 2, 2)):
        other = check(call, tensor_launch(call, precision, groups, warps, slices))
        for a, b in zip(one, other, strict=True):
            if warps == 2:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=0, atol=ERRORS[precision])


@pytest.mark.parametrize("precision", sorted(ERRORS))
def test_the_bound_is_not_far_off(precision):
    """A kernel that were more exact than its precision says would not be the one that is meant."""
    call = Call("lstm", B=8, T=3, H=32, stateful=True)
    with pytest.raises(AssertionError):
        check(call, tensor_launch(call, precision), bound=ERRORS[precision] / 100)


def test_nan_stays_in_its_sequence():
    call = Call("lstm", B=9, T=3, H=20, stateful=True)
    build, launch = tensor_launch(call, "bf16x3")
    cells, x, mask, states = call.drawn
    states[0, 0, 4, 3] = np.nan
    hurt = Given(**(vars(call) | {"numbers": (cells, x, mask, states)}))
    y, last = scanned(made(build, call, launch.parameters), hurt, launch)
    assert np.isnan(y[4]).all()
    assert np.isnan(last[:, :, 4]).all()
    assert not np.isnan(np.delete(y, 4, 0)).any()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("text", "instead", "error"),
    [
        ("cuda.syncthreads()", "pass", RaceError),  # sums are read before they are there
        ("buffer = 1 - buffer", "pass", RaceError),  # or overwritten before they have been read
        (
            "waiting = True\n                waits = 0",
            "waiting = False\n                waits = 0",
            AssertionError,
        ),  # h is not awaited
        (
            "advance(int32(i + 1), h_step, new_first)",
            "advance(int32(i), h_step, new_first)",
            (DeadlockError, AssertionError),
        ),
        ("publish(new_at, float_of(encode(h0)))", "pass", DeadlockError),  # nobody has the first h
    ],
)
def test_planted_faults_are_found(text, instead, error, schedule):
    """By one seed or another; those of memory by the first."""
    call = Call("lstm", B=10, T=3, H=18, stateful=True)
    build = mutant(build_scan_tensor, text, instead)
    _, launch = tensor_launch(call, "bf16x3")
    with pytest.raises(error):
        check_seeds(call, (build, launch), 4, schedule=schedule, races=error is RaceError)


def test_a_wait_in_vain_ends(monkeypatch):
    """Where a block never comes, the others say so and go on."""
    monkeypatch.setattr(scan_tensor, "MOST_WAITS", 3)
    call = Call("gru", B=1, T=3, H=16)
    _, launch = tensor_launch(call, "tf32")
    build = mutant(
        build_scan_tensor, "publish(new_at, float_of(encode(new_h", "publish(new_first, float_of(encode(new_h"
    )
    with pytest.raises(AssertionError, match="waited in vain at step"):
        check(call, (build, launch), give_up=True)
