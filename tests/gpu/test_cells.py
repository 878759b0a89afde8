"""On a GPU: every cell, dtype, mask, direction, start and output, by every kind of kernel that takes it, against the oracle."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.functional import prepare, scan
from numba_rnn.kernels.backend import ScanOptions

from .conftest import SIMULATED

# B, T, D, H: one of everything, tails, a block's size, a cluster's, all of the GPU's.
SHAPES = (
    ((2, 3, 3, 5),)
    if SIMULATED
    else ((1, 1, 1, 1), (5, 9, 40, 33), (3, 7, 17, 96), (9, 6, 30, 200), (1, 8, 48, 512), (16, 5, 64, 768))
)
KINDS = "block", "cluster", "general", "grid", "tensor"  # as planners are named, whichever of them there are


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_against_the_oracle(bench: Any, m: Any, kind: str, name: str, dtype: str) -> None:
    if kind not in m.kinds.kinds():
        pytest.skip(f"there is no {kind} kernel")
    refused = []
    for N, (B, T, D, H) in itertools.product((1, 2), SHAPES):
        cell = m.data.Cell(name, dtype, D, H, N)
        calls = m.correctness.drawn(3 if SIMULATED else 88 if H < 300 else 12, seed=H)
        row = m.correctness.check(bench, kind, cell, B, T, "fp32", calls, None if N == 1 else max(1, T // 2))
        assert "wrong" not in row, (B, T, D, H, N, row)
        refused += [row["refused"]] if "refused" in row else []
    if len(refused) == 2 * len(SHAPES):
        pytest.skip(f"refuses all: {refused[0]}")


@pytest.mark.parametrize("precision", ["bf16x3", "tf32", "bf16"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_less_precise_within_their_bounds(bench: Any, m: Any, name: str, precision: str) -> None:
    for kind, (B, T, D, H) in itertools.product(m.kinds.kinds(), SHAPES):
        row = m.correctness.check(
            bench,
            kind,
            m.data.Cell(name, "float32", D, H),
            B,
            T,
            precision,
            m.correctness.drawn(2 if SIMULATED else 6, 1),
            None,
        )
        assert "wrong" not in row, (kind, B, T, D, H, row)


def test_the_chosen_kernel_takes_what_comes(cuda: Any, m: Any) -> None:
    rng = np.random.default_rng(11)
    for _ in range(4 if SIMULATED else 40):
        B, T, D, H = (int(rng.integers(1, n)) for n in ((4, 5, 6, 9) if SIMULATED else (140, 40, 300, 900)))
        name = sorted(CELLS)[rng.integers(len(CELLS))]
        made = m.data.Cell(name, "float32", D, H)
        call = list(m.data.calls())[rng.integers(88)]
        x, mask, initial = m.data.sequences(made, B, T, call)
        (weights,) = made.weights()
        expected = m.data.oracle(made, [weights], x, mask, initial, call.options)
        prepared = cuda.prepare(made.recurrence, weights)
        for got, wanted in zip(cuda.scan(prepared, x, mask, initial, call.options), expected, strict=True):
            assert m.data.error(got, wanted) <= m.data.BOUNDS["fp32"], (name, B, T, D, H, call)


def test_dense(cuda: Any, m: Any) -> None:
    rng = np.random.default_rng(12)
    for B, D, H in ((1, 1, 1), (3, 5, 7), (2, 0, 4), (65, 40, 33)):
        x, kernel, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((B, D), (D, H), (H,)))
        prepared = cuda.prepare_linear(kernel, bias)
        expected = x.astype(np.float64) @ kernel.astype(np.float64) + bias
        np.testing.assert_allclose(cuda.linear(prepared, x), expected, rtol=0, atol=1e-5)


def test_nan_stays_in_its_row(bench: Any, m: Any) -> None:
    for kind, name in itertools.product(m.kinds.kinds(), sorted(CELLS)):
        cell = m.data.Cell(name, "float32", *((3, 5) if SIMULATED else (16, 256)))
        x, _, _ = m.data.sequences(cell, 3, 6, m.data.Call())
        prepared = bench.backend.prepare(cell.recurrence, *cell.weights())
        try:
            with m.kinds.forced(kind):
                clean, _ = bench.backend.scan(prepared, x, None, None, ScanOptions(return_sequences=True))
                x[1, 2] = np.nan
                y, _ = bench.backend.scan(prepared, x, None, None, ScanOptions(return_sequences=True))
        except m.kinds.RefusedError:
            continue
        np.testing.assert_array_equal(y[[0, 2]], clean[[0, 2]], err_msg=f"{kind} {name}")
        np.testing.assert_array_equal(y[1, :2], clean[1, :2])
        assert np.isnan(y[1, 2:]).any(axis=-1).all(), f"{kind} {name}: NaN was lost"


def test_pieces_of_time_give_the_same_bits(cuda: Any, m: Any) -> None:
    cell = m.data.Cell("lstm", "float32", *((3, 5) if SIMULATED else (16, 512)), N=2)
    x, mask, initial = m.data.sequences(cell, 2, 9, m.data.Call("holes", initial=True))
    prepared = cuda.prepare(cell.recurrence, *cell.weights())
    options = ScanOptions(return_sequences=True)
    for kind in m.kinds.kinds():
        try:
            with m.kinds.forced(kind):
                whole = cuda.scan(prepared, x, mask, initial, options)
            with m.kinds.forced(kind, steps=2):
                pieces = cuda.scan(prepared, x, mask, initial, options)
        except m.kinds.RefusedError:
            continue
        for a, b in zip(whole, pieces, strict=True):
            if SIMULATED:
                np.testing.assert_array_equal(a, b)
            else:  # cuBLAS may sum products of other sizes in another order
                np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)


def test_the_device_is_what_runs(cuda: Any) -> None:
    rng = np.random.default_rng(13)
    w, u = rng.standard_normal((3, 8)).astype(np.float32), rng.standard_normal((2, 8)).astype(np.float32) * 0.5
    x = rng.standard_normal((2, 4, 3)).astype(np.float32)
    cell = prepare(CELLS["lstm"], w, u)
    y, _ = scan(cell, x, None, None, ScanOptions())
    backend, _ = cell.prepared()
    assert backend is cuda
    with config.device("reference"):
        np.testing.assert_allclose(y, scan(cell, x, None, None, ScanOptions())[0], rtol=0, atol=1e-6)
