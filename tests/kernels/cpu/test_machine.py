"""The CPU backend: what it takes, how it says it, one kernel for all options."""

import contextlib

import numpy as np
import pytest

from numba_rnn import config, functional, progress
from numba_rnn.cells import CELLS, GRU, LSTM
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu import CPU
from numba_rnn.kernels.cpu.host import lanes_of, vector_bytes
from numba_rnn.kernels.cpu.machine import _linear_kernel, _scan_kernel
from numba_rnn.kernels.cpu.team import serve
from numba_rnn.ops.activations import ELEMENTWISE, ROW_WISE


@pytest.mark.parametrize("name", sorted(CELLS))
def test_supports_every_cell_with_elementwise_activations(name):
    for act in ELEMENTWISE:
        assert CPU().supports(functional.recurrence_of(CELLS[name], act, act)) is None
    for act in set(ROW_WISE) - {"glu"}:
        assert "mixes the units" in CPU().supports(functional.recurrence_of(CELLS[name], "tanh", act))


def test_options_do_not_compile_another_kernel(rng):
    cell = functional.prepare(GRU, *(rng.standard_normal(s).astype("float32") for s in ((3, 15), (5, 15), (2, 15))))
    _, prepared = cell.prepared()
    for B, T in ((1, 1), (3, 4), (9, 2)):
        x = rng.standard_normal((B, T, 3)).astype("float32")
        for bits in range(8):
            options = ScanOptions(bool(bits & 1), bool(bits & 2), bool(bits & 4))
            functional.scan(cell, x, rng.random((B, T)) < 0.5, (x[:, 0, :1].repeat(5, 1),), options)
            functional.scan(cell, x, None, None, options)
    assert len(_scan_kernel(*prepared.key).signatures) == 1


def test_layers_of_one_kind_share_a_kernel(rng):
    cells = [
        functional.prepare(LSTM, *(rng.standard_normal(s).astype("float32") for s in ((D, 4 * H), (H, 4 * H))))
        for D, H in ((3, 5), (7, 40))
    ]
    first, second = (_scan_kernel(*cell.prepared()[1].key) for cell in cells)
    assert first is second


def test_compilation_is_announced(rng, monkeypatch):
    monkeypatch.setattr(config.settings, "lanes", 16)  # which few units do not fill
    heard = []

    class Listening:
        def __init__(self, what):
            heard.append(what)

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return None

    cell = functional.prepare(LSTM, *(rng.standard_normal(s).astype("float32") for s in ((3, 20), (5, 20))))
    serve()  # once a process
    progress.set_listener(Listening)
    try:
        cell.warm()
        cell.warm()
    finally:
        progress.set_listener(None)
    assert heard == ["lstm (tanh, sigmoid) float32", "lstm (tanh, sigmoid) float32 by rows"]


def test_units_that_fill_their_vectors_need_one_kernel(rng):
    heard = []
    serve()
    cell = functional.prepare(LSTM, *(rng.standard_normal(s).astype("float32") for s in ((3, 256), (64, 256))))
    progress.set_listener(lambda what: heard.append(what) or contextlib.nullcontext())
    try:
        cell.warm()
    finally:
        progress.set_listener(None)
    assert heard == ["lstm (tanh, sigmoid) float32"]


def test_one_row_never_waits_for_another_kernel(rng):
    cell = functional.prepare(LSTM, *(rng.standard_normal(s).astype("float32") for s in ((1, 4), (1, 4))))
    functional.scan(cell, np.zeros((1, 100_000, 1), "float32"))
    assert "rows" not in cell.prepared()[1].__dict__


def test_linear_keeps_its_packed_weights(rng):
    w, b = rng.standard_normal((4, 6)).astype("float32"), rng.standard_normal(6).astype("float32")
    w.flags.writeable = False  # as layers keep their weights: numba takes such an array for another type
    linear = functional.Linear(w, b)
    x = rng.standard_normal((3, 4)).astype("float32")
    y = linear(x)
    packed = linear._prepared["cpu"][1].kernel
    np.testing.assert_array_equal(linear(x), y)
    assert linear._prepared["cpu"][1].kernel is packed
    np.testing.assert_allclose(y, x @ w + b, atol=1e-5)
    run = _linear_kernel(lanes_of(w.dtype), vector_bytes(), None)
    before = len(run.signatures)
    linear(np.zeros((0, 4), "float32"))
    assert len(run.signatures) == before == len({sig[0].dtype for sig in run.signatures})
