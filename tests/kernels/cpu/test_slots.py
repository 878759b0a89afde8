"""Which rows of a masked batch are at work when: plain Python sees the functions that the kernel compiles."""

import numpy as np
import pytest

from numba_rnn.kernels.cpu.scan import BEGIN, END, ROW, at_work, longest_first, take_slots


def test_rows_come_longest_first_and_know_their_span(rng):
    mask = rng.random((40, 9)) < 0.3
    spans = longest_first(mask)
    assert sorted(spans[:, ROW]) == list(range(40))
    assert (np.diff(spans[:, END] - spans[:, BEGIN]) <= 0).all()
    for row, begin, end in spans:
        counts = np.flatnonzero(mask[row])
        if counts.size:
            assert (begin, end) == (counts[0], counts[-1] + 1)
        else:
            assert begin == end


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_tasks_share_rows_and_no_step_that_counts_is_left_out(rng, backwards, blocks):
    B, T = 13, 7
    mask = rng.random((B, T)) < 0.4
    mask[3] = False
    spans, block = longest_first(mask), -(-B // blocks)
    seen = []
    for task in range(blocks):
        slots = take_slots(spans, True, task, blocks, block, B, T, backwards)
        assert len(slots) <= block
        seen += list(slots[:, ROW])
        order = mask[:, ::-1] if backwards else mask
        for step in range(T):
            active = at_work(slots, step)
            for r, (row, begin, end) in enumerate(slots):
                assert not order[row, step] or (begin <= step < end and r < active)
            assert active == 0 or slots[active - 1, BEGIN] <= step < slots[active - 1, END]
    assert sorted(seen) == list(range(B))


@pytest.mark.parametrize("right", [True, False])
def test_padding_costs_nothing(right):
    """Rows padded at one end: at every step, exactly those that count are at work."""
    B, T = 6, 5
    lengths = np.array([2, 5, 1, 4, 3, 5])
    mask = np.arange(T) < lengths[:, None]
    mask = mask if right else mask[:, ::-1]
    slots = take_slots(longest_first(mask), True, 0, 1, B, B, T, False)
    assert [at_work(slots, step) for step in range(T)] == list(mask.sum(0))


def test_without_a_mask_slots_are_neighbouring_rows():
    slots = take_slots(np.empty((0, 3), np.intp), False, 1, 3, 4, 11, 6, True)
    np.testing.assert_array_equal(slots, [[r, 0, 6] for r in range(4, 8)])
    assert at_work(slots, 5) == 4
