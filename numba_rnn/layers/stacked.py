"""Several cells as one, the output of each the input of the next; and what counts as a cell at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers.base import Layer
from numba_rnn.layers.calling import signature_of
from numba_rnn.layers.cells import RecurrentCell
from numba_rnn.layers.registry import register
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = [
    "StackedRNNCells", "build_cell", "check_cell", "output_size", "run_cell", "runs_in_kernels", "state_specs", "zero_states",
]  # fmt: skip


def check_cell(cell: Any) -> None:
    """Refuse what is no recurrent cell: an object with `call(inputs, states)` and `state_size`.

    Raises:
        ValueError: it has no `call` or no usable `state_size`.
    """
    if not hasattr(cell, "call"):
        raise ValueError(
            "Argument `cell` should have a `call` method. The RNN was passed:"
            f"cell={cell}. Cells are objects with `call(inputs, states)` and `state_size`."
        )
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer per RNN state). "
            f"Received: cell={cell}"
        )
    if isinstance(cell, StackedRNNCells):
        return
    size = cell.state_size
    if size is None:
        raise ValueError("state_size must be specified as property on the RNN cell.")
    sizes = size if isinstance(size, (list, tuple)) else [size]
    if not sizes or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes):
        raise ValueError(
            "state_size must be an integer, or a list/tuple of integers (one for each state tensor). "
            f"Received: {size!r} of cell {cell}."
        )


def runs_in_kernels(cell: Any) -> bool:
    """Whether it is one of the library's cells, its step not replaced by a subclass."""
    return isinstance(cell, RecurrentCell) and type(cell).call is RecurrentCell.call


def output_size(cell: Any) -> int:
    """The width of a cell's output: its `output_size`, or else the size of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    if not isinstance(size, (int, np.integer)):
        raise ValueError(f"output_size must be an integer. Received: {size!r} of cell {cell}.")
    return int(size)


def zero_states(cell: Any, batch_size: int | None, dtype: str) -> Any:
    """What a cell starts from: its own `get_initial_state`, or zeros (B, n), one a size in `state_size`."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    if batch_size is None:
        raise ValueError("`batch_size` must be given: the initial states have one row a sequence.")
    size = cell.state_size
    if isinstance(size, (list, tuple)):
        return [np.zeros((batch_size, n), dtype) for n in size]
    return np.zeros((batch_size, size), dtype)


def state_specs(size: Any, batch_size: int | None, dtype: str) -> Any:
    """Symbolic states for a `state_size`, nested as it is."""
    if isinstance(size, (list, tuple)):
        return [state_specs(n, batch_size, dtype) for n in size]
    return SymbolicTensor((batch_size, int(size)), dtype)


def build_cell(cell: Any, input_shape: Any) -> None:
    """Make a cell's weights for a step's inputs (B, ...); objects that are no layers have none."""
    if not isinstance(cell, Layer) or cell.built:
        return
    if type(cell).build is Layer.build and cell.sublayers():
        # Its layers are made by running it, which takes states too.
        step = np.zeros((1, *(n or 1 for n in input_shape[1:])), cell.compute_dtype)
        states = zero_states(cell, 1, cell.compute_dtype)
        cell(step, list(states) if isinstance(states, (list, tuple)) else [states])
    else:
        cell.build(input_shape)


def run_cell(cell: Any, inputs: Any, states: Any, training: bool) -> Any:
    """One step of any cell; only layers are told whether it is for training, as in Keras."""
    if not isinstance(cell, Layer):
        return (cell if callable(cell) else cell.call)(inputs, states)
    options = {"training": training} if "training" in signature_of(type(cell).call).parameters else {}
    # Inputs and states are checked and cast once a sequence, not at every step.
    return (cell.call if cell.built else cell)(inputs, states, **options)


@register
class StackedRNNCells(Layer):
    """Cells on top of one another; states are a list with the states of each. Arguments as Keras'.

    Raises:
        ValueError: something that is no cell.
    """

    config_keys = ("cells",)
    child_keys = ("cells",)

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"`cells` must be a list of at least one cell. Received: {cells}.")
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError(f"All cells must have a `call` method. Received cell without a `call` method: {cell}")
            if not hasattr(cell, "state_size"):
                raise ValueError(
                    f"All cells must have a `state_size` attribute. Received cell without a `state_size`: {cell}"
                )
            check_cell(cell)
        self.cells: list[Any] = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The units of the last cell."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The first states of each cell."""
        return [zero_states(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """The cells' weights for inputs (B, D)."""
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Array, list[Any]]:
        """One step: the last cell's output (B, H), and each cell's new states."""
        new: list[Any] = []
        for cell, own in zip(self.cells, states, strict=True):
            nested = isinstance(own, (list, tuple))
            inputs, after = run_cell(cell, inputs, list(own) if nested else [own], training)
            if not nested and isinstance(after, (list, tuple)):
                after = after[0]
            new.append(list(after) if isinstance(after, (list, tuple)) else [after] if nested else after)
        return inputs, new

    def compute_output_spec(self, inputs: Any, states: Any) -> Any:
        """Shapes of one step."""
        B = inputs.shape[0]
        new = [_listed(state_specs(cell.state_size, B, self.dtype)) for cell in self.cells]
        return SymbolicTensor((B, self.output_size), self.dtype), new


def _listed(states: Any) -> list[Any]:
    return states if isinstance(states, list) else [states]
