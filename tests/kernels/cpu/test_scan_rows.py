"""Vectors of rows give the very bits that vectors of units give."""

import os
import subprocess
import sys

import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.functional import prepare
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu import CPU
from numba_rnn.kernels.cpu.plan import Plan


def both(prepared, call):
    """The outputs of a call by units and by rows, whatever is faster, and by rows in parts and on two threads."""
    x = call[0]
    units = Plan(len(x[0]), len(x), 1, 1)
    together = prepared.cost.together
    plans = (
        (prepared, units),
        *((prepared.rows, Plan(*how)) for how in ((3, together, 1, 1), (1, min(5, together), 1, 2))),
    )
    results = []
    for how in plans:
        prepared.plans[(*x.shape[:2], config.settings.threads)] = how
        prepared.calls.clear()  # or one that was kept would be made
        results.append(CPU().scan(prepared, *call))
    return results


def draw_call(rng, spec, dtype, most):
    """One cell or two, and a call of random shapes, options and values."""
    B, T, D, H = (int(rng.integers(1, n)) for n in most)
    G, N = len(spec.gates), int(rng.integers(1, 3))

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype(dtype)

    def cell():
        bias = draw(2, G * H) if spec.recurrent_bias else draw(G * H)
        return prepare(spec, draw(D, G * H), draw(H, G * H), bias, extra=draw(len(spec.extra), H))

    cells = [cell() for _ in range(N)]
    mask = rng.random((B, T)) < 0.6 if rng.integers(2) else None
    state = tuple(draw(B, H) for _ in range(N * len(spec.states))) if rng.integers(2) else None
    options = ScanOptions(*rng.integers(0, 2, 3).astype(bool).tolist())
    prepared = CPU().prepare(cells[0].recurrence, *(c.weights for c in cells))
    return prepared, (draw(B, T, D), mask, state, options)


def assert_same_bits(units, *rows):
    for other in rows:
        for a, b in zip(units, other, strict=True):
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_the_same_bits(rng, name, dtype):
    for _ in range(60):
        prepared, call = draw_call(rng, CELLS[name], dtype, (80, 12, 40, 40))
        assert_same_bits(*both(prepared, call))


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_the_same_bits_at_every_width(rng, monkeypatch, name, lanes):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for _ in range(40):
        prepared, call = draw_call(rng, CELLS[name], "float32", (40, 9, 40, 24))
        assert_same_bits(*both(prepared, call))


def test_more_inputs_than_a_cache_holds(rng):
    prepared, call = draw_call(rng, CELLS["gru"], "float32", (40, 400, 900, 4))
    assert_same_bits(*both(prepared, call))


RUN = """
import numpy as np
from numba_rnn import functional
from numba_rnn.cells import SIMPLE_RNN
from numba_rnn.kernels.cpu.machine import _rows_kernel
cell = functional.prepare(SIMPLE_RNN, np.ones((1, 1), "float32"), np.ones((1, 1), "float32"))
_, prepared = cell.prepared()
functional.scan(cell, np.zeros((1000, 9, 1), "float32"))
assert "rows" in prepared.__dict__
print(sum(_rows_kernel(*prepared.rows.key).stats.cache_hits.values()))
"""


def test_the_next_process_finds_it_on_disk(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_RNN_CACHE": "1"}
    run = [sys.executable, "-c", RUN]
    hits = [
        subprocess.run(run, env=env, capture_output=True, text=True, timeout=300, check=True).stdout for _ in range(2)
    ]
    assert list(map(int, hits)) == [0, 1]
