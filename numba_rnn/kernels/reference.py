"""The oracle: the cells run as plain NumPy in float64, one step after another. Slow, obvious, right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.compressed import Compressed, expand
from numba_rnn.kernels.backend import CellWeights, PlainWeights, Recurrence, ScanOptions

__all__ = ["Reference"]


class Reference:
    """Runs everything: any cell, row-wise activations, callables of the user's own."""

    name = "reference"

    def supports(self, recurrence: Recurrence) -> str | None:
        """It can always run."""
        return None

    def describe(self, recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
        """The kernel in words."""
        return "NumPy, one step after another, float64 inside"

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> tuple[Recurrence, list[PlainWeights]]:
        """The weights, or what they stand for, in float64."""
        return recurrence, [_doubled(w.expanded()) for w in weights]

    def warm(self, prepared: tuple[Recurrence, list[PlainWeights]]) -> None:
        """Nothing is compiled."""

    def scan(
        self,
        prepared: tuple[Recurrence, list[PlainWeights]],
        x: Array,
        mask: Array | None,
        initial_state: tuple[Array, ...] | None,
        options: ScanOptions,
    ) -> tuple[Array, Array]:
        """One step after another; see `Backend.scan`."""
        recurrence, cells = prepared
        S, outputs = len(recurrence.spec.states), []
        last: list[Array] = []
        for k, w in enumerate(cells):
            states = None if initial_state is None else initial_state[k * S : (k + 1) * S]
            y, after = _scan(recurrence, w, x, mask, states, options, options.go_backwards != (k == 1))
            outputs.append(y[:, ::-1] if k == 1 and options.return_sequences else y)
            last += after
        return np.concatenate(outputs, -1).astype(recurrence.dtype), np.stack(last).astype(recurrence.dtype)

    def bind(
        self, prepared: Any, x: Array, mask: Array | None, states: Array, y: Array, options: ScanOptions
    ) -> Callable[[], object]:
        """A scan whose results are copied to where they belong; see `Backend.bind`."""

        def run() -> None:
            y[...], states[...] = self.scan(prepared, x, mask, tuple(states), options)

        return run

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> tuple[Array, Array]:
        """The weights, or what they stand for, in float64."""
        return np.asarray(expand(kernel), np.float64), np.asarray(bias, np.float64)

    def linear(self, prepared: tuple[Array, Array], x: Array) -> Array:
        """`x @ kernel + bias` in float64."""
        kernel, bias = prepared
        return (x @ kernel + bias).astype(x.dtype)


def _doubled(w: PlainWeights) -> PlainWeights:
    arrays = (w.kernel, w.recurrent_kernel, w.bias, w.recurrent_bias, w.extra)
    return PlainWeights(*(np.asarray(a, np.float64) for a in arrays))


def _scan(
    recurrence: Recurrence,
    w: PlainWeights,
    x: Array,
    mask: Array | None,
    initial_state: tuple[Array, ...] | None,
    options: ScanOptions,
    backwards: bool,
) -> tuple[Array, tuple[Array, ...]]:
    """One cell's output, (B, T, H) in processing order or (B, H), and its last states."""
    B, T, _ = x.shape
    H = w.recurrent_kernel.shape[0]
    states = tuple(np.zeros((B, H)) for _ in recurrence.spec.states)
    if initial_state is not None:
        states = tuple(np.asarray(s, np.float64) for s in initial_state)
    y = np.zeros((B, H))  # the output before the first step that counts: zeros, as TensorFlow's loop has it
    outputs = np.empty((B, T, H))
    for step in range(T):
        t = T - 1 - step if backwards else step
        new = _step(recurrence, w, x[:, t].astype(np.float64), states)
        if mask is None:
            states, y = new, new[0]
        else:
            m = mask[:, t, None]
            y = np.where(m, new[0], 0.0 if options.zero_output_for_mask else y)
            states = tuple(np.where(m, n, s) for n, s in zip(new, states, strict=True))
        outputs[:, step] = y
    return (outputs if options.return_sequences else y), states


def _step(recurrence: Recurrence, w: PlainWeights, xt: Array, states: tuple[Array, ...]) -> tuple[Any, ...]:
    spec, (act, rec) = recurrence.spec, recurrence.functions
    G = len(spec.gates)
    h = states[0]
    x = np.split(xt @ w.kernel + w.bias, G, -1)  # G times (B, H)
    r = np.split(h @ w.recurrent_kernel + w.recurrent_bias, G, -1)
    if spec.gate is not None and spec.first is not None:
        gated = spec.gate(act, rec, x, r, states, w.extra)
        after = np.split(gated @ w.recurrent_kernel + w.recurrent_bias, G, -1)
        r = r[: spec.first] + after[spec.first :]
    return spec.update(act, rec, x, r, states, w.extra)
