"""GRU, the gated recurrent unit, with the reset gate after the recurrent product (`gru`) or before it (`gru_reset_before`).

    z = σ(x Wz + bz + h Uz + cz)                   update gate
    r = σ(x Wr + br + h Ur + cr)                   reset gate
    n = φ(x Wn + bn + r ∘ (h Un + cn))             reset after the product (Keras' default, and cuDNN's)
    n = φ(x Wn + bn + (r ∘ h) Un)                  reset before the product (no biases c)
    h' = z ∘ h + (1 - z) ∘ n  =  n + z ∘ (h - n)

σ is `rec`, φ is `act`, ∘ the elementwise product. Source: K. Cho et al., "Learning Phrase Representations using RNN
Encoder-Decoder", 2014 (arXiv:1406.1078v1, section 2.3: reset before; v3: after); Keras' `GRUCell.call`, its gate order z, r, h.
"""

from __future__ import annotations

from typing import Any

from numba_rnn.cells.spec import CellSpec

__all__ = ["GRU", "GRU_RESET_BEFORE"]


def update(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """One step, the reset gate applied to the product."""
    z = rec(x[0] + r[0])
    n = act(x[2] + rec(x[1] + r[1]) * r[2])
    return (n + z * (s[0] - n),)


def reset(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """What the candidate's recurrent kernel multiplies in place of h."""
    return rec(x[1] + r[1]) * s[0]


def update_reset_before(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """One step, the reset gate already inside the product."""
    z = rec(x[0] + r[0])
    n = act(x[2] + r[2])
    return (n + z * (s[0] - n),)


GRU = CellSpec("gru", gates=("z", "r", "h"), states=("h",), update=update, recurrent_bias=True)
GRU_RESET_BEFORE = CellSpec(
    "gru_reset_before", gates=("z", "r", "h"), states=("h",), update=update_reset_before, first=2, gate=reset
)
