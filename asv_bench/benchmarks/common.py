"""What the benchmarks share: random cells, one thread, and which backends this machine has."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import functional, layers
from numba_rnn.cells import CELLS
from numba_rnn.config import settings
from numba_rnn.errors import DeviceError

BACKENDS = ("cpu", "reference")
LAYERS = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


def arrays(cell: str, D: int, H: int) -> tuple[np.ndarray, ...]:
    """Kernel (D, G*H), recurrent kernel (H, G*H) and bias of a cell, as large as trained ones are: 1/sqrt(H)."""
    spec, rng = CELLS[cell], np.random.default_rng(0)
    G, k = len(spec.gates), H**-0.5
    bias = (2, G * H) if spec.recurrent_bias else (G * H,)
    return tuple(rng.uniform(-k, k, shape).astype(np.float32) for shape in ((D, G * H), (H, G * H), bias))


def sequences(B: int, T: int, D: int) -> np.ndarray:
    """Input (B, T, D) on unit scale."""
    return np.random.default_rng(1).standard_normal((B, T, D)).astype(np.float32)


def prepared(cell: str, D: int, H: int, backend: str) -> Any:
    """A cell that runs on one backend; asv skips the benchmark (NotImplementedError) where the backend is missing."""
    settings.device = backend
    settings.threads = 1
    ready = functional.prepare(CELLS[cell], *arrays(cell, D, H))
    try:
        ready.prepared()
    except (DeviceError, ImportError) as error:
        raise NotImplementedError(f"backend {backend}: {error}") from error
    return ready


def layer(cell: str, D: int, H: int, **options: Any) -> Any:
    """A layer with the same weights as `prepared` gives, on one thread, whatever device is configured."""
    settings.threads = 1
    made = getattr(layers, LAYERS[cell])(H, **options)
    made.build((None, None, D))
    made.set_weights(list(arrays(cell, D, H)))
    return made
