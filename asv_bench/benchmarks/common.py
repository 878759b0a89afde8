"""What the benchmarks share: random weights, our layers that hold them, inputs, and the answer in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import numba_rnn
from numba_rnn import config, layers
from numba_rnn.cells import CELLS
from numba_rnn.config import settings

from .shapes import Case

LAYERS = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


def arrays(cell: str, D: int, H: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Kernel (D, G*H), recurrent kernel (H, G*H) and bias of a cell, as large as trained ones are: 1/sqrt(H)."""
    spec, rng = CELLS[cell], np.random.default_rng(seed)
    G, k = len(spec.gates), H**-0.5
    bias = (2, G * H) if spec.recurrent_bias else (G * H,)
    return tuple(rng.uniform(-k, k, shape).astype(np.float32) for shape in ((D, G * H), (H, G * H), bias))


def weights(case: Case) -> list[list[tuple[np.ndarray, ...]]]:
    """For each layer, for each direction: `arrays`, in Keras' layout and gate order, each direction's its own."""
    return [
        [arrays(case.cell, case.inputs_of(n), case.H, n * case.directions + d) for d in range(case.directions)]
        for n in range(case.layers)
    ]


def sequences(B: int, T: int, D: int) -> np.ndarray:
    """Input (B, T, D) on unit scale."""
    return np.random.default_rng(1).standard_normal((B, T, D)).astype(np.float32)


def layer(cell: str, D: int, H: int, **options: Any) -> Any:
    """A layer on one thread, whatever device is configured."""
    settings.threads = 1
    made = getattr(layers, LAYERS[cell])(H, **options)
    made.build((None, None, D))
    made.set_weights(list(arrays(cell, D, H)))
    return made


def keras_model(case: Case, keras: Any) -> Any:
    """The case in Keras' words, as one layer or as a Sequential of several: `keras` may be Keras, or this library."""
    stack = []
    for n, directions in enumerate(weights(case)):
        made = getattr(keras.layers, LAYERS[case.cell])(case.H, return_sequences=True)
        if case.bidirectional:
            made = keras.layers.Bidirectional(made)
        made.build((None, case.T, case.inputs_of(n)))
        made.set_weights([a for arrays_ in directions for a in arrays_])
        stack.append(made)
    if len(stack) == 1:
        return stack[0]
    return keras.Sequential([keras.Input((case.T, case.D)), *stack])


def ours(case: Case, threads: int) -> Callable[[], np.ndarray]:
    """A call of our layer or model as a user makes it, on so many threads: (B, T, H), or (B, T, 2*H) both ways."""
    settings.device, settings.threads = "cpu", threads
    model, x = keras_model(case, numba_rnn), sequences(case.B, case.T, case.D)
    if case.masked:
        mask = case.mask()
        return lambda: model(x, mask=mask)
    return lambda: model(x)


def oracle(case: Case) -> np.ndarray:
    """What `ours` should return, by the reference backend in float64."""
    call = ours(case, 1)
    with config.device("reference"):
        return np.asarray(call())


def largest_difference(case: Case, a: np.ndarray, b: np.ndarray) -> float:
    """The largest absolute difference at steps that count; elsewhere libraries put what they like."""
    return float(np.abs(a - b)[case.mask()].max())
