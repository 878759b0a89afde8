"""Live sequences: a step of a session, and of many streams in a pool. 40 features, as speech has them, and 128 units."""

from __future__ import annotations

from timeit import repeat

import numpy as np

from numba_rnn import Input, Sequential

from .common import layer

D, H = 40, 128
TURNS, STEPS = 50, 100  # a turn takes some milliseconds (a guess)


def model(cell: str) -> Sequential:
    """One layer, on one thread."""
    return Sequential([Input((None, D)), layer(cell, D, H)])


class Session:
    """A step at batch 1: under 6 us with an LSTM is the aim."""

    params = (["simple_rnn", "lstm", "gru"],)
    param_names = ("cell",)

    def setup(self, cell: str) -> None:
        self.session, self.frame = model(cell).stream(batch=1), np.zeros((1, D), np.float32)
        self.session.step(self.frame)

    def time_step(self, cell: str) -> None:
        self.session.step(self.frame)


class Pool:
    """A step of many streams: under 3 us each with an LSTM and 64 of them is the aim."""

    params = (["simple_rnn", "lstm", "gru"], [1, 64])
    param_names = ("cell", "streams")

    def setup(self, cell: str, streams: int) -> None:
        self.pool = model(cell).streams(capacity=streams)
        self.frames = {self.pool.open(): np.zeros(D, np.float32) for _ in range(streams)}
        self.pool.step(self.frames)

    def track_stream(self, cell: str, streams: int) -> float:
        """The least time that a stream's step took, in microseconds."""
        steps = max(1, STEPS // streams)
        return 1e6 * min(repeat(lambda: self.pool.step(self.frames), number=steps, repeat=TURNS)) / steps / streams

    track_stream.unit = "us"
