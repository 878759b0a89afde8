"""Kept calls: made again with other arrays, from many threads, in place of what numba would look up."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from numba_rnn import config, functional
from numba_rnn.cells import CELLS, GRU, LSTM
from numba_rnn.functional import ScanOptions
from numba_rnn.kernels.cpu.calls import ARGUMENTS, COUNT, keep
from numba_rnn.kernels.cpu.machine import PLANS


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(config.settings, "threads", 1)


def cell_of(spec, rng, D=5, H=20):
    G = len(spec.gates)
    shapes = (D, G * H), (H, G * H), (2, G * H) if spec.recurrent_bias else (G * H,)
    return functional.prepare(spec, *(rng.standard_normal(s).astype("float32") / 4 for s in shapes))


@pytest.mark.parametrize("name", sorted(CELLS))
@pytest.mark.parametrize("B", [1, 3, 200], ids="{}rows".format)
def test_a_kept_call_gives_what_the_first_gave(name, B, rng):
    cell = cell_of(CELLS[name], rng, H=3 if B > 100 else 20)  # few units and many rows have a kernel of their own
    x = rng.standard_normal((B, 4, 5)).astype("float32")
    prepared = cell.prepared()[1]
    for options in (ScanOptions(), ScanOptions(return_sequences=True), ScanOptions(go_backwards=True)):
        prepared.plans.clear()
        first = functional.scan(cell, x, None, None, options)
        assert (x.shape, options.flags, 1) not in prepared.calls
        again = functional.scan(cell, x, None, None, options)
        assert (x.shape, options.flags, 1) in prepared.calls
        third = functional.scan(cell, x.copy(), None, None, options)
        for a, b, c in zip(first, again, third, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)
            assert a.shape == c.shape
            assert not np.shares_memory(a, b)
            assert not np.shares_memory(b, c)


def test_only_plain_calls_on_one_thread_are_kept(rng, monkeypatch):
    cell = cell_of(LSTM, rng)
    x = rng.standard_normal((2, 3, 5)).astype("float32")
    for _ in range(3):
        functional.scan(cell, x, np.ones((2, 3), bool))
        functional.scan(cell, x, None, tuple(np.zeros((2, 2, 20), "float32")))
    prepared = cell.prepared()[1]
    assert not prepared.calls
    monkeypatch.setattr(config.settings, "threads", 2)
    prepared.plans[2, 3, 2] = prepared, prepared.plan(2, 3)[1]._replace(seats=2)
    functional.scan(cell, x)
    assert not prepared.calls


def test_owners_are_not_kept(rng):
    """Or else the words would name what numba has freed since."""
    cell = cell_of(GRU, rng)
    p = cell.prepared()[1]
    x, y, last = (np.zeros(s, "float32") for s in ((1, 2, 5), (1, 1, 20), (1, 1, 20)))
    words = keep(p.kernel, x, p.no_mask, p.no_state, *p.packed, y, last, 0, 1, 1, 1)
    assert words[COUNT] == len(words) - ARGUMENTS
    assert words[-5:].tolist() == [0, 1, 1, 1, 1]
    at = ARGUMENTS
    for a in (words, x, p.no_mask, *p.no_state, *p.packed, y, last):
        owner, parent, size, item, where, *sizes = words[at : at + 5 + a.ndim].tolist()
        assert (owner, parent, item, where) == (0, 0, a.itemsize, a.ctypes.data)
        assert sizes == list(a.shape)
        assert size == a.size
        at += 5 + 2 * a.ndim
    assert at == len(words) - 5


def test_nothing_is_held_back(rng):
    cell = cell_of(LSTM, rng)
    x = rng.standard_normal((1, 2, 5)).astype("float32")
    for _ in range(3):
        last = functional.scan(cell, x)[1]
    p = cell.prepared()[1]
    before = [sys.getrefcount(a) for a in (x, *p.packed)]
    for _ in range(1000):
        last = functional.scan(cell, x)[1]
    assert [sys.getrefcount(a) for a in (x, *p.packed)] == before
    assert sys.getrefcount(last) == 2


def test_threads_share_kept_calls(rng):
    cell = cell_of(LSTM, rng)
    inputs = rng.standard_normal((64, 1, 3, 5)).astype("float32")
    wanted = [functional.scan(cell, x)[1] for x in inputs]
    assert len({w.tobytes() for w in wanted}) == 64
    assert cell.prepared()[1].calls
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for (_, last), want in zip(pool.map(lambda x: functional.scan(cell, x), inputs), wanted, strict=True):
                np.testing.assert_array_equal(last, want)


def test_as_many_calls_as_plans_are_kept(rng):
    cell = cell_of(GRU, rng, H=3)
    p = cell.prepared()[1]
    for T in range(1, PLANS + 20):
        x = np.zeros((1, T, 5), "float32")
        p.plans[1, T, 1] = p, p.plan(1, 1)[1]
        functional.scan(cell, x)
    assert 0 < len(p.calls) <= PLANS
