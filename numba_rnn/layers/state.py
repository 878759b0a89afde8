"""A state that a layer keeps between calls, and what can be done with a structure of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers.weight import Weight
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["State", "carry_states", "chosen_rows", "kept_arrays", "make_states", "reset_states"]


class State(Weight):
    """An array (B, H) that a stateful layer carries from one call to the next: no weight, so never saved."""

    __slots__ = ()

    def carry(self, value: Array) -> None:
        """Hold a copy of this array, which is known to fit: what `assign` does, without a question, at every call."""
        self._value = value.copy()  # and writable: compiled code takes it as it is

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        view = self.value.view()
        view.flags.writeable = False
        return np.array(view, dtype, copy=copy)


def make_states(initial: Any, dtype: str) -> Any:
    """A `State` for each array of the structure, starting as that array."""
    return map_structure(lambda x: State("rnn_state", x.shape, dtype, lambda *_: x, trainable=False), initial)


def kept_arrays(states: Any) -> list[Any]:
    """The array of each state, in their structure."""
    return [s.value if type(s) is State else map_structure(lambda one: one.value, s) for s in states]


def carry_states(states: Any, values: Any) -> None:
    """Give each state the value at its place: in any structure, or one cell's in an array (S, B, H)."""
    if not isinstance(values, np.ndarray):
        states, values = flatten(states), flatten(values)
    for state, value in zip(states, values, strict=True):
        state.carry(value)


def reset_states(states: Any, rows: Any = None) -> None:
    """Set the states to zero, or only these rows of them.

    Raises:
        IndexError: there is no such row.
    """
    for state in flatten(states):
        value = np.zeros(state.shape, state.dtype) if rows is None else state.numpy()
        if rows is not None:
            value[chosen_rows(rows)] = 0
        state.assign(value)


def chosen_rows(rows: Any) -> Any:
    """What indexes these rows of a batch: a slice, or an array, of whole numbers also where there are none."""
    if isinstance(rows, slice):
        return rows
    rows = np.asarray(rows)
    return rows if rows.size else rows.astype(np.intp)
