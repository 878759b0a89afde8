"""On a GPU: what JAX has taken stays what it is, though it frees inputs while they are read, and has streams of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import config, functional
from numba_rnn.cells import LSTM
from numba_rnn.functional import ScanOptions

from .conftest import Library

B, T, D, H = 3, 40, 5, 33


def test_results_of_jax_outlive_their_call(hardware: None, rng: np.random.Generator) -> None:
    jax: Any = Library("jax")
    shapes = (D, 4 * H), (H, 4 * H), (4 * H,)
    cell = functional.prepare(LSTM, *(rng.normal(0, 0.3, s).astype(np.float32) for s in shapes))
    arrays = [rng.normal(size=(B, T, D)).astype(np.float32) for _ in range(20)]
    options = ScanOptions(return_sequences=True)
    found = [functional.scan(cell, jax.put(x) + 1, None, None, options)[0] * 2 for x in arrays]
    with config.device("reference"):
        for x, y in zip(arrays, found, strict=True):
            np.testing.assert_allclose(jax.get(y), functional.scan(cell, x + 1, None, None, options)[0] * 2, 0, 4e-6)
