"""Scans that are made again and again over arrays that stay."""

import gc
import weakref

import numpy as np
import pytest

from numba_rnn import functional
from numba_rnn.cells import CELLS, LSTM
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.functional import ScanOptions

SEQUENCES = ScanOptions(return_sequences=True)


def cell_of(spec, rng, dtype="float32", D=5, H=20):
    G = len(spec.gates)
    shapes = (D, G * H), (H, G * H), (2, G * H) if spec.recurrent_bias else (G * H,)
    return functional.prepare(spec, *(rng.standard_normal(s).astype(dtype) / 4 for s in shapes))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_pieces_give_what_the_whole_gives(name, dtype, threads, rng, monkeypatch):
    monkeypatch.setattr("numba_rnn.config.settings.threads", threads)
    # Bit for bit holds for the kernels; the reference keeps more digits of the states inside a call than between two.
    monkeypatch.setattr("numba_rnn.config.settings.device", "auto")
    cell, S = cell_of(CELLS[name], rng, dtype), len(CELLS[name].states)
    for B, T in ((1, 1), (3, 2), (40, 3)):
        whole = rng.standard_normal((B, 4 * T, 5)).astype(dtype)
        counts = rng.random((B, 4 * T)) < 0.7
        counts[:, ::T] = (
            True  # a piece begins with a step that counts: what a masked one repeats is its caller's to know
        )
        x, states, mask = np.empty((B, T, 5), dtype), np.empty((S, B, 20), dtype), np.empty((B, T), bool)
        y, last = np.empty((B, T, 20), dtype), np.empty((B, 20), dtype)
        for masked in (False, True):
            want, end = functional.scan(cell, whole, counts if masked else None, None, SEQUENCES)
            for out, options in ((y, SEQUENCES), (last, ScanOptions())):
                states[...] = 0
                step = functional.bind(cell, x, states, out, mask if masked else None, options)
                for t in range(0, 4 * T, T):
                    x[...], mask[...] = whole[:, t : t + T], counts[:, t : t + T]
                    step()
                    np.testing.assert_array_equal(out, want[:, t : t + T] if out is y else want[:, t + T - 1])
                np.testing.assert_array_equal(states, end)


def test_what_is_bound_stays_as_long_as_the_call(rng, monkeypatch):
    """Compiled code has addresses alone: nobody else needs to keep the arrays, or the cell with its weights."""
    monkeypatch.setattr("numba_rnn.config.settings.device", "auto")
    cell, arrays = cell_of(LSTM, rng), [np.ones((2, 1, 5), "f4"), np.zeros((2, 2, 20), "f4"), np.empty((2, 20), "f4")]
    kept = [weakref.ref(one) for one in (*arrays, cell.prepared()[1])]
    step = functional.bind(cell, *arrays)
    del cell
    arrays.clear()
    gc.collect()
    assert all(ref() is not None for ref in kept)
    step()
    del step
    gc.collect()
    assert all(ref() is None for ref in kept)


def test_bound_on_the_reference(rng, monkeypatch):
    monkeypatch.setattr("numba_rnn.config.settings.device", "reference")
    cell = cell_of(LSTM, rng)
    x, states, y = (
        rng.standard_normal((2, 1, 5)).astype("float32"),
        np.zeros((2, 2, 20), "float32"),
        np.empty((2, 20), "f4"),
    )
    step = functional.bind(cell, x, states, y)
    step()
    step()
    want, end = functional.scan(cell, x.repeat(2, 1))
    np.testing.assert_allclose(y, want, atol=1e-6)
    np.testing.assert_allclose(states, end, atol=1e-6)


def test_what_cannot_be_bound(rng):
    cell = cell_of(LSTM, rng)
    x, states, y = np.zeros((2, 3, 5), "f4"), np.zeros((2, 2, 20), "f4"), np.zeros((2, 20), "f4")
    functional.bind(cell, x, states, y)
    with pytest.raises(ShapeError, match="`x` has the wrong shape"):
        functional.bind(cell, np.zeros((2, 3, 6), "f4"), states, y)
    with pytest.raises(ShapeError, match="no time steps"):
        functional.bind(cell, x[:, :0], states, y)
    with pytest.raises(ShapeError, match="`states` has the wrong shape"):
        functional.bind(cell, x, states[:1], y)
    with pytest.raises(ShapeError, match="`y` has the wrong shape"):
        functional.bind(cell, x, states, y, None, SEQUENCES)
    with pytest.raises(ShapeError, match="`mask` has the wrong shape"):
        functional.bind(cell, x, states, y, np.ones((2, 2), bool))
    with pytest.raises(DTypeError, match="`x` has the wrong dtype"):
        functional.bind(cell, x.astype("f8"), states, y)
    with pytest.raises(DTypeError, match="`mask` has the wrong dtype"):
        functional.bind(cell, x, states, y, np.ones((2, 3), "f4"))
    with pytest.raises(ValueError, match="C-contiguous"):
        functional.bind(cell, x, states, np.zeros((20, 2), "f4").T)
    with pytest.raises(ValueError, match="pair of cells"):
        functional.bind(functional.both_ways(cell, cell), x, states, y)
