"""The activation functions of ONNX's recurrent operators, as Keras names where the kernels know them, else as functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from numba_rnn._typing import Activation, Array
from numba_rnn.ops import activations
from numba_rnn.ops.activations import get_activation

__all__ = ["Chosen", "choose", "clipped", "in_numpy"]

Chosen: TypeAlias = str | Activation

# Those that need no numbers, and Keras' names for them.
PLAIN = {"Relu": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus", "Softsign": "softsign", "Tanh": "tanh"}
# Those that take alpha, or alpha and beta, with ONNX's defaults; None where it has none.
SCALED: dict[str, tuple[tuple[float | None, ...], Callable[..., Array]]] = {
    "Affine": ((None, None), lambda x, alpha, beta: alpha * x + beta),
    "Elu": ((1.0,), activations.elu),
    "HardSigmoid": ((0.2, 0.5), lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1)),
    "LeakyRelu": ((0.01,), lambda x, alpha: np.where(x < 0, alpha * x, x)),
    "ScaledTanh": ((None, None), lambda x, alpha, beta: alpha * np.tanh(beta * x)),
    "ThresholdedRelu": ((1.0,), lambda x, alpha: np.where(x >= alpha, x, 0 * x)),
}
# What the kernels know under a name of its own.
NAMED = {
    ("Affine", 1.0, 0.0): "linear",
    ("Elu", 1.0): "elu",
    ("HardSigmoid", float(np.float32(1 / 6)), 0.5): "hard_sigmoid",
    ("LeakyRelu", float(np.float32(0.2))): "leaky_relu",
}


def choose(
    names: tuple[str, ...],
    alphas: tuple[float, ...],
    betas: tuple[float, ...],
    defaults: tuple[str, ...],
    directions: int,
) -> list[list[Chosen]]:
    """The activations of each direction, in ONNX's order (f, g, h).

    Args:
        names: one for each of `defaults` and direction, or none at all for the defaults.
        alphas, betas: numbers, taken in this order by those functions that need them.
        defaults: those of the operator.
        directions: 1 or 2.

    Source: ONNX's `LSTM`, `activation_alpha`; ONNX Runtime takes the numbers in the same way.

    Raises:
        ValueError: an unknown name, a wrong number of them, or a function without the numbers that it needs.
    """
    count = len(defaults) * directions
    if len(names or defaults * directions) != count:
        raise ValueError(f"it needs {count} activations. Received: {', '.join(names)}.")
    lists = list(alphas), list(betas)
    chosen: list[Chosen] = []
    for name in names or defaults * directions:
        if name in PLAIN:
            chosen.append(PLAIN[name])
            continue
        if name not in SCALED:
            raise ValueError(f"no activation is named {name!r}. Expected: {', '.join(sorted([*PLAIN, *SCALED]))}.")
        numbers = [given.pop(0) if given else number for number, given in zip(SCALED[name][0], lists, strict=False)]
        if None in numbers:
            raise ValueError(f"the activation {name!r} needs an alpha and a beta.")
        chosen.append(_scaled(name, *numbers))
    return [chosen[k : k + len(defaults)] for k in range(0, count, len(defaults))]


@lru_cache(maxsize=256)
def _scaled(name: str, *numbers: float) -> Chosen:
    f = SCALED[name][1]
    return NAMED.get((name, *numbers), lambda x: f(x, *numbers))


@lru_cache(maxsize=256)
def clipped(activation: Chosen, threshold: float) -> Activation:
    """The activation of what was cut to between -threshold and threshold first."""
    f = in_numpy(activation)
    return lambda x: f(np.clip(x, -threshold, threshold))


def in_numpy(activation: Chosen) -> Activation:
    """The activation as a function of arrays."""
    return get_activation(activation)[1]
