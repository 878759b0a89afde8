"""Weights in fewer bytes: the CPU machine against the oracle with the weights that they stand for, and bit for bit with itself."""

import os
import subprocess
import sys

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.compressed import STORAGES
from numba_rnn.functional import Linear, both_ways, prepare, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu import host, machine
from numba_rnn.kernels.cpu.plan import Plan
from numba_rnn.kernels.cpu.product import K_BLOCK

LANES = [4, 8, 16]
SEQUENCES = ScanOptions(return_sequences=True)
SHAPES = [  # B, T, D, H: odd and even numbers of rows of k, tails of rows and vectors, more of them than a block of k holds
    (1, 1, 1, 1), (2, 5, 3, 7), (5, 4, 8, 16), (13, 3, 17, 33), (7, 3, 2 * K_BLOCK + 1, 9), (4, 2, 6, K_BLOCK + 19),
]  # fmt: skip


def draw(rng, *shape):
    return (rng.uniform(-1, 1, shape) / np.sqrt(max(1, shape[0]) if len(shape) == 2 else 1)).astype("float32")


def make_cell(rng, name, D, H, storage):
    spec = CELLS[name]
    G = len(spec.gates)
    bias = draw(rng, 2, G * H) if spec.recurrent_bias else draw(rng, G * H)
    extra = draw(rng, len(spec.extra), H)
    return prepare(spec, draw(rng, D, G * H), draw(rng, H, G * H), bias, extra=extra, weights=storage)


def assert_equal(actual, expected, bound=0.0):
    for a, b in zip((actual[0], *actual[1]), (expected[0], *expected[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("name", "lanes"), [("lstm", 4), ("lstm", 8), ("lstm", 16), ("gru_reset_before", 8), ("gru", 16)]
)
def test_scan_against_the_oracle_and_every_row_alone(rng, monkeypatch, name, lanes, storage):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for B, T, D, H in SHAPES:
        cell = make_cell(rng, name, D, H, storage)
        x, state = draw(rng, B, T, D), tuple(draw(rng, B, H) for _ in CELLS[name].states)
        actual = scan(cell, x, None, state, SEQUENCES)
        with config.device("reference"):
            assert_equal(actual, scan(cell, x, None, state, SEQUENCES), 1e-6 * max(1, np.sqrt(max(D, H) / 256)))
        for n in (1, 2, 4):  # other tiles
            part = scan(cell, x[:n], None, tuple(s[:n] for s in state), SEQUENCES)
            assert_equal(part, (actual[0][:n], tuple(s[:n] for s in actual[1])))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("lanes", LANES)
def test_linear_against_the_oracle_and_every_row_alone(rng, monkeypatch, lanes, storage):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for D in (0, 1, 2, 9, K_BLOCK, 2 * K_BLOCK + 1):
        for B, H in ((1, 5), (2, 16), (9, 33), (30, 64)):
            x, linear = draw(rng, B, D), Linear(draw(rng, D, H), draw(rng, H), storage)
            y = linear(x)
            with config.device("reference"):
                np.testing.assert_allclose(y, linear(x), rtol=0, atol=1e-6 * max(1, np.sqrt(D / 64)))
            for n in range(1, B, 4):
                np.testing.assert_array_equal(linear(x[:n]), y[:n])
        np.testing.assert_array_equal(Linear(draw(rng, 0, H), linear.bias, storage)(x[:, :0]), [linear.bias] * B)


@pytest.mark.parametrize("storage", STORAGES)
def test_pieces_of_time_give_the_whole(rng, storage):
    cell = make_cell(rng, "lstm", 5, 37, storage)
    x = draw(rng, 3, 12, 5)
    y, last = scan(cell, x, None, None, SEQUENCES)
    state = None
    for t in range(12):
        part, state = scan(cell, x[:, t : t + 1], None, state, SEQUENCES)
        np.testing.assert_array_equal(part[:, 0], y[:, t])
    np.testing.assert_array_equal(state, last)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", ["gru_reset_before", "lstm"])
def test_neither_plan_nor_partner_changes_a_bit(rng, name, storage):
    cells = [make_cell(rng, name, 7, 53, storage) for _ in range(2)]
    both, S = both_ways(*cells), len(CELLS[name].states)
    for B in (1, 2, 13):
        x, mask = draw(rng, B, 9, 7), rng.random((B, 9)) < 0.7
        y, last = scan(both, x, mask, None, SEQUENCES)
        for way, (cell, backwards) in enumerate(zip(cells, (False, True), strict=True)):
            want, states = scan(cell, x, mask, None, ScanOptions(go_backwards=backwards, return_sequences=True))
            np.testing.assert_array_equal(y[..., way * 53 : way * 53 + 53], want[:, ::-1] if backwards else want)
            np.testing.assert_array_equal(last[way * S : way * S + S], states)
        prepared = cells[0].prepared()[1]
        for plan in (Plan(3, B, 2, 2), Plan(1, B, 4, 3), Plan(9, -(-B // 2), 1, 2)):
            prepared.plans[B, 9, config.settings.threads] = prepared, plan
            prepared.calls.clear()  # or one that was kept would be made
            part, states = scan(cells[0], x, mask, None, SEQUENCES)
            np.testing.assert_array_equal(part, y[..., :53])
            np.testing.assert_array_equal(states, last[:S])


@pytest.mark.parametrize("storage", ["bfloat16", "float16"])
def test_exact_weights_give_the_bits_of_float32(rng, storage):
    """Weights that either storage holds exactly, in an odd number of rows; an infinite input in the last of them."""
    w = rng.integers(-64, 65, (33, 20)).astype("float32") / 64
    x = draw(rng, 9, 33)
    x[4, 32] = np.inf
    np.testing.assert_array_equal(Linear(w, w[0], storage)(x), Linear(w, w[0])(x))


@pytest.mark.parametrize("storage", ["bfloat16", "float16"])
def test_what_is_not_finite_and_what_is_tiny(storage):
    w = np.array([[np.inf, -np.inf, np.nan, 2.0**-14, 3 * 2.0**-24, -0.0]], "float32").repeat(3, axis=0)
    for rows in (1, 9):
        y = Linear(w, None, storage)(np.full((rows, 3), 2, "float32"))
        np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan, 6 * 2.0**-14, 18 * 2.0**-24, 0.0]] * rows)


def test_every_whole_number_of_int8():
    w = np.arange(-127, 128, dtype="float32")[None]
    w = np.vstack([w, np.full((1, 255), 127, "float32")])  # every column's scale is 1
    x = np.array([[1, 0], [0.5, 0]], "float32")
    np.testing.assert_array_equal(Linear(w, w[0], "int8")(x), [2 * w[0], 1.5 * w[0]])


@pytest.mark.parametrize("storage", STORAGES)
def test_weights_stay_small(rng, storage):
    cell = make_cell(rng, "lstm", 32, 64, storage)
    packed = cell.prepared()[1].packed
    weight = 1 if storage == "int8" else 2
    assert packed.kernel.nbytes == 32 * 256 * weight
    assert packed.first.nbytes == 64 * 256 * weight


def test_a_processor_that_cannot_convert_float16(rng, monkeypatch):
    monkeypatch.setattr(host, "_features", lambda: frozenset({"sse2"}))
    assert [host.readable(s) for s in (None, *STORAGES)] == [None, "bfloat16", None, "int8"]
    cell = make_cell(rng, "gru", 3, 9, "float16")
    assert cell.prepared()[1].packed.kernel.dtype == np.float32
    assert "float16" not in machine.CPU().describe(cell.recurrence)
    x = draw(rng, 2, 4, 3)
    actual, y = scan(cell, x), Linear(draw(rng, 3, 9), None, "float16")(x)
    monkeypatch.undo()
    assert_equal(actual, scan(make_cell(np.random.default_rng(20240229), "gru", 3, 9, "float16"), x), 1e-6)
    assert y.shape == (2, 4, 9)


KERNELS = """
import numpy as np
from numba_rnn.functional import Linear
from numba_rnn.compressed import STORAGES
from numba_rnn.kernels.cpu.machine import _linear_kernel
from numba_rnn.kernels.cpu.host import vector_bytes
w = np.eye(3, dtype="float32")
for storage in STORAGES:
    assert (Linear(w, None, storage)(w) == w).all()
    stats = _linear_kernel(vector_bytes() // 4, vector_bytes(), storage).stats
    print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_the_next_process_finds_the_kernels_on_disk(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_RNN_CACHE": "1"}
    said = [
        subprocess.run(
            [sys.executable, "-c", KERNELS], env=env, capture_output=True, text=True, timeout=300, check=True
        )
        for _ in range(2)
    ]
    assert said[0].stdout.split() == ["0", "1"] * 3
    assert said[1].stdout.split() == ["1", "0"] * 3
