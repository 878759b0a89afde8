"""The kernel for large cells, in the simulator against the oracle."""

import itertools

import numpy as np
import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import scan_grid
from numba_rnn.kernels.cuda.cuts import MOST_ROWS, WARPS
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.scan_grid import build_scan_grid

from .calls import BOUND, Call, made, scanned
from .simulator import SCHEDULES

ONE_PHASE = sorted(name for name, spec in CELLS.items() if spec.first is None)
OPTIONS = [ScanOptions(*bits) for bits in itertools.product((False, True), repeat=3)]
MASKS = None, "random", "none counts", "rows"


def launch_of(call, units, rows, cells=None):
    padded, cells = -(-call.H // 4) * 4, cells or call.N
    work = cells, call.T + 1, -(-min(call.B, MOST_ROWS) // rows) * rows, padded
    return Launch(
        "grid", (call.H, units, rows), (-(-padded // units), cells), 32 * WARPS, 32 * WARPS, work, True, call.T,
        cells=cells, rows=MOST_ROWS,
    )  # fmt: skip


def check(call, units, rows, pieces=(), cells=None, **how):
    launch = launch_of(call, units, rows, cells)
    actual = scanned(made(build_scan_grid, call, launch.parameters), call, launch, pieces, **how)
    for a, b in zip(actual, call.expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=BOUND[call.dtype])
    return actual


def assert_equal(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ONE_PHASE)
def test_every_direction_and_mask(name, mask):
    sizes = (9, 2, 1), (13, 3, 2), (3, 5, 4)  # H, B, rows of a tile
    of_mask, of_name = MASKS.index(mask), ONE_PHASE.index(name)
    for i, (H, B, rows) in enumerate(sizes):
        if i == (of_mask + of_name) % 3:
            continue  # two cells of three have this mask and this size together
        options = OPTIONS[(3 * of_mask + i) % 8]
        call = Call(name, B=B, T=2 + i % 2, H=H, N=1 + i % 2, mask=mask, stateful=i % 3 > 0, options=options, seed=i)
        check(call, 8, rows, seed=i, schedule=SCHEDULES[i % 2])


@pytest.mark.parametrize(("name", "H", "units"), [("simple_rnn", 130, 64), ("lstm", 70, 32), ("gru", 36, 16)])
def test_blocks_of_more_units(name, H, units):
    """Fewer lanes share a column, and have more of each slice."""
    check(Call(name, B=2, T=2, H=H, stateful=True), units, 2)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ONE_PHASE)
def test_the_order_of_threads_says_nothing(name, schedule):
    """The same bits, and no access that nothing orders."""
    call = Call(name, B=3, T=3, H=9, mask="random", stateful=True, options=ScanOptions(return_sequences=True))
    runs = [check(call, 8, 2, seed=seed, schedule=schedule, races=seed == 0) for seed in range(2)]
    assert_equal(runs[0], runs[1])


@pytest.mark.parametrize("name", ONE_PHASE)
def test_pieces_of_time_give_the_whole(name):
    options = ScanOptions(return_sequences=True, go_backwards=True)
    call = Call(name, B=2, T=4, H=5, N=2, mask="random", stateful=True, options=options)
    assert_equal(check(call, 8, 1), check(call, 8, 1, (1, 3)))


@pytest.mark.parametrize("name", ONE_PHASE)
def test_what_one_launch_does_not_take(name):
    """Two cells, one after the other, and more sequences than one launch has: the bits of each by itself."""
    options = ScanOptions(return_sequences=True, go_backwards=True)
    call = Call(name, B=MOST_ROWS + 2, T=2, H=5, N=2, mask="random", stateful=True, options=options)
    assert_equal(check(call, 8, 4), check(call, 8, 4, (1, 1), cells=1))


def test_sequences_do_not_know_how_many_share_a_tile():
    call = Call("lstm", B=3, T=2, H=12, mask="random", options=ScanOptions(return_sequences=True))
    assert_equal(check(call, 8, 1), check(call, 8, 4))


def test_nan_arrives_as_nan(monkeypatch):
    """Also one with the bits that stand for a word that has not come."""
    call = Call("gru", B=2, T=3, H=5, options=ScanOptions(return_sequences=True))
    kernel, launch = made(build_scan_grid, call, (5, 8, 2)), launch_of(call, 8, 2)
    cells, x, mask, states = call.drawn
    states[0, 0, 1, 2] = np.uint32(0xFFFFFFFF).view(np.float32)
    monkeypatch.setattr(Call, "drawn", (cells, x, mask, states))
    y, _ = scanned(kernel, call, launch)
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1]).all()


def test_waiting_in_vain_is_reported(monkeypatch):
    """A block that never runs: the others give up, once for the whole launch."""
    monkeypatch.setattr(scan_grid, "MOST_WAITS", 3)
    call = Call("simple_rnn", B=1, T=2, H=40, options=ScanOptions(return_sequences=True))
    kernel, launch = made(build_scan_grid, call, (40, 32, 1)), launch_of(call, 32, 1)
    with pytest.raises(AssertionError, match="waited in vain at step 0"):
        scanned(kernel, call, launch._replace(grid=(1, 1)), give_up=True)
