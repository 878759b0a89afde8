"""Several cells as one: the output of each is the input of the next."""

from __future__ import annotations

from typing import Any

from numba_rnn._typing import Array
from numba_rnn.layers.base import Layer
from numba_rnn.layers.cells import RecurrentCell
from numba_rnn.layers.registry import register
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["StackedRNNCells", "check_cell"]


def check_cell(cell: Any) -> None:
    """Refuse what is no recurrent cell.

    Raises:
        ValueError: it has no `call` or no usable `state_size`.
        NotImplementedError: it is a cell of the user's own.
    """
    if isinstance(cell, (RecurrentCell, StackedRNNCells)):
        return
    if not hasattr(cell, "call"):
        raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer per RNN state). "
            f"Received: cell={cell}"
        )
    raise NotImplementedError(
        f"Cells of your own do not run yet. Expected: SimpleRNNCell, LSTMCell, GRUCell or StackedRNNCells of them. "
        f"Received: {cell}."
    )


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
            check_cell(cell)
        self.cells: list[RecurrentCell] = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The units of the last cell."""
        return self.cells[-1].output_size

    def get_initial_state(self, batch_size: int | None = None) -> list[list[Array]]:
        """Zeros, one list a cell."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    def create_weights(self, input_shape: Any) -> None:
        """The cells' weights for inputs (B, D)."""
        for cell in self.cells:
            cell.build(input_shape)
            input_shape = (input_shape[0], cell.output_size)

    def call(self, inputs: Any, states: Any) -> tuple[Array, list[list[Array]]]:
        """One step: the last cell's output (B, H), and each cell's new states."""
        new = []
        for cell, own in zip(self.cells, states, strict=True):
            inputs, after = cell.call(inputs, own)
            new.append(after)
        return inputs, new

    def compute_output_spec(self, inputs: Any, states: Any) -> Any:
        """Shapes of one step."""
        new = [cell.compute_output_spec(inputs, None)[1] for cell in self.cells]
        return SymbolicTensor((inputs.shape[0], self.output_size), self.dtype), new
