"""The kernel that clusters run on tensor cores, in the simulator against the oracle."""

import itertools

import numpy as np
import pytest

from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import scan_cluster
from numba_rnn.kernels.cuda.scan_cluster import build_scan_cluster

from .calls import Call
from .simulator import SCHEDULES, DeadlockError, DivergenceError, RaceError
from .simulator.mutation import mutant
from .tensors import ERRORS, KINDS, MASKS, NAMES, check, check_seeds, cluster_launch, kinds, part_of

SIZES = (1, 1, 4), (3, 33, 4), (2, 20, 8), (9, 27, 4)  # B, H, blocks of a cluster


@pytest.mark.parametrize("rest", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=() if i % len(NAMES) == j else pytest.mark.slow)
        for i, name in enumerate(NAMES)
        for j, precision in enumerate(sorted(ERRORS))
    ],
)
def test_every_size_direction_and_mask(name, precision, rest):
    sizes, masks = itertools.cycle(SIZES), itertools.cycle(MASKS)
    for i, options in kinds(rest):
        B, H, blocks = next(sizes)
        call = Call(
            name, B=B, T=1 + i % 4, H=H, N=1 + i % 3 // 2, mask=next(masks), stateful=i % 3 > 0, options=options, seed=i
        )
        check(call, cluster_launch(call, precision, blocks), seed=i, schedule=SCHEDULES[i % 2])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("name", "precision"), list(zip(NAMES, sorted(ERRORS), strict=True)))
def test_the_order_of_threads_says_nothing(name, precision, schedule):
    """The same bits, and no access that nothing orders."""
    call = Call(name, B=3, T=4, H=18, mask="random", stateful=True, options=ScanOptions(return_sequences=True))
    runs = [
        check(call, cluster_launch(call, precision), seed=seed, schedule=schedule, races=seed == 0) for seed in range(2)
    ]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_time_give_the_whole(name):
    for options, pieces in zip(KINDS[::3], itertools.cycle(((1, 3), (2, 2), (3, 1))), strict=False):
        call = Call(name, B=2, T=4, H=5, N=1 + pieces[0] % 2, mask="random", stateful=True, options=options)
        launched = cluster_launch(call, "tf32")
        for a, b in zip(check(call, launched), check(call, launched, pieces), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", sorted(ERRORS))
def test_sequences_do_not_know_one_another(precision):
    """The same bits, in whichever cluster, beside whomever."""
    call = Call("lstm", B=10, T=2, H=20, stateful=True)
    y, _ = check(call, cluster_launch(call, precision))
    for rows in (slice(0, 3), slice(7, 10)):
        part = part_of(call, rows)
        alone, _ = check(part, cluster_launch(part, precision))
        np.testing.assert_array_equal(alone, y[rows])


@pytest.mark.parametrize("precision", sorted(ERRORS))
def test_the_bound_is_not_far_off(precision):
    """A kernel that were more exact than its precision says would not be the one that is meant."""
    call = Call("lstm", B=8, T=3, H=32, stateful=True)
    with pytest.raises(AssertionError):
        check(call, cluster_launch(call, precision), bound=ERRORS[precision] / 100)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("text", "instead", "error"),
    [
        ("cuda.syncthreads()", "pass", RaceError),  # sums are read before they are there
        ("cuda.syncwarp()  # the sums", "pass  # the sums", RaceError),  # or overwritten before they have been read
        ("(1 - now, r, place)", "(now, r, place)", RaceError),  # h is overwritten before it has been read
        ("if i > 0:", "if i > 9:", RaceError),  # h is not awaited
        ("(i - 1) // 2 % 2", "i // 2 % 2", (DeadlockError, DivergenceError, RaceError)),  # the wrong parity
        (
            "if thread == 0 and i + 2 < n:",
            "if thread == 0 and i + 2 < 0:",
            (DeadlockError, RaceError),
        ),  # a barrier expects nothing
        (
            "cluster_arrive()\n        cluster_wait()\n\n",
            "pass\n\n",
            (DivergenceError, RaceError),
        ),  # a block that has not begun
    ],
)
def test_planted_faults_are_found(text, instead, error, schedule):
    call = Call("lstm", B=3, T=6, H=18, stateful=True)
    _, launch = cluster_launch(call, "bf16x3")
    with pytest.raises(error):
        check_seeds(call, (mutant(build_scan_cluster, text, instead), launch), 4, schedule=schedule, races=True)


def test_a_wait_in_vain_ends(monkeypatch):
    """Where h does not come, the block says so and goes on."""
    monkeypatch.setattr(scan_cluster, "MOST_WAITS", 3)
    call = Call("gru", B=1, T=3, H=16)
    _, launch = cluster_launch(call, "tf32")
    build = mutant(build_scan_cluster, "if i + 1 < n:", "if i + 1 < 0:")
    with pytest.raises(AssertionError, match="waited in vain at step 1"):
        check(call, (build, launch), give_up=True)
