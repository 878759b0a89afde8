"""LSTM, long short-term memory with forget gate and without peepholes.

    i = σ(x Wi + bi + h Ui)        input gate
    f = σ(x Wf + bf + h Uf)        forget gate
    c' = f ∘ c + i ∘ φ(x Wc + bc + h Uc)
    o = σ(x Wo + bo + h Uo)        output gate
    h' = o ∘ φ(c')

σ is `rec`, φ is `act`, ∘ the elementwise product. Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural
Computation 9(8), 1997; forget gate: F. Gers et al., "Learning to Forget", 2000, section 3; Keras' `LSTMCell.call`, its gate order.
"""

from __future__ import annotations

from typing import Any

from numba_rnn.cells.spec import CellSpec

__all__ = ["LSTM"]


def update(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """One step: the new h and c."""
    i, f, o = rec(x[0] + r[0]), rec(x[1] + r[1]), rec(x[3] + r[3])
    c = f * s[1] + i * act(x[2] + r[2])
    return o * act(c), c


LSTM = CellSpec("lstm", gates=("i", "f", "c", "o"), states=("h", "c"), update=update)
