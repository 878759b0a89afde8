"""A model on many machines: what workers of Ray Data, Spark and the like run. They import this module; see docs/scale_out.md."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import numba_rnn

if TYPE_CHECKING:
    import pandas as pd


@cache
def loaded(path: str) -> Any:
    """The model in a file, read and compiled once a process; its kernels come from the disk cache where there is one."""
    model = numba_rnn.load_model(path)
    model.warmup()
    return model


class Predictor:
    """For Ray Data's `map_batches`: made once an actor, called with each batch."""

    def __init__(self, path: str) -> None:
        self.model = loaded(path)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch and, for its column `x` (N, T, D), the column `probabilities` (N, classes)."""
        x = np.asarray(batch["x"])
        return {**batch, "probabilities": self.model.predict(x, batch_size=max(1, len(x)), verbose=0)}


class FramePredictor:
    """For Spark's `mapInPandas`: sent to the workers as a path, which each opens once, however many partitions it gets.

    Args:
        path: the model's file, on every worker.
        steps: T; a row's column `x` is a list of T * D numbers.
    """

    def __init__(self, path: str, steps: int) -> None:
        self.path, self.steps = path, steps

    def __call__(self, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """For each frame its column `id`, and in `label` the most probable class."""
        model = loaded(self.path)
        for frame in frames:
            if len(frame):
                x = np.stack([np.asarray(row, "float32") for row in frame["x"]]).reshape(len(frame), self.steps, -1)
                labels = model.predict(x, batch_size=len(x), verbose=0).argmax(axis=1)
                yield frame[["id"]].assign(label=labels)
