"""How calls are cut: what must hold of every plan, and which way a few clear cases go."""

import itertools

import pytest

from numba_rnn.kernels.cpu.cost import cost
from numba_rnn.kernels.cpu.plan import BLOCK, Load, plan, plan_rows


def load(D, H, gates, *, phases=1, lanes=16, l2=1 << 20):
    width = gates * H
    return Load(
        madds=(D + H) * width,
        panels=-(-H // lanes),
        phases=phases,
        cached=4 * H * width < l2,
        cached_steps=l2 // 8 // width,
        rows=l2 // 32 // width,
    )


def test_every_plan_covers_every_row_and_panel():
    shapes = itertools.product((0, 1, 2, 3, 7, 64, 1001), (1, 2, 30), (1, 16, 100, 512), (1, 2, 3, 16), (1, 2))
    for B, T, H, threads, cells in shapes:
        how = plan(load(8, H, 4), cells, B, T, threads)
        assert 1 <= how.seats <= threads
        assert 1 <= how.chunk <= T
        assert how.block >= 1
        assert how.parts == 1 or (how.block >= B and cells == 1 and how.parts == how.seats)
        assert how.parts > 1 or how.block <= max(1, B)


@pytest.mark.parametrize("shape", [(1, 1, 128, 128), (32, 1, 16, 16), (1, 20, 16, 16), (1, 100, 8, 32)])
def test_small_work_stays_on_one_thread(shape):
    B, T, D, H = shape
    assert plan(load(D, H, 4), 1, B, T, 16).seats == 1


def test_one_thread_is_one_thread():
    how = plan(load(512, 512, 4), 1, 64, 100, 1)
    assert (how.parts, how.seats) == (1, 1)
    assert str(how) == "one thread"


def test_many_rows_are_shared_out_and_few_rows_share_their_units():
    rows = plan(load(64, 128, 4), 1, 64, 100, 2)
    assert (rows.parts, rows.seats, rows.block) == (1, 2, 32)
    units = plan(load(256, 256, 4), 1, 1, 150, 2)
    assert (units.parts, units.seats) == (2, 2)
    assert "batch" in str(rows)
    assert "units" in str(units)


def test_two_cells_are_two_tasks():
    how = plan(load(64, 128, 4), 2, 1, 100, 2)
    assert (how.parts, how.seats, how.block) == (1, 2, 1)


def test_no_more_threads_than_pay():
    assert plan(load(256, 256, 4), 1, 1, 150, 64).seats <= 16


def test_blocks_fit_the_cache():
    assert plan(load(256, 256, 4), 1, 1000, 1, 1).block <= BLOCK
    assert plan(load(16, 16, 4), 1, 1000, 1, 1).block == 500


def test_plans_of_rows_take_the_rows_that_run_together():
    few = cost(4, 2, 8, 8, 16, 1, 2, 1 << 17)
    for B, T, cells in itertools.product((0, 1, 33, 1001), (1, 30, 10**6), (1, 2)):
        how = plan_rows(few, cells, B, T, 4)
        assert how.block == few.together
        assert how.parts == 1
        assert 1 <= how.chunk <= T
        assert 1 <= how.seats <= 4
    assert plan_rows(few, 1, 32, 10**6, 4).seats == 1
    assert plan_rows(few, 2, 32, 10**6, 4).seats == 2
    assert plan_rows(few, 1, 1000, 1000, 4).seats == 4
