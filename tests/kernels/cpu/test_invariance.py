"""Bit for bit: how a call is cut, and what its masked steps hold, changes nothing; and cells unlike any of the library's run."""

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS, CellSpec
from numba_rnn.functional import prepare, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu.team import ALONE

pytestmark = pytest.mark.usefixtures("vectors")

SEQUENCES = ScanOptions(return_sequences=True)


def draw(rng, *shape):
    return (rng.uniform(-1, 1, shape) / np.sqrt(shape[0] if len(shape) == 2 else 1)).astype("float32")


def make_cell(rng, spec, D, H):
    G = len(spec.gates)
    bias = draw(rng, 2, G * H) if spec.recurrent_bias else draw(rng, G * H)
    return prepare(spec, draw(rng, D, G * H), draw(rng, H, G * H), bias, extra=draw(rng, len(spec.extra), H))


def assert_equal(actual, expected):
    for a, b in zip((actual[0], *actual[1]), (expected[0], *expected[1]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backwards", [False, True])
def test_chunks_and_blocks(rng, vectors, backwards):
    cell = make_cell(rng, CELLS["lstm"], 7, 37)
    B, T = 13, 11
    prepared, _ = cell.prepared()[1].plan(B, T)
    options = ScanOptions(backwards, True)
    x, mask = draw(rng, B, T, 7), rng.random((B, T)) < 0.6
    state = draw(rng, B, 37), draw(rng, B, 37)
    want = scan(cell, x, mask, state, options)
    most = prepared.cost.together if vectors == "rows" else B
    for chunk, block in ((1, B), (2, B), (4, 5), (T, 1), (3, 6), (10, 4), (T, B)):
        y, last = np.full((B, T, 37), np.nan, "float32"), np.full((2, B, 37), np.nan, "float32")
        prepared.kernel(
            0, ALONE, x, mask, state, *prepared.packed, y, last, options.flags, chunk, min(block, most), 1, 1
        )
        assert_equal((y, tuple(last)), want)


@pytest.mark.parametrize("name", sorted(CELLS))
@pytest.mark.parametrize("backwards", [False, True])
def test_masked_steps_might_as_well_not_be_there(rng, name, backwards):
    cell = make_cell(rng, CELLS[name], 4, 21)
    x, mask = draw(rng, 6, 9, 4), rng.random((6, 9)) < 0.6
    mask[:, 3] = True
    x[~mask] = np.nan
    state = tuple(draw(rng, 6, 21) for _ in CELLS[name].states)
    y, last = scan(cell, x, mask, state, ScanOptions(backwards, True))
    for r in range(6):
        kept, kept_last = scan(
            cell, x[r : r + 1, mask[r]], None, tuple(s[r : r + 1] for s in state), ScanOptions(backwards, True)
        )
        order = mask[r, ::-1] if backwards else mask[r]
        np.testing.assert_array_equal(y[r, order], kept[0])
        for a, b in zip(last, kept_last, strict=True):
            np.testing.assert_array_equal(a[r], b[0])


def test_an_all_true_mask_is_no_mask(rng):
    cell = make_cell(rng, CELLS["gru"], 4, 21)
    x = draw(rng, 6, 9, 4)
    assert_equal(scan(cell, x, np.ones((6, 9), bool), None, SEQUENCES), scan(cell, x, None, None, SEQUENCES))


def test_states_may_be_the_last_calls_own(rng):
    cell = make_cell(rng, CELLS["lstm"], 4, 21)
    x = draw(rng, 6, 9, 4)
    _, state = scan(cell, x)
    kept = tuple(s.copy() for s in state)
    _, after = scan(cell, x, None, state)
    _, again = scan(cell, x, None, kept)
    assert_equal((after[0], after), (again[0], again))
    assert_equal((state[0], state), (kept[0], kept))


def unlike_update(act, rec, x, r, s, p):
    c = rec(x[1] + r[1] + p[0] * s[2]) * s[1] + act(x[2] + r[2])
    d = s[2] * 0.5 + rec(x[3] + r[3]) * c
    return act(d + x[4] + r[4] * p[1]) * rec(x[0] + r[0]), c, d


def unlike_gate(act, rec, x, r, s, p):
    return rec(x[0] + r[0]) * s[0] + act(x[1] - r[1]) * p[1] * s[2]


def test_a_cell_unlike_any_other(rng):
    """What no registered cell has together: uneven phases, three states, further parameters, a bias of the recurrence."""
    spec = CellSpec(
        "unlike", tuple("abcde"), ("h", "c", "d"), unlike_update, 2, unlike_gate, ("p", "q"), recurrent_bias=True
    )
    try:
        for B, T, D, H in ((1, 3, 1, 1), (2, 6, 5, 8), (5, 4, 3, 17), (13, 3, 17, 40), (4, 2, 3, 530), (7, 5, 600, 9)):
            cell = make_cell(rng, spec, D, H)
            x, mask = draw(rng, B, T, D), rng.random((B, T)) < 0.7
            state = tuple(draw(rng, B, H) for _ in range(3))
            actual = scan(cell, x, mask, state, SEQUENCES)
            with config.device("reference"):
                expected = scan(cell, x, mask, state, SEQUENCES)
            for a, b in zip((actual[0], *actual[1]), (expected[0], *expected[1]), strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=4e-6)
            row, row_last = scan(cell, x[:1], mask[:1], tuple(s[:1] for s in state), SEQUENCES)
            assert_equal((row, row_last), (actual[0][:1], tuple(s[:1] for s in actual[1])))
    finally:
        del CELLS["unlike"]
