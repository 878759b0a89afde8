"""Recurrent layers a piece of the sequence at a time: what a session calls in their place, and the states between the pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn import functional
from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.masks import get_mask, set_mask, without_mask
from numba_rnn.layers.rnn import OPTIONS, RNN
from numba_rnn.ops.tree import flatten, pack

__all__ = ["Recurrence", "recurrence"]

LENGTHS = 8  # lengths of pieces for which a recurrence keeps arrays (a guess: a session mostly has one or two)


class Recurrence:
    """A recurrent layer over pieces of sequences: called as the layer is, it goes on where the last piece ended.

    What it is given and what it returns belongs to the session: either may lie there until the next call, or be written over then.
    `initial_state` counts in rows that are at their beginning.

    Attributes:
        layer: whose weights are used, as they are at every call.
        states: arrays (B, H), in the order of the layer's.
        begun: bool (B,), the rows that have had a step that counts.
        fresh: whether any row may be at its beginning.
    """

    def __init__(self, layer: RNN, batch: int) -> None:
        self.layer = layer
        self._zeros = layer.get_initial_state(batch)
        self.states: list[Array] = [np.zeros_like(state) for state in flatten(self._zeros)]
        self.begun = np.zeros(batch, np.bool_)
        self.fresh = True
        self._previous = np.zeros((batch, layer.output_size), layer.compute_dtype)  # the last output of each row

    def arrays(self) -> list[Array]:
        """All that goes from piece to piece: the states, which rows have begun, and what each gave last."""
        return [*self.states, self.begun, self._previous]

    def check(self, name: str, arrays: Any) -> None:
        """See that these are `arrays`, or states alone.

        Raises:
            ShapeError: they are not.
            DTypeError: one holds something else than numbers.
        """
        wanted = [a.shape for a in self.arrays()]
        listed = isinstance(arrays, (list, tuple))
        received = [np.shape(a) for a in arrays] if listed else type(arrays).__name__
        if received not in (wanted, wanted[: len(self.states)]):
            raise ShapeError(f"The state of layer '{name}' has other arrays. Expected: {wanted}. Received: {received}.")
        for array in map(np.asarray, arrays):
            if array.dtype.kind not in "biuf":
                raise DTypeError(f"The state of layer '{name}' must be numbers. Received: dtype {array.dtype}.")

    def restore(self, arrays: Any) -> None:
        """Go on from `arrays`, or from states alone."""
        self.reset()  # states alone come without a last output: whoever was here before leaves none
        self.begun[:] = True
        for own, array in zip(self.arrays(), arrays, strict=False):
            own[...] = array
        self.fresh = not bool(self.begun.all())

    def reset(self, rows: Any = slice(None)) -> None:
        """Put rows at their beginning."""
        for array in self.arrays():
            array[rows] = 0
        self.fresh = True

    def __call__(self, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        """The output for a piece (B, T, D) of each sequence; states after it where the layer returns them."""
        if mask is None:
            mask = get_mask(x)
        if self.fresh:
            self._begin(initial_state)
        counts = None if mask is None else functional.step_mask(mask, *x.shape[:2])
        y = self._run(x) if counts is None else self._run_masked(without_mask(x), counts)
        layer = self.layer
        if mask is not None and layer.supports_masking and layer.return_sequences:
            y = set_mask(y, mask)
        return (y, *pack(self._zeros, self.states)) if layer.return_state else y

    def _begin(self, initial_state: Any) -> None:
        if initial_state is not None:
            given = flatten(initial_state)
            for state, start in zip(self.states, given, strict=True):
                state[~self.begun] = np.broadcast_to(start, state.shape)[~self.begun]
        # A row whose first steps are masked has its states, and may get them anew: they are the same.
        self.fresh = not bool(self.begun.all())

    def _run(self, x: Any) -> Array:
        y, states = self.layer.run(without_mask(x), self._given(), None)
        y = y.astype(self._previous.dtype, copy=False)
        self._keep(states, y[:, -1] if self.layer.return_sequences else y)
        self._count(None)
        return y

    def _run_masked(self, x: Array, mask: Array) -> Array:
        layer = self.layer
        y, states = layer.run(x, self._given(), mask)
        y = y.astype(self._previous.dtype, copy=False)
        if not layer.zero_output_for_mask:
            self._repeat(y, mask)
        self._keep(states, y[:, -1] if layer.return_sequences else y)
        self._count(mask)
        return y

    def _repeat(self, y: Array, mask: Array) -> None:
        """Steps before the first that counts repeat what the row gave last, in the piece before."""
        late = np.flatnonzero(~mask[:, 0] & self.begun)
        for row in late:
            steps = mask[row].argmax() if mask[row].any() else mask.shape[1]
            if self.layer.return_sequences:
                y[row, :steps] = self._last_output()[row]
            elif steps == mask.shape[1]:
                y[row] = self._last_output()[row]

    def _last_output(self) -> Array:
        return self._previous

    def _given(self) -> Any:
        return pack(self._zeros, self.states)

    def _keep(self, states: Any, y: Array) -> None:
        for state, new in zip(self.states, flatten(list(states)), strict=True):
            state[...] = new
        self._previous[...] = y

    def _count(self, mask: Array | None) -> None:
        if self.fresh:
            self.begun |= True if mask is None else mask.any(1)
            self.fresh = not bool(self.begun.all())


class _KernelRecurrence(Recurrence):
    """A layer that is one kernel: its calls are bound to arrays that stay, so that a step costs little but the step."""

    def __init__(self, layer: RNN, batch: int) -> None:
        super().__init__(layer, batch)
        self._all = np.stack(self.states)
        self.states = list(self._all)
        self._prepared, self._is_short = layer.cell.prepared, not layer.return_state
        self._cell: functional.Cell | None = None
        self._bound: dict[int, tuple[Array, Array, Callable[[], object]]] = {}

    def _run(self, x: Any) -> Array:
        cell = self._prepared()
        if cell is not self._cell:
            self._bound.clear()
            self._cell = cell
        T = x.shape[1]
        ready = self._bound.get(T)
        own, y, run = self._bind(cell, x) if ready is None else ready
        if x is not own:
            self._check_size(x, own)
            own[...] = x
        run()
        if self.fresh:
            self._count(None)
        return y

    def _bind(self, cell: functional.Cell, given: Array) -> tuple[Array, Array, Callable[[], object]]:
        T = given.shape[1]
        if len(self._bound) >= LENGTHS:
            self._bound.clear()
        layer, B = self.layer, len(self.begun)
        fits = type(given) is np.ndarray and given.dtype == self._all.dtype and given.flags.carray
        x = given if fits else np.empty((B, T, cell.D), self._all.dtype)
        y = np.empty((B, T, cell.H) if layer.return_sequences else (B, cell.H), self._all.dtype)
        run = functional.bind(cell, x, self._all, y, None, OPTIONS[False, layer.return_sequences, False])
        self._bound[T] = x, y, run
        return x, y, run

    def __call__(self, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        """The output for a piece, by the shortest way where it is one like others before."""
        if self._is_short and not self.fresh and mask is None and type(x) is np.ndarray:
            ready = self._bound.get(x.shape[1])
            if ready is not None and self._prepared() is self._cell:
                own, y, run = ready
                if x is not own:
                    if x.shape != own.shape:
                        self._check_size(x, own)
                    own[...] = x
                run()
                return y
        return super().__call__(x, initial_state, mask, training)

    def _check_size(self, x: Any, own: Array) -> None:
        if x.shape != own.shape:  # NumPy would spread a single feature over all
            raise ShapeError(
                f"Layer '{self.layer.name}' ({type(self.layer).__name__}): `x` has the wrong shape. Expected: {own.shape}. "
                f"Received: {x.shape}."
            )

    def arrays(self) -> list[Array]:
        """The states, of which h is what these cells give, and which rows have begun."""
        return [*self.states, self.begun]

    def _last_output(self) -> Array:
        return self._all[0]

    def _run_masked(self, x: Array, mask: Array) -> Array:
        layer = self.layer
        options = OPTIONS[False, layer.return_sequences, layer.zero_output_for_mask]
        y, states = functional.scan(self._prepared(), x, mask, tuple(self.states), options)
        if not layer.zero_output_for_mask:
            self._repeat(y, mask)
        self._all[...] = states
        self._count(mask)
        return y


def recurrence(layer: RNN, batch: int) -> Recurrence:
    """What a session calls in place of the layer."""
    return (_KernelRecurrence if layer.runs_one_kernel else Recurrence)(layer, batch)
