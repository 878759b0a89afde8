"""What a recurrent cell is to the rest of the library: gate names, states, and one small pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CELLS", "CellSpec"]

CELLS: dict[str, CellSpec] = {}


@dataclass(frozen=True)
class CellSpec:
    """A recurrent cell as data. Making one registers it in `CELLS`.

    The functions are pure and name no array library: the same text runs on scalars, on SIMD vectors (the CPU kernel) and on
    NumPy arrays (the oracle). They receive

    - `act`, `rec`: the activation and the recurrent activation;
    - `x`: what the input contributes, `x W + b`, one entry a gate, each (..., H);
    - `r`: what the recurrence contributes, `h U + b_r`, one entry a gate, each (..., H);
    - `s`: the states, `s[0]` being the h that the recurrent kernel multiplies;
    - `p`: the extra per-unit parameters, one entry a name in `extra`.

    Attributes:
        name: the registry's key.
        gates: gate names, in the order of the blocks in Keras' weights.
        states: state names; the first is the output.
        update: `update(act, rec, x, r, s, p)` returns the new states, a tuple.
        first: how many gates are multiplied by h itself; None for all.
        gate: `gate(act, rec, x, r, s, p)` returns what replaces h for the gates after `first`; it may use `r[:first]` only.
        extra: names of further per-unit parameters, each (H,).
        recurrent_bias: whether Keras stores a bias of its own for the recurrence, bias (2, G*H).
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    update: Callable[..., tuple[Any, ...]]
    first: int | None = None
    gate: Callable[..., Any] | None = None
    extra: tuple[str, ...] = ()
    recurrent_bias: bool = False

    def __post_init__(self) -> None:
        if self.name in CELLS:
            raise ValueError(f"A cell named {self.name!r} is registered already.")
        if (self.first is None) != (self.gate is None):
            raise ValueError(f"Cell {self.name!r}: `first` and `gate` go together.")
        if self.first is not None and not 0 < self.first < len(self.gates):
            raise ValueError(f"Cell {self.name!r}: `first` must leave gates on both sides. Received: {self.first}.")
        CELLS[self.name] = self
