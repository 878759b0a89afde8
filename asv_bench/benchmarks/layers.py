"""What a user calls: `layer(x)`, every check and conversion included."""

from __future__ import annotations

from .common import layer, sequences


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
