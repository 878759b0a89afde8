"""Every cell by shapes, on every backend: the time of one call and, beside it, the error against the float64 oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import config, functional
from numba_rnn.functional import ScanOptions

from .common import BACKENDS, prepared, sequences

CELLS = ["simple_rnn", "lstm", "gru"]
OPTIONS = ScanOptions(return_sequences=True)


class _Scan:
    """One call of `functional.scan`, all outputs kept. Subclasses give the shapes, `setup` pays for compiling."""

    param_names = ("backend", "cell", "B", "H")
    T: int
    D: int

    def setup(self, backend: str, cell: str, B: int, H: int) -> None:
        D = self.D or H
        self.x = sequences(B, self.T, D)
        self.oracle = prepared(cell, D, H, "reference")
        self.cell = prepared(cell, D, H, backend)
        self.scan()

    def scan(self) -> Any:
        return functional.scan(self.cell, self.x, options=OPTIONS)

    def time_scan(self, *_: Any) -> None:
        self.scan()

    def track_error(self, *_: Any) -> float:
        """The largest absolute difference."""
        y, _ = self.scan()
        with config.device("reference"):
            want, _ = functional.scan(self.oracle, self.x, options=OPTIONS)
        return float(np.abs(y - want).max())

    track_error.unit = "absolute"


class Stream(_Scan):
    """One step, as a stream of frames is processed; D = H."""

    params = (BACKENDS, CELLS, [1, 16, 256], [32, 128, 256])
    T, D = 1, 0


class Sequences(_Scan):
    """A hundred steps."""

    params = (BACKENDS, CELLS, [1, 8, 32, 128], [128])
    T, D = 100, 64


class DeepBench(_Scan):
    """DeepBench's inference shapes, with the input's product; D = H."""

    params = (BACKENDS, CELLS, [1, 4], [512])
    T, D = 25, 0
