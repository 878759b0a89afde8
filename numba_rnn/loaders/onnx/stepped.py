"""The LSTM with everything that ONNX allows, step by step in NumPy, for options that no kernel has.

    i = f(clip(x Wi + bi + h Ri + pi ∘ c))
    k = f(clip(x Wf + bf + h Rf + pf ∘ c))         forget gate; 1 - i where input and forget gate are coupled
    c' = k ∘ c + i ∘ g(clip(x Wc + bc + h Rc))
    o = f(clip(x Wo + bo + h Ro + po ∘ c'))
    h' = o ∘ h(c')

clip(v) cuts v to between -threshold and threshold; f, g and h (of c') are three activations; p are the peepholes. Source: ONNX's
operator `LSTM`; that c' is not cut before h is what ONNX Runtime does (tests/loaders/onnx compare).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn._typing import Activation, Array
from numba_rnn.functional import Linear, ScanOptions
from numba_rnn.layers.stepping import step_through

__all__ = ["SteppedLSTM"]


@dataclass(frozen=True)
class SteppedLSTM:
    """One direction of an LSTM.

    Attributes:
        project, recur: x @ kernel + bias and h @ recurrent kernel, both (B, 4*H), gates i, o, f, c.
        peepholes: of i, o and f, (3, H).
        activations: f, g, h.
        clip: the threshold, or None.
        coupled: whether the forget gate is 1 - i.
    """

    project: Linear
    recur: Linear
    peepholes: Array
    activations: tuple[Activation, Activation, Activation]
    clip: float | None
    coupled: bool

    def scan(
        self, x: Array, mask: Array | None, initial_state: tuple[Array, ...] | None, options: ScanOptions
    ) -> tuple[Array, Array]:
        """Run over x (B, T, D), as `functional.scan` does."""
        B, H = len(x), self.peepholes.shape[1]
        dtype = self.peepholes.dtype
        f, g, h = self.activations
        p_i, p_o, p_f = self.peepholes
        cut: Callable[[Any], Any] = lambda v: v  # noqa: E731
        if self.clip is not None:
            bounds = dtype.type(-self.clip), dtype.type(self.clip)
            cut = lambda v: np.clip(v, *bounds)  # noqa: E731

        def step(xw: Array, states: Any) -> tuple[Array, list[Array]]:
            before, c = states
            i, o, k, n = np.split(xw + self.recur(before), 4, -1)  # each (B, H)
            i = f(cut(i + p_i * c))
            k = 1 - i if self.coupled else f(cut(k + p_f * c))
            c = k * c + i * g(cut(n))
            y = f(cut(o + p_o * c)) * h(c)
            return y, [y, c]

        states = list(initial_state) if initial_state is not None else [np.zeros((B, H), dtype) for _ in "hc"]
        y, after = step_through(step, self.project(x), states, mask, options, dtype)
        return y, np.stack(after)
