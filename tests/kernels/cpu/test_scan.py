"""The kernel against the oracle: every cell, both dtypes, tails of every size, masks, states, directions."""

import itertools

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.functional import prepare, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu.team import ALONE

SHAPES = [  # B, T, D, H: tails of the tile's rows, of the vectors, of the panels; more steps than a chunk holds
    (1, 1, 1, 1), (1, 5, 3, 7), (2, 4, 8, 8), (3, 5, 9, 17), (4, 3, 17, 9), (5, 6, 7, 16), (13, 3, 17, 33), (7, 9, 3, 40),
    (33, 4, 5, 24), (6, 20, 16, 300), (2, 3, 1100, 5), (1, 40, 1, 130), (9, 2, 5, 530),
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("vectors")

BOUND = {np.dtype("float32"): 1e-6, np.dtype("float64"): 1e-14}


def make_cell(rng, spec, D, H, dtype, **activations):
    """A cell with random weights of the usual size: sums of about one."""
    G = len(spec.gates)

    def draw(*shape):
        k = 1 / np.sqrt(max(1, shape[0]) if len(shape) == 2 else 1)
        return rng.uniform(-k, k, shape).astype(dtype)

    bias = draw(2, G * H) if spec.recurrent_bias else draw(G * H)
    return prepare(spec, draw(D, G * H), draw(H, G * H), bias, extra=draw(len(spec.extra), H), **activations)


def make_call(rng, cell, B, T, *, masked, stateful):
    """Random x and initial state on the unit scale, and a mask, for a cell."""
    dtype = cell.recurrence.dtype
    x = rng.uniform(-1, 1, (B, T, cell.D)).astype(dtype)
    mask = rng.random((B, T)) < 0.6 if masked else None
    state = None
    if stateful:
        state = tuple(rng.uniform(-1, 1, (B, cell.H)).astype(dtype) for _ in cell.recurrence.spec.states)
    return x, mask, state


def assert_same(actual, expected, bound):
    y, states = actual
    y2, states2 = expected
    assert y.dtype == y2.dtype
    for a, b in zip((y, *states), (y2, *states2), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_against_the_oracle(rng, name, dtype):
    for B, T, D, H in SHAPES:
        cell = make_cell(rng, CELLS[name], D, H, dtype)
        for bits in range(8):
            options = ScanOptions(bool(bits & 1), bool(bits & 2), bool(bits & 4))
            masked, stateful = bool(rng.integers(2)), bool(rng.integers(2))
            x, mask, state = make_call(rng, cell, B, T, masked=masked, stateful=stateful)
            actual = scan(cell, x, mask, state, options)
            with config.device("reference"):
                expected = scan(cell, x, mask, state, options)
            # The promise is for sums of the usual length: one of n rounded terms strays by about sqrt(n) roundings.
            assert_same(actual, expected, BOUND[np.dtype(dtype)] * max(1, np.sqrt(max(D, H) / 256)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_every_tail(rng, name, dtype):
    tails = (1, 3, 7, 8, 9, 17)
    for B, D, H in itertools.product((1, 2, 3, 4, 5, 13), tails, tails):
        cell = make_cell(rng, CELLS[name], D, H, dtype)
        options = ScanOptions(*rng.integers(0, 2, 3).astype(bool).tolist())
        masked, stateful = rng.integers(0, 2, 2).astype(bool)
        x, mask, state = make_call(rng, cell, B, int(rng.integers(1, 6)), masked=masked, stateful=stateful)
        actual = scan(cell, x, mask, state, options)
        with config.device("reference"):
            assert_same(actual, scan(cell, x, mask, state, options), BOUND[np.dtype(dtype)])


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_every_vector_width(rng, monkeypatch, name, lanes):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for B, T, D, H in SHAPES:
        cell = make_cell(rng, CELLS[name], D, H, "float32")
        x, mask, state = make_call(rng, cell, B, T, masked=True, stateful=True)
        options = ScanOptions(return_sequences=True)
        actual = scan(cell, x, mask, state, options)
        with config.device("reference"):
            assert_same(actual, scan(cell, x, mask, state, options), 1e-6)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_rows_do_not_know_their_batch(rng, name):
    cell = make_cell(rng, CELLS[name], 9, 37, "float32")
    x, mask, state = make_call(rng, cell, 13, 11, masked=True, stateful=True)
    options = ScanOptions(return_sequences=True)
    y, last = scan(cell, x, mask, state, options)
    for n in (1, 2, 3, 5, 8, 12):
        part, part_last = scan(cell, x[:n], mask[:n], tuple(s[:n] for s in state), options)
        np.testing.assert_array_equal(part, y[:n])
        for a, b in zip(part_last, last, strict=True):
            np.testing.assert_array_equal(a, b[:n])


@pytest.mark.parametrize("name", sorted(CELLS))
def test_pieces_of_time_give_the_whole(rng, name):
    cell = make_cell(rng, CELLS[name], 5, 19, "float32")
    x, _, state = make_call(rng, cell, 3, 12, masked=False, stateful=True)
    options = ScanOptions(return_sequences=True)
    y, last = scan(cell, x, None, state, options)
    for cuts in ([4], [1, 2, 3, 7], range(1, 12)):
        pieces, s = [], state
        for piece in np.split(x, cuts, axis=1):
            part, s = scan(cell, piece, None, s, options)
            pieces.append(part)
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), y)
        for a, b in zip(s, last, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_last_output_is_last_state_and_last_of_sequence(rng, name):
    cell = make_cell(rng, CELLS[name], 3, 10, "float32")
    x, _, _ = make_call(rng, cell, 4, 6, masked=False, stateful=False)
    y, states = scan(cell, x)
    np.testing.assert_array_equal(y, states[0])
    np.testing.assert_array_equal(y, scan(cell, x, options=ScanOptions(return_sequences=True))[0][:, -1])


@pytest.mark.parametrize("name", sorted(CELLS))
def test_nan_stays_in_its_row(rng, name):
    cell = make_cell(rng, CELLS[name], 3, 10, "float32")
    x, _, _ = make_call(rng, cell, 7, 6, masked=False, stateful=False)
    clean, _ = scan(cell, x)
    x[2, 4, 1] = np.nan
    y, _ = scan(cell, x)
    assert np.isnan(y[2]).all()
    np.testing.assert_array_equal(np.delete(y, 2, 0), np.delete(clean, 2, 0))


def test_output_before_the_first_step_that_counts_is_zero(rng):
    cell = make_cell(rng, CELLS["gru"], 3, 10, "float32")
    x, _, state = make_call(rng, cell, 1, 4, masked=False, stateful=True)
    mask = np.array([[False, False, True, False]])
    y, (h,) = scan(cell, x, mask, state, ScanOptions(return_sequences=True))
    assert not y[0, :2].any()
    np.testing.assert_array_equal(y[0, 3], y[0, 2])
    np.testing.assert_array_equal(y[0, 2], h[0])
    zeroed, (h2,) = scan(cell, x, mask, state, ScanOptions(return_sequences=True, zero_output_for_mask=True))
    assert not zeroed[0, 3].any()
    np.testing.assert_array_equal(h2, h)


@pytest.mark.parametrize("act", ["relu", "gelu", "hard_sigmoid", "softsign"])
def test_other_activations(rng, act):
    cell = make_cell(rng, CELLS["lstm"], 4, 11, "float32", activation=act, recurrent_activation="hard_sigmoid")
    x, mask, state = make_call(rng, cell, 3, 5, masked=True, stateful=True)
    actual = scan(cell, x, mask, state)
    with config.device("reference"):
        assert_same(actual, scan(cell, x, mask, state), 5e-6)


def test_nothing_is_written_past_the_output(rng):
    cell = make_cell(rng, CELLS["lstm"], 4, 5, "float32")
    x, _, _ = make_call(rng, cell, 3, 4, masked=False, stateful=False)
    backend, prepared = cell.prepared()
    prepared, _ = prepared.plan(3, 4)
    guarded = np.full(3 * 4 * 5 + 64, 7, np.float32)
    y = guarded[: 3 * 4 * 5].reshape(3, 4, 5)
    last = np.empty((2, 3, 5), np.float32)
    flags = ScanOptions(return_sequences=True).flags
    prepared.kernel(0, ALONE, x, prepared.no_mask, prepared.no_state, *prepared.packed, y, last, flags, 4, 3, 1, 1)
    assert (guarded[3 * 4 * 5 :] == 7).all()
    np.testing.assert_array_equal(y, scan(cell, x, options=ScanOptions(return_sequences=True))[0])
    assert backend.name == "cpu"
