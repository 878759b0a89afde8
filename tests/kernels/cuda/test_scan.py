"""The CUDA backend in the simulator against the oracle: a sample of `test_suite.py`, and what only this backend does."""

import dataclasses
import itertools

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.errors import DeviceError
from numba_rnn.functional import both_ways, linear, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import launch as data
from numba_rnn.kernels.cuda import machine
from numba_rnn.kernels.cuda.plan_exact import plan_grid

from ..cpu.test_scan import BOUND, assert_same, make_call, make_cell

SHAPES = (1, 1, 1, 1), (1, 4, 3, 7), (3, 3, 9, 17), (4, 2, 1, 8)  # B, T, D, H
KINDS = list(itertools.product((False, True), repeat=3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_against_the_oracle(rng, kernel, name, dtype):
    for shape, options in zip(itertools.cycle(SHAPES), itertools.starmap(ScanOptions, KINDS), strict=False):
        B, T, D, H = shape
        cell = make_cell(rng, CELLS[name], D, H, dtype)
        x, mask, state = make_call(rng, cell, B, T, masked=rng.random() < 0.7, stateful=rng.random() < 0.7)
        actual = scan(cell, x, mask, state, options)
        with config.device("reference"):
            assert_same(actual, scan(cell, x, mask, state, options), BOUND[np.dtype(dtype)])


@pytest.mark.parametrize("name", sorted(CELLS))
def test_two_cells_run_opposite_ways_in_one_launch(rng, kernel, driver, name):
    for options in itertools.starmap(ScanOptions, KINDS):
        pair = both_ways(*(make_cell(rng, CELLS[name], 3, 6, "float32") for _ in range(2)))
        x, mask, _ = make_call(rng, pair, 2, 3, masked=True, stateful=False)
        state = tuple(rng.uniform(-1, 1, (2, 6)).astype("float32") for _ in range(2 * len(CELLS[name].states)))
        driver.launches.clear()
        actual = scan(pair, x, mask, state, options)
        steps = ["scan"] * (6 if CELLS[name].first else 3)  # a kernel for both cells
        launched = steps if kernel == "steps" else ["multiply", "multiply", "scan"]
        assert [launch.name for launch in driver.launches] == launched
        with config.device("reference"):
            assert_same(actual, scan(pair, x, mask, state, options), 1e-6)


def test_a_call_too_large_for_one_launch(rng, cuda, driver, monkeypatch):
    """On a GPU that has room for one of two cells, and for 16 of 18 sequences, at once."""
    driver.device = dataclasses.replace(driver.device, multiprocessors=1)
    monkeypatch.setattr(machine, "plan", plan_grid)
    pair = both_ways(*(make_cell(rng, CELLS["gru"], 2, 4, "float32") for _ in range(2)))
    x, mask, _ = make_call(rng, pair, 18, 2, masked=True, stateful=False)
    options = ScanOptions(return_sequences=True)
    actual = scan(pair, x, mask, None, options)
    assert sum(launch.name == "scan" for launch in driver.launches) == 4
    with config.device("reference"):
        assert_same(actual, scan(pair, x, mask, None, options), 1e-6)


@pytest.mark.parametrize("backwards", [False, True])
def test_long_sequences_run_in_pieces(rng, kernel, monkeypatch, driver, backwards):
    """What does not fit into the workspace at once: the same bits, also of outputs that masked steps repeat."""
    pair = both_ways(*(make_cell(rng, CELLS["lstm"], 3, 6, "float32") for _ in range(2)))
    x, mask, _ = make_call(rng, pair, 3, 7, masked=True, stateful=False)
    mask[:, 2:4] = False
    for kept in (False, True):
        options = ScanOptions(backwards, kept)
        whole = scan(pair, x, mask, None, options)
        with monkeypatch.context() as patch:
            patch.setattr(data, "WORKSPACE", 2 * 2 * 3 * 4 * 6 * 4)  # two steps
            driver.launches.clear()
            pieces = scan(pair, x, mask, None, options)
        assert sum(launch.name == "scan" for launch in driver.launches) == (7 if kernel == "steps" else 4)
        for a, b in zip((whole[0], *whole[1]), (pieces[0], *pieces[1]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_weights_are_uploaded_once_and_arrays_come_from_the_pool(rng, cuda, driver):
    cell = make_cell(rng, CELLS["gru"], 3, 5, "float32")
    x, mask, state = make_call(rng, cell, 2, 3, masked=True, stateful=True)
    scan(cell, x, mask, state)
    uploads, allocations = driver.uploads, driver.allocations
    for _ in range(3):
        scan(cell, x, mask, state)
    assert driver.uploads == uploads + 3 * 3  # x, mask and states
    assert driver.allocations == allocations


def test_warming_leaves_nothing_to_compile(rng, cuda, driver, monkeypatch):
    cell = make_cell(rng, CELLS["lstm"], 3, 5, "float32")
    cell.warm()
    monkeypatch.setattr(driver, "kernel", None)
    for B in machine.WARMED:
        x, mask, state = make_call(rng, cell, B, 2, masked=True, stateful=True)
        scan(cell, x, mask, state)


@pytest.mark.parametrize("blas", [False, True])
def test_linear(rng, cuda, driver, blas):
    driver.device = dataclasses.replace(driver.device, blas=blas)
    for shape, H in (((5, 3), 4), ((2, 3, 1), 7), ((2, 0), 3), ((0, 4), 3)):
        x, w, b = rng.standard_normal(shape), rng.standard_normal((shape[-1], H)), rng.standard_normal(H)
        np.testing.assert_allclose(linear(x, w, b), x @ w + b, rtol=0, atol=1e-13)


def test_a_kernel_that_waited_in_vain_is_an_error(rng, cuda):
    cell = make_cell(rng, CELLS["gru"], 3, 5, "float32")
    x, _, _ = make_call(rng, cell, 2, 3, masked=False, stateful=False)
    scan(cell, x)
    cuda._error[0] = 3
    with pytest.raises(DeviceError, match="waited in vain for another block at step 2"):
        scan(cell, x)
    scan(cell, x)


def test_no_rows(rng, kernel):
    cell = make_cell(rng, CELLS["lstm"], 3, 5, "float32")
    for options, shape in ((ScanOptions(), (0, 5)), (ScanOptions(return_sequences=True), (0, 4, 5))):
        y, last = scan(cell, np.zeros((0, 4, 3), "float32"), None, None, options)
        assert (y.shape, last.shape) == (shape, (2, 0, 5))
