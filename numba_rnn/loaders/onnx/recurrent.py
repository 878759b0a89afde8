"""ONNX's `RNN`, `GRU` and `LSTM`: their weights as cells of this library, their options as those of a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from numba_rnn import functional
from numba_rnn._typing import FLOATS, Array
from numba_rnn.cells import GRU, GRU_RESET_BEFORE, LSTM, SIMPLE_RNN, CellSpec
from numba_rnn.errors import ModelFileError, ShapeError, check_shape
from numba_rnn.functional import Cell, Linear, ScanOptions
from numba_rnn.loaders.gates import KERAS, ONNX, reorder
from numba_rnn.loaders.onnx.activations import Chosen, choose, clipped, in_numpy
from numba_rnn.loaders.onnx.graph import Node
from numba_rnn.loaders.onnx.registry import Floats, Function, Known, Strings, operator
from numba_rnn.loaders.onnx.stepped import SteppedLSTM

__all__ = ["Layer"]

Runner: TypeAlias = Callable[[Array, Array | None, Any, ScanOptions], tuple[Array, Array]]
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}  # whether each runs backwards


@dataclass(frozen=True)
class Layer:
    """A recurrent node without its weights.

    Attributes:
        spec: the cell.
        activations: of each direction, in ONNX's order.
        backwards: of each direction, whether it runs from the end.
        clip: cut what goes into an activation to between -clip and clip; None for not.
        coupled: an LSTM's forget gate is 1 minus its input gate.
        hidden_size: H, if the file says it.
        rows_first: whether arrays begin with the batch (`layout=1`) rather than with time.
        sequences: whether the output of every step is wanted.
    """

    spec: CellSpec
    activations: list[list[Chosen]]
    backwards: tuple[bool, ...]
    clip: float | None
    coupled: bool
    hidden_size: int | None
    rows_first: bool
    sequences: bool

    def prepare(self, W: Array, R: Array, B: Array | None, P: Array | None) -> list[Runner]:
        """What runs the directions: one a direction, or one for both where a kernel takes them together.

        W (N, G*H, D), R (N, G*H, H), B (N, 2*G*H) and P (N, 3*H), N directions, gates in ONNX's order.
        """
        N, G = len(self.backwards), len(self.spec.gates)
        H = check_shape("R", R, f"{N} G*H H", H=R.shape[-1] if R.ndim else None, G=G)["H"]
        check_shape("W", W, f"{N} G*H D", G=G, H=H)
        if self.hidden_size not in {None, H}:
            raise ShapeError(f"`R` is of {H} units. Expected: hidden_size={self.hidden_size}.")
        if B is not None:
            check_shape("B", B, f"{N} 2*G*H", G=G, H=H)
        if P is not None:
            check_shape("P", P, f"{N} 3*H", H=H)
            P = P if P.any() else None
        dtype = W.dtype if W.dtype in FLOATS else np.dtype(np.float32)
        W, R = W.astype(dtype, copy=False), R.astype(dtype, copy=False)
        B = np.zeros((N, 2 * G * H), dtype) if B is None else B.astype(dtype, copy=False)
        plain = self.spec is not LSTM or (
            P is None and self.clip is None and not self.coupled and all(g == h for _, g, h in self.activations)
        )
        if not plain:
            P = np.zeros((N, 3 * H), dtype) if P is None else P.astype(dtype, copy=False)
            return [self._stepped(W[k], R[k], B[k], P[k], self.activations[k]) for k in range(N)]
        cells = [self._cell(W[k], R[k], B[k], self.activations[k]) for k in range(N)]
        if N == 2 and self.activations[0] == self.activations[1]:
            cells = [functional.both_ways(*cells)]
        return [_scanning(cell) for cell in cells]

    def _cell(self, W: Array, R: Array, B: Array, chosen: list[Chosen]) -> Cell:
        name = self.spec.name.removesuffix("_reset_before")
        given, wanted = ONNX[name], KERAS[name]
        bias = np.stack([reorder(b, given, wanted) for b in np.split(B, 2)])
        if not self.spec.recurrent_bias:
            bias = bias.sum(0)
        if self.clip is not None:
            chosen = [clipped(f, self.clip) for f in chosen]
        # `RNN` has one activation, f; the others have the gates' first.
        rec, act = (chosen[0], chosen[1]) if len(chosen) > 1 else ("sigmoid", chosen[0])
        kernel, recurrent = (np.ascontiguousarray(reorder(a.T, given, wanted)) for a in (W, R))
        return functional.prepare(self.spec, kernel, recurrent, bias, activation=act, recurrent_activation=rec)

    def _stepped(self, W: Array, R: Array, B: Array, P: Array, chosen: list[Chosen]) -> Runner:
        f, g, h = (in_numpy(c) for c in chosen)
        bias = np.add(*np.split(B, 2))
        return SteppedLSTM(Linear(W.T, bias), Linear(R.T), P.reshape(3, -1), (f, g, h), self.clip, self.coupled).scan

    def run(
        self, runners: list[Runner], X: Array, lengths: Array | None, initial: tuple[Array | None, ...]
    ) -> tuple[Array | None, ...]:
        """Y, and the last of each state, in the layout of the node.

        X (T, B, D), `initial` of each state (N, B, H) or None, lengths (B,); Y (T, N, B, H), last states (N, B, H). With
        `rows_first` (B, T, D), (B, N, H), and (B, T, N, H), (B, N, H).
        """
        if X.ndim != 3:
            check_shape("X", X, "B T D" if self.rows_first else "T B D")
        x = X if self.rows_first else X.swapaxes(0, 1)  # (B, T, D)
        B, T, N, S = *x.shape[:2], len(self.backwards), len(self.spec.states)
        states = self._states(initial, B, S)
        mask = None if lengths is None else _mask(lengths, B, T)
        outputs, last = [], []
        if len(runners) < N:
            y, after = runners[0](x, mask, states and sum(states, ()), ScanOptions(False, self.sequences, True))
            outputs = np.split(y, N, -1) if self.sequences else []
            last = np.split(after, N)
        else:
            for k, (runner, backwards) in enumerate(zip(runners, self.backwards, strict=True)):
                y, after = runner(x, mask, states and states[k], ScanOptions(backwards, self.sequences, True))
                outputs.append(y[:, ::-1] if backwards else y)
                last.append(after)
        final = np.stack(last)  # (N, S, B, H)
        if lengths is not None:
            final[:, :, lengths == 0] = 0  # as ONNX Runtime has it; ONNX itself does not say
        final = final.astype(X.dtype, copy=False).transpose(1, 2, 0, 3)  # (S, B, N, H)
        steps = np.stack(outputs, 2).astype(X.dtype, copy=False) if self.sequences else None  # (B, T, N, H)
        if not self.rows_first:
            final = final.swapaxes(1, 2)
            steps = None if steps is None else steps.transpose(1, 2, 0, 3)
        return steps, *final

    def _states(self, initial: tuple[Array | None, ...], B: int, S: int) -> list[tuple[Array, ...]] | None:
        """The initial states of each direction, or None where none is given."""
        given = [a for a in initial if a is not None]
        if not given:
            return None
        N, H = len(self.backwards), given[0].shape[-1]
        for array in given:
            check_shape("initial state", array, "B N H" if self.rows_first else "N B H", B=B, N=N, H=H)
        zeros = np.zeros((N, B, H), given[0].dtype)
        ordered = [zeros if a is None else a.swapaxes(0, 1) if self.rows_first else a for a in initial[:S]]
        return [tuple(a[k] for a in ordered) for k in range(N)]


def _scanning(cell: Cell) -> Runner:
    return lambda x, mask, states, options: functional.scan(cell, x, mask, states, options)


def _mask(lengths: Array, B: int, T: int) -> Array | None:
    """Which steps count, (B, T); None for all."""
    check_shape("sequence_lens", lengths, "B", B=B)
    if B and not 0 <= lengths.min() <= lengths.max() <= T:
        raise ValueError(f"sequence_lens must lie between 0 and {T}. Received: {lengths.min()} to {lengths.max()}.")
    return None if (lengths == T).all() else np.arange(T) < lengths[:, None]


def _layer(
    node: Node, spec: CellSpec, defaults: Strings, activations: Strings | None, alphas: Floats | None, betas: Floats | None,
    clip: float | None, direction: str, hidden_size: int | None, layout: int, coupled: bool = False,
) -> Layer:  # fmt: skip
    if direction not in DIRECTIONS:
        raise ModelFileError(f"The {node} has the direction {direction!r}. Expected: {', '.join(DIRECTIONS)}.")
    if clip is not None and not clip > 0:
        raise ModelFileError(f"The {node} clips at {clip}. Expected: a number above 0.")
    if layout not in {0, 1}:
        raise ModelFileError(f"The {node} has layout={layout}. Expected: 0 or 1.")
    backwards = DIRECTIONS[direction]
    chosen = choose(activations or (), alphas or (), betas or (), defaults, len(backwards))
    sequences = bool(node.outputs and node.outputs[0])
    return Layer(spec, chosen, backwards, clip, coupled, hidden_size, bool(layout), sequences)


def _prepared(layer: Layer, node: Node, known: Known) -> Callable[..., list[Runner]]:
    """What runs the node: made now if the file holds all weights, else at every call."""
    places = [1, 2, 3, 7]
    weights = [known[k] if k < len(known) else None for k in places]
    given = [k < len(node.inputs) and bool(node.inputs[k]) for k in places]
    if all(here == (w is not None) for here, w in zip(given, weights, strict=True)) and given[0] and given[1]:
        runners = layer.prepare(*weights)  # type: ignore[arg-type]  # the first two are there
        return lambda W, R, B, P: runners
    return layer.prepare


@operator("LSTM", outputs=3)
def lstm(
    node: Node, known: Known, *, activation_alpha: Floats | None = None, activation_beta: Floats | None = None,
    activations: Strings | None = None, clip: float | None = None, direction: str = "forward", hidden_size: int | None = None,
    input_forget: int = 0, layout: int = 0,
) -> Function:  # fmt: skip
    """Long short-term memory, with or without peepholes."""
    layer = _layer(
        node, LSTM, ("Sigmoid", "Tanh", "Tanh"), activations, activation_alpha, activation_beta, clip, direction, hidden_size,
        layout, bool(input_forget),
    )  # fmt: skip
    prepare = _prepared(layer, node, known)

    def run(
        X: Array, W: Array, R: Array, B: Array | None = None, sequence_lens: Array | None = None,
        initial_h: Array | None = None, initial_c: Array | None = None, P: Array | None = None,
    ) -> Any:  # fmt: skip
        return layer.run(prepare(W, R, B, P), X, sequence_lens, (initial_h, initial_c))

    return run


@operator("GRU", outputs=2)
def gru(
    node: Node, known: Known, *, activation_alpha: Floats | None = None, activation_beta: Floats | None = None,
    activations: Strings | None = None, clip: float | None = None, direction: str = "forward", hidden_size: int | None = None,
    linear_before_reset: int = 0, layout: int = 0,
) -> Function:  # fmt: skip
    """The gated recurrent unit, its reset gate before the product or after it."""
    spec = GRU if linear_before_reset else GRU_RESET_BEFORE
    return _without_cell_state(
        node, known, _layer(
            node, spec, ("Sigmoid", "Tanh"), activations, activation_alpha, activation_beta, clip, direction, hidden_size, layout
        )
    )  # fmt: skip


@operator("RNN", outputs=2)
def rnn(
    node: Node, known: Known, *, activation_alpha: Floats | None = None, activation_beta: Floats | None = None,
    activations: Strings | None = None, clip: float | None = None, direction: str = "forward", hidden_size: int | None = None,
    layout: int = 0,
) -> Function:  # fmt: skip
    """The fully connected recurrence."""
    return _without_cell_state(
        node, known, _layer(
            node, SIMPLE_RNN, ("Tanh",), activations, activation_alpha, activation_beta, clip, direction, hidden_size, layout
        )
    )  # fmt: skip


def _without_cell_state(node: Node, known: Known, layer: Layer) -> Function:
    prepare = _prepared(layer, node, known)

    def run(
        X: Array, W: Array, R: Array, B: Array | None = None, sequence_lens: Array | None = None, initial_h: Array | None = None
    ) -> Any:  # fmt: skip
        return layer.run(prepare(W, R, B, None), X, sequence_lens, (initial_h,))

    return run
