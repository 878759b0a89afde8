"""SimpleRNN, the fully connected recurrence of Elman.

    h' = φ(x W + b + h U)

φ is `act`. Source: J. L. Elman, "Finding Structure in Time", Cognitive Science 14, 1990; Keras' `SimpleRNNCell.call`.
"""

from __future__ import annotations

from typing import Any

from numba_rnn.cells.spec import CellSpec

__all__ = ["SIMPLE_RNN"]


def update(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """One step: the new h."""
    return (act(x[0] + r[0]),)


SIMPLE_RNN = CellSpec("simple_rnn", gates=("h",), states=("h",), update=update)
