"""What the service can be told, on the command line or by `SERVE_*` variables of the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

import numba_rnn
from numba_rnn import layers

__all__ = ["DEMO", "Settings", "frame_bytes", "load_model"]

DEMO = "demo"


@dataclass(frozen=True)
class Settings:
    """The limits of a service; README.md describes them."""

    model: str = DEMO
    streams: int = 256
    steps: int = 64
    idle: float = 60.0

    def __post_init__(self) -> None:
        for name, least in (("streams", 1), ("steps", 1), ("idle", 0.001)):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be at least {least}, and finite. Received: {getattr(self, name)}.")

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
        """What is given and not None; else what the environment says (`SERVE_STREAMS=500`); else the defaults above.

        Raises:
            ValueError: a variable that is no number, or a number that is too small.
        """
        found = {}
        for field in fields(cls):
            name = f"SERVE_{field.name.upper()}"
            if given.get(field.name) is not None:
                found[field.name] = given[field.name]
            elif name in environment:
                try:
                    found[field.name] = type(field.default)(environment[name])
                except ValueError:
                    raise ValueError(
                        f"{name} must be a number, such as {field.default}. Received: {environment[name]!r}."
                    ) from None
        return cls(**found)


def load_model(path: str) -> Any:
    """The model in a file that Keras or numba_rnn saved, or for `demo` an LSTM(128) on 40 features with random weights.

    Raises:
        ValueError: the model cannot serve streams of one input and one output.
    """
    model = demo() if path == DEMO else numba_rnn.load_model(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1 or None in model.inputs[0].shape[2:]:
        raise ValueError(
            f"Expected: a model with one input of frames of a known size, and one output. Received: inputs "
            f"{[t.shape for t in model.inputs]}, outputs {[t.shape for t in model.outputs]}."
        )
    model.stream()  # raises if it cannot
    return model


def frame_bytes(model: Any) -> int:
    """What a frame of the model takes in a message."""
    taken = model.inputs[0]
    return math.prod(taken.shape[2:]) * np.dtype(taken.dtype).itemsize


def demo() -> Any:
    """The same random model in every process."""
    model = numba_rnn.Sequential(
        [
            numba_rnn.Input((None, 40)),
            layers.LSTM(128, return_sequences=True),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model
