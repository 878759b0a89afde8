"""The recurrent layer: a cell, or several in a stack, scanned over the time axis."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np

from numba_rnn import functional
from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.functional import ScanOptions
from numba_rnn.layers.base import Layer
from numba_rnn.layers.cells import RecurrentCell
from numba_rnn.layers.registry import register
from numba_rnn.layers.stacked import StackedRNNCells, check_cell
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten

__all__ = ["RNN"]

# The eight kinds of call, made once: a call must not build an object for its options.
OPTIONS = {flags: ScanOptions(*flags) for flags in itertools.product((False, True), repeat=3)}


@register
class RNN(Layer):
    """Runs a cell over sequences. Arguments as Keras'.

    Call with sequences (B, T, D), `initial_state` (one array (B, H) a state; nested lists for stacked cells) and `mask` (B, T).
    Returns (B, H), or (B, T, H) in processing order with `return_sequences`; with `return_state` a tuple, the states after it.

    Raises:
        ValueError: `cell` is no cell.
        ShapeError: the sequences, the mask or a state do not fit.
    """

    config_keys: ClassVar[tuple[str, ...]] = (
        "return_sequences",
        "return_state",
        "go_backwards",
        "stateful",
        "unroll",
        "zero_output_for_mask",
        "cell",
    )
    child_keys: ClassVar[tuple[str, ...]] = ("cell",)
    input_ndim = 3
    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(cell)
        super().__init__(**kwargs)
        self.cell: Any = cell
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful, self.unroll = bool(go_backwards), bool(stateful), bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.states: list[Any] | None = None

    @property
    def _cells(self) -> list[RecurrentCell]:
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    @property
    def state_size(self) -> list[Any]:
        """One size a state (a list of them a cell where cells are stacked)."""
        size = self.cell.state_size
        return list(size) if isinstance(size, list) else [size]

    @property
    def output_size(self) -> int:
        """H."""
        size: int = self.cell.output_size
        return size

    def create_weights(self, input_shape: Any) -> None:
        """The cell's weights for sequences (B, T, D); the states, where they are kept between calls."""
        self.cell.build((input_shape[0], *input_shape[2:]))
        if self.stateful:
            if input_shape[0] is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
                    f"sequence.shape={tuple(input_shape)}"
                )
            self.states = self.get_initial_state(input_shape[0])

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Zeros: one array (B, H) a state, or one list of them a cell where cells are stacked."""
        states: list[Any] = self.cell.get_initial_state(batch_size)
        return states

    def reset_state(self) -> None:
        """Set the states kept between calls to zero."""
        if self.states is not None:
            self.states = self.get_initial_state(len(flatten(self.states)[0]))

    def reset_states(self) -> None:
        """The same, by its old name."""
        self.reset_state()

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """Run over sequences (B, T, D)."""
        if self.stateful:
            initial_state = self._kept(sequences, initial_state)
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if mask is not None and not hasattr(mask, "shape"):
            raise ValueError(
                f"`mask` of layer '{self.name}' must be an array (B, T), true where a step counts. Received: {type(mask).__name__}."
            )
        options = OPTIONS[self.go_backwards, self.return_sequences, self.zero_output_for_mask]
        cell = self.cell
        states: Any
        try:
            if isinstance(cell, StackedRNNCells):
                y, states = self._scan_stack(cell.cells, sequences, initial_state, mask, options)
            else:
                y, states = functional.scan(cell.prepared(), sequences, mask, initial_state, options)
        except ShapeError as error:
            raise ShapeError(f"Layer '{self.name}' ({type(self).__name__}): {error}") from None
        if self.stateful:
            self.states = list(states)
        return (y, *states) if self.return_state else y

    def _scan_stack(
        self, cells: list[RecurrentCell], x: Any, initial_state: Any, mask: Any, options: ScanOptions
    ) -> tuple[Array, list[list[Array]]]:
        if not cells:
            raise ValueError(f"Layer '{self.name}' has no cells to run.")
        given = None if initial_state is None else self._per_cell(cells, initial_state)
        states = []
        y = np.asarray(x)
        for k, cell in enumerate(cells):
            last = k == len(cells) - 1
            # Only the first cell turns time round: its outputs come in processing order, and so must the mask from then on.
            backwards = options.go_backwards and k == 0
            step = OPTIONS[backwards, not last or options.return_sequences, last and options.zero_output_for_mask]
            y, after = functional.scan(cell.prepared(), y, mask, None if given is None else given[k], step)
            if backwards and mask is not None:
                mask = np.flip(mask, 1)
            states.append(list(after))
        return y, states

    def _per_cell(self, cells: list[RecurrentCell], initial_state: Any) -> list[tuple[Any, ...]]:
        flat = flatten(initial_state)
        counts = [len(cell.spec.states) for cell in cells]
        if len(flat) != sum(counts):
            raise ShapeError(
                f"`initial_state` must hold {sum(counts)} arrays for {len(cells)} cells ({counts} each). Received: {len(flat)}."
            )
        arrays = iter(flat)
        return [tuple(next(arrays) for _ in range(n)) for n in counts]

    def _kept(self, sequences: Any, initial_state: Any) -> Any:
        if self.states is None:
            self.states = self.get_initial_state(len(sequences))
        B = len(flatten(self.states)[0])
        if len(sequences) != B:
            raise ShapeError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of the initial "
                f"state. \n- Expected batch size: {B} \n- Received batch size: {len(sequences)}"
            )
        return self.states if initial_state is None else initial_state

    def compute_output_spec(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """Shapes of the result."""
        B, T, D = sequences.shape
        first = self._cells[0].kernel if self.built and self._cells else None
        if first is not None:
            self.check_features((B, T, D), -1, first.shape[0])
        shape = (B, T, self.output_size) if self.return_sequences else (B, self.output_size)
        y = SymbolicTensor(shape, self.compute_dtype)
        if not self.return_state:
            return y
        per_cell = [[SymbolicTensor((B, c.units), self.compute_dtype) for _ in c.spec.states] for c in self._cells]
        if not isinstance(self.cell, StackedRNNCells):
            return (y, *per_cell[0])
        return (y, *(s if len(s) > 1 else s[0] for s in per_cell))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's, where there is an output a step; states have none."""
        return flatten(mask)[0] if self.return_sequences else None

    def describe_kernels(self) -> list[str]:
        """Which kernel runs each cell, and why."""
        return [cell.describe_kernel() for cell in self._cells]
