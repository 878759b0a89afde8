"""What a user calls: `layer(x)`, every check and conversion included."""

from __future__ import annotations

from timeit import Timer

from numba_rnn import functional

from .common import layer, sequences

# The two take turns, so that whatever slows the machine meets both; a turn is about 2 ms (a guess).
CALLS, TURNS = 500, 50


class OneStep:
    """One step at batch 1: the fixed cost of a call is what counts."""

    params = (["simple_rnn", "lstm", "gru"], [32, 128, 256])
    param_names = ("cell", "H")

    def setup(self, cell: str, H: int) -> None:
        self.x = sequences(1, 1, H)
        self.layer = layer(cell, H, H)
        self.layer(self.x)

    def time_call(self, cell: str, H: int) -> None:
        self.layer(self.x)


class Sequences:
    """A hundred steps, all outputs kept."""

    params = (["simple_rnn", "lstm", "gru"], [1, 32])
    param_names = ("cell", "B")

    def setup(self, cell: str, B: int) -> None:
        self.x = sequences(B, 100, 64)
        self.layer = layer(cell, 64, 128, return_sequences=True)
        self.layer(self.x)

    def time_call(self, cell: str, B: int) -> None:
        self.layer(self.x)


class Facade:
    """What `layer(x)` takes beyond the call of `functional.scan` that it comes down to: at most 3 us, so it was agreed."""

    params = (["simple_rnn", "lstm", "gru"],)
    param_names = ("cell",)

    def setup(self, cell: str) -> None:
        self.x = sequences(1, 1, 32)
        self.layer = layer(cell, 32, 32)
        self.layer(self.x)

    def track_overhead(self, cell: str) -> float:
        """The difference of the minima, in microseconds."""
        ready = self.layer.cell.prepared()
        with_layer = Timer(lambda: self.layer(self.x))
        without = Timer(lambda: functional.scan(ready, self.x))
        turns = [(with_layer.timeit(CALLS), without.timeit(CALLS)) for _ in range(TURNS)]
        return 1e6 / CALLS * (min(a for a, _ in turns) - min(b for _, b in turns))

    track_overhead.unit = "us"
