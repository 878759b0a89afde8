"""States times int8 weights in fixed point: like the floats of any other kernel, whatever their size."""

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.compressed import Compressed
from numba_rnn.functional import prepare, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu import host, machine
from numba_rnn.kernels.cpu.pack import pack_linear

SEQUENCES = ScanOptions(return_sequences=True)


def draw(rng, *shape):
    return (rng.uniform(-1, 1, shape) / np.sqrt(max(1, shape[0]) if len(shape) == 2 else 1)).astype("float32")


def make_lstm(rng, D, H):
    return prepare(CELLS["lstm"], draw(rng, D, 4 * H), draw(rng, H, 4 * H), draw(rng, 4 * H), weights="int8")


def assert_equal(actual, expected, bound=0.0):
    for a, b in zip((actual[0], *actual[1]), (expected[0], *expected[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


def test_int8_without_integer_dots(rng, monkeypatch):
    """The two ways of int8 differ by roundings; this machine may know one of them only."""
    cells = []
    for known in (True, False):
        monkeypatch.setattr(machine, "dots", lambda vector, known=known: known and host.dots(vector))
        cells.append(make_lstm(np.random.default_rng(1), 9, 530))
        assert cells[-1].prepared()[1].packed.first.dtype == (
            "int32" if known and host.dots(host.vector_bytes()) else "int8"
        )
    for B in (1, 7):
        x, state = draw(rng, B, 4, 9), (draw(rng, B, 530), draw(rng, B, 530))
        with config.device("reference"):
            expected = scan(cells[0], x, None, state, SEQUENCES)
        for cell in cells:
            actual = scan(cell, x, None, state, SEQUENCES)
            assert_equal(actual, expected, 1.5e-6)
            assert_equal(scan(cell, x[:1], None, tuple(s[:1] for s in state), SEQUENCES)[1], actual[1][:, :1])


@pytest.mark.parametrize("H", [16, 21])
@pytest.mark.parametrize("size", [0.0, 1e-44, 1e-30, 1.0, 3e7, 1e30])
def test_states_of_any_size_as_int8(rng, size, H):
    spec = CELLS["simple_rnn"]
    cell = prepare(spec, draw(rng, 1, H), draw(rng, H, H), draw(rng, H) * size, activation="linear", weights="int8")
    x, state = np.zeros((5, 1, 1), "float32"), (draw(rng, 5, H) * np.float32(size),)
    y, _ = scan(cell, x, None, state)
    with config.device("reference"):
        expected, _ = scan(cell, x, None, state)
    np.testing.assert_allclose(y, expected, rtol=0, atol=max(1e-6 * size, 1e-36))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_state_that_is_not_finite_keeps_to_its_row(rng, bad):
    cell = make_lstm(rng, 3, 21)
    x, state = draw(rng, 5, 1, 3), [draw(rng, 5, 21), draw(rng, 5, 21)]
    clean, _ = scan(cell, x, None, tuple(state))
    for unit in (0, 17, 20):
        h = state[0].copy()
        h[2, unit] = bad
        y, _ = scan(cell, x, None, (h, state[1]))
        np.testing.assert_array_equal(np.delete(y, 2, 0), np.delete(clean, 2, 0))
        if np.isnan(bad) or cell.prepared()[1].packed.first.dtype == "int32":
            assert np.isnan(y[2]).all()


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_rows_of_states_lie_as_the_kernel_reads_them(rng, monkeypatch, lanes):
    """Weights that count: every state and every row of k has a number of its own."""
    monkeypatch.setattr(config.settings, "lanes", lanes)
    H = 2 * lanes + 3
    U = np.zeros((H, H), "float32")
    U[np.arange(H), (np.arange(H) + 5) % H] = np.arange(1, H + 1)
    cell = prepare(CELLS["simple_rnn"], np.zeros((1, H), "float32"), U, activation="linear", weights="int8")
    h = (rng.permutation(H) - H // 2).astype("float32")
    y, _ = scan(cell, np.zeros((1, 1, 1), "float32"), None, (h[None],))
    np.testing.assert_allclose(y, h[None] @ U, rtol=1e-6, atol=0)


def test_packed_rows(rng):
    w = rng.integers(-127, 128, (7, 6)).astype("int8")
    scale = np.full(6, 0.5, "float32")
    packed, bias = pack_linear(Compressed("int8", w, scale), np.arange(6, dtype="float32"), 2, 4, dots=True)
    assert packed.shape == (1, 2, 2, 4)
    assert bias.shape == (3, 1, 2, 4)
    rows = packed.view("int8").reshape(2, 2, 4, 4).transpose(0, 3, 1, 2).reshape(8, 2, 4)  # k, gate, unit
    np.testing.assert_array_equal(rows[:7, :, :3], w.reshape(7, 2, 3))
    assert not rows[7].any()
    assert not rows[:, :, 3].any()
    np.testing.assert_array_equal(bias[1, 0, :, :3], 0.5)
    np.testing.assert_array_equal(bias[2, 0].view("int32")[:, :3], -128 * w.sum(0, dtype="int32").reshape(2, 3))
