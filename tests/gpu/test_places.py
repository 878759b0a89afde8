"""On a GPU: arrays of PyTorch, CuPy, JAX and numba come in and go out without a copy and without anybody waiting.

Run them with `pytest -m gpu`; of the libraries, those that are missing are left out.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, config, functional, layers
from numba_rnn.cells import LSTM
from numba_rnn.functional import ScanOptions

from .conftest import counts_memory

pytestmark = pytest.mark.usefixtures("hardware")

B, T, D, H = 3, 40, 5, 33
ALL = ScanOptions(return_sequences=True)


class Numba:
    """Enough of a library."""

    @staticmethod
    def send(x: Any) -> Any:
        from numba_rnn.kernels.cuda.toolkit import cuda

        return cuda.to_device(x)

    @staticmethod
    def bring_back(x: Any) -> Any:
        return x.copy_to_host()


class Torch:
    @staticmethod
    def send(x: Any) -> Any:
        return importlib.import_module("torch").from_numpy(np.array(x)).cuda()

    @staticmethod
    def bring_back(x: Any) -> Any:
        return x.cpu().numpy()


class Cupy:
    @staticmethod
    def send(x: Any) -> Any:
        return importlib.import_module("cupy").asarray(x)

    @staticmethod
    def bring_back(x: Any) -> Any:
        return x.get()


class Jax:
    @staticmethod
    def send(x: Any) -> Any:
        return importlib.import_module("jax").device_put(x)

    @staticmethod
    def bring_back(x: Any) -> Any:
        return np.asarray(x)


@pytest.fixture(params=[Numba, Torch, Cupy, Jax])
def library(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip(request.param.__name__.lower(), reason="is not installed")
    return request.param


def cell_of(rng: np.random.Generator) -> functional.Cell:
    shapes = (D, 4 * H), (H, 4 * H), (4 * H,)
    return functional.prepare(LSTM, *(rng.normal(0, 0.3, s).astype(np.float32) for s in shapes))


def model_of(rng: np.random.Generator) -> Any:
    model = Sequential([
        Input((None,), dtype="int32"), layers.Embedding(20, 8, mask_zero=True),
        layers.Bidirectional(layers.LSTM(H, return_sequences=True)), layers.LayerNormalization(), layers.GRU(16),
        layers.Dense(40, activation="softmax"),
    ])  # fmt: skip
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def test_scan(rng: np.random.Generator, library: Any) -> None:
    cell, x, mask = cell_of(rng), rng.normal(size=(B, T, D)).astype(np.float32), rng.random((B, T)) > 0.3
    states = rng.normal(size=(2, B, H)).astype(np.float32)
    with config.device("reference"):
        wanted = functional.scan(cell, x, mask, states, ALL)
    there = library.send(x)
    for given in ((mask, states), (library.send(mask), library.send(states))):
        y, last = functional.scan(cell, there, *given, ALL)
        assert type(y) is type(last) is type(there)
        np.testing.assert_allclose(library.bring_back(y), wanted[0], 0, 2e-6)
        np.testing.assert_allclose(library.bring_back(last), wanted[1], 0, 2e-6)


def test_model(rng: np.random.Generator, library: Any) -> None:
    model, x = model_of(rng), rng.integers(0, 20, (B, T)).astype(np.int32)
    with config.device("reference"):
        wanted = model.predict(x, verbose=0)
    for _ in range(3):
        np.testing.assert_allclose(library.bring_back(model.predict(library.send(x))), wanted, 2e-6, 2e-6)


def test_nobody_waits(rng: np.random.Generator) -> None:
    """With work of a tenth of a second before it on the stream, a call returns while that still runs, and is right all the same."""
    torch = pytest.importorskip("torch", reason="is not installed")
    model, x = model_of(rng), Torch.send(rng.integers(0, 20, (B, T)).astype(np.int32))
    wanted = Torch.bring_back(model.predict(x))
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            model.predict(x)
            torch.cuda.synchronize()
            torch.cuda._sleep(200_000_000)  # cycles
            late = x.clone()
            before = torch.cuda.Event()
            before.record()
            y = model.predict(late)
            assert not before.query(), "the call waited for what was before it"
            np.testing.assert_allclose(Torch.bring_back(y), wanted, 0, 1e-6)


@counts_memory
def test_memory_does_not_grow(rng: np.random.Generator, library: Any) -> None:
    from numba_rnn.kernels.cuda.toolkit import cuda

    model, x = model_of(rng), library.send(rng.integers(0, 20, (B, T)).astype(np.int32))
    free = []
    for calls in (50, 100):
        for _ in range(calls):
            y = model.predict(x)
        library.bring_back(y)
        free.append(cuda.current_context().get_memory_info()[0])
    assert free[0] - free[1] < 1 << 20


def test_results_of_jax_outlive_their_call(rng: np.random.Generator) -> None:
    pytest.importorskip("jax", reason="is not installed")
    cell = cell_of(rng)
    arrays = [rng.normal(size=(B, T, D)).astype(np.float32) for _ in range(20)]
    found = [functional.scan(cell, Jax.send(x) + 1, None, None, ALL)[0] for x in arrays]
    with config.device("reference"):
        for x, y in zip(arrays, found, strict=True):
            np.testing.assert_allclose(Jax.bring_back(y), functional.scan(cell, x + 1, None, None, ALL)[0], 0, 2e-6)
