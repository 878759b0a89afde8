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
from numba_rnn.layers.calling import training_scope
from numba_rnn.layers.cell_dropout import DropoutRNNCell
from numba_rnn.layers.cells import RecurrentCell
from numba_rnn.layers.input_spec import InputSpec, check_spec
from numba_rnn.layers.registry import register
from numba_rnn.layers.serialization import passes_masks
from numba_rnn.layers.stacked import (
    StackedRNNCells,
    build_cell,
    check_cell,
    output_size,
    run_cell,
    runs_in_kernels,
    state_specs,
    zero_states,
)
from numba_rnn.layers.state import carry_states, kept_arrays, make_states, reset_states
from numba_rnn.layers.stepping import step_through
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure, pack

__all__ = ["RNN"]

# The eight kinds of call, made once: a call must not build an object for its options.
THREE_AXES, AT_LEAST_TWO = InputSpec(ndim=3), InputSpec(min_ndim=2)
OPTIONS = {flags: ScanOptions(*flags) for flags in itertools.product((False, True), repeat=3)}
WITHOUT_MASK = frozenset({"initial_state", "training"})
WITH_MASK = WITHOUT_MASK | {"mask"}


@register
class RNN(Layer):
    """Runs a cell over sequences. Arguments as Keras'.

    The library's own cells, and stacks of them, run in its kernels. Any other object with `call(inputs, states)`, which returns the
    output and the list of new states, and `state_size` (a whole number, or a list of one a state) is stepped in Python.

    Call with sequences (B, T, D), `initial_state` (one array (B, H) a state; nested lists for stacked cells) and `mask` (B, T).
    Returns (B, H), or (B, T, H) in processing order with `return_sequences`; with `return_state` a tuple, the states after it.
    `training=True` drops inputs and states as the cell's `dropout` and `recurrent_dropout` say. A cell of another dtype computes in
    that; results have the layer's.

    Attributes:
        states: what a `stateful` layer keeps between calls, None until its first; each can be read as an array, and assigned.

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
        self.supports_masking = passes_masks()
        self.states: list[Any] | None = None
        self._stacked = isinstance(cell, StackedRNNCells)
        self._in_kernels = all(runs_in_kernels(one) for one in self._cells)
        self._one_kernel = self._in_kernels and not self._stacked
        self._mixed = any(getattr(one, "compute_dtype", self.dtype) != self.dtype for one in self._cells)

    @property
    def _cells(self) -> list[Any]:
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    @property
    def state_size(self) -> list[Any]:
        """One size a state (a list of them a cell where cells are stacked)."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def output_size(self) -> int:
        """H."""
        return output_size(self.cell)

    def check_input(self, inputs: Any) -> None:
        """Sequences (B, T, D); a cell of one's own may take steps of any rank."""
        check_spec(flatten(self.input_spec)[0] or (THREE_AXES if self._in_kernels else AT_LEAST_TWO), inputs, self.name)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """The cell's weights for sequences (B, T, D); the states, where they are kept between calls."""
        build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if sequences_shape[0] is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
                    f"sequence.shape={tuple(sequences_shape)}"
                )
            self.states = make_states(self.get_initial_state(sequences_shape[0]), self.compute_dtype)

    @property
    def direct_arguments(self) -> frozenset[str]:  # type: ignore[override]
        """All that `call` checks itself; a mask only where it ends here."""
        return WITHOUT_MASK if self.return_sequences else WITH_MASK

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Zeros: one array (B, H) a state, or one list of them a cell where cells are stacked."""
        states = zero_states(self.cell, batch_size, self.compute_dtype)
        return list(states) if isinstance(states, (list, tuple)) else [states]

    def reset_state(self, rows: Any = None) -> None:
        """Set the states kept between calls to zero: of all sequences, or of these rows of the batch.

        Raises:
            IndexError: there is no such row.
        """
        if self.states is not None:
            reset_states(self.states, rows)

    def reset_states(self, rows: Any = None) -> None:
        """The same, by its old name."""
        self.reset_state(rows)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Run over sequences (B, T, D)."""
        if self.stateful:
            initial_state = self._kept(sequences, initial_state)
        if mask is not None:
            mask = single_mask(mask, self.name)
        y, states = self.run(sequences, initial_state, mask, training)
        if self._mixed or y.dtype is not self._np_dtype:  # a cell that computes in another
            y, states = map_structure(lambda a: a.astype(self._np_dtype, copy=False), [y, states])
        if self.stateful:
            carry_states(self.states, states)
        return (y, *states) if self.return_state else y

    def run(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Array, Any]:
        """The output and the last states, as the cell gives them: one cell's as one array (S, B, H), else a list in its structure.

        Unlike `call`, it neither begins with the states that a stateful layer keeps nor leaves any there.
        """
        options = OPTIONS[self.go_backwards, self.return_sequences, self.zero_output_for_mask]
        states: Any
        try:
            if self._one_kernel and not training:
                y, states = functional.scan(self.cell.prepared(), sequences, mask, initial_state, options)
            elif not self._in_kernels or (training and any(cell.drops_each_gate for cell in self._cells)):
                y, states = self._step(sequences, initial_state, mask, training, options)
            elif self._stacked:
                y, states = self._scan_stack(sequences, initial_state, mask, training, options)
            else:
                y, states = _scan(self.cell, sequences, initial_state, mask, training, options)
        except ShapeError as error:
            raise ShapeError(f"Layer '{self.name}' ({type(self).__name__}): {error}") from None
        if training:
            _reset_dropout(self._cells)
        return y, states

    def _scan_stack(
        self, x: Any, initial_state: Any, mask: Any, training: bool, options: ScanOptions
    ) -> tuple[Array, list[list[Array]]]:
        cells: list[RecurrentCell] = self.cell.cells
        given = None if initial_state is None else self._per_cell(cells, initial_state)
        states = []
        y = np.asarray(x)
        for k, cell in enumerate(cells):
            last = k == len(cells) - 1
            # Only the first cell turns time round: its outputs come in processing order, and so must the mask from then on.
            backwards = options.go_backwards and k == 0
            step = OPTIONS[backwards, not last or options.return_sequences, last and options.zero_output_for_mask]
            y, after = _scan(cell, y, None if given is None else given[k], mask, training, step)
            if backwards and mask is not None:
                mask = np.flip(mask, 1)
            states.append(list(after))
        return y, states

    def _per_cell(self, cells: list[RecurrentCell], initial_state: Any) -> list[tuple[Any, ...]]:
        counts = [len(cell.spec.states) for cell in cells]
        arrays = iter(_flat_states(initial_state, counts, "cells"))
        return [tuple(next(arrays) for _ in range(n)) for n in counts]

    def _step(
        self, x: Any, initial_state: Any, mask: Any, training: bool, options: ScanOptions
    ) -> tuple[Array, list[Any]]:
        """Run the cell step by step in Python."""
        B, T = x.shape[:2]
        if T == 0:
            raise ShapeError(f"`x` has no time steps. Expected: (B, T, ...) with T at least 1. Received: {x.shape}.")
        if mask is not None:
            mask = functional.step_mask(mask, B, T)
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        states = self.get_initial_state(B)
        if initial_state is not None:
            states = self._like(states, initial_state, dtype)

        def step(inputs: Array, states: Any) -> tuple[Any, Any]:
            return run_cell(self.cell, inputs, states, training)

        with training_scope(training):
            return step_through(step, np.asarray(x, dtype), states, mask, options, self._np_dtype)

    def _like(self, zeros: list[Any], initial_state: Any, dtype: str) -> list[Any]:
        given, wanted = _flat_states(initial_state, [len(flatten(s)) for s in zeros], "states"), flatten(zeros)
        shapes = [tuple(np.shape(s)) for s in given], [s.shape for s in wanted]
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"`initial_state` does not fit the cell. Expected: arrays {shapes[1]}. Received: {shapes[0]}."
            )
        return list(pack(zeros, [np.asarray(s, dtype) for s in given]))

    def _kept(self, sequences: Any, initial_state: Any) -> Any:
        if self.states is None:
            self.states = make_states(self.get_initial_state(len(sequences)), self.compute_dtype)
        B = flatten(self.states[0])[0].shape[0]
        if len(sequences) != B:
            raise ShapeError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of the initial "
                f"state. \n- Expected batch size: {B} \n- Received batch size: {len(sequences)}"
            )
        return kept_arrays(self.states) if initial_state is None else initial_state

    @property
    def runs_one_kernel(self) -> bool:
        """Whether a call is one call of a kernel, in the layer's own dtype."""
        return self._one_kernel and not self._mixed

    def compute_output_spec(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """Shapes of the result."""
        B, T = sequences.shape[:2]
        first = self._cells[0].kernel if self.built and self._in_kernels else None
        if first is not None:
            self.check_features(sequences.shape, -1, first.shape[0])
        shape = (B, T, self.output_size) if self.return_sequences else (B, self.output_size)
        y = SymbolicTensor(shape, self.compute_dtype)
        return (y, *state_specs(self.state_size, B, self.compute_dtype)) if self.return_state else y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's, where there is an output a step; states have none."""
        mask = flatten(mask)[0] if self.return_sequences else None
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask

    def warmup(self) -> None:
        """Compile the kernels of the cells that run in them."""
        for cell in self._cells:
            if isinstance(cell, Layer):
                cell.warmup()

    def describe_kernels(self) -> list[str]:
        """Which kernel runs each cell, and why."""
        if self._in_kernels:
            return [cell.describe_kernel() for cell in self._cells]
        return [f"{type(cell).__name__}: stepped in Python (the kernels have no such cell)" for cell in self._cells]


def single_mask(mask: Any, name: str) -> Any:
    """The mask of the sequences, which come first of a list of masks: an array, or None.

    Raises:
        ValueError: something else; `name` is the layer's.
    """
    if isinstance(mask, (list, tuple)):
        mask = mask[0]
    if mask is not None and not hasattr(mask, "shape"):
        raise ValueError(
            f"`mask` of layer '{name}' must be an array (B, T), true where a step counts. Received: {type(mask).__name__}."
        )
    return mask


def _scan(
    cell: RecurrentCell, x: Any, initial_state: Any, mask: Any, training: bool, options: ScanOptions
) -> tuple[Array, Array]:
    if training and x.shape[1]:
        x = cell.drop(x, x[:, 0])
    return functional.scan(cell.prepared(), x, mask, initial_state, options)


def _flat_states(given: Any, counts: list[int], what: str) -> list[Any]:
    """The arrays of an `initial_state`, nested as the states are, with so many at each place, or flat."""
    flat = flatten(given)
    nested = isinstance(given, (list, tuple)) and any(isinstance(states, (list, tuple)) for states in given)
    places = [len(flatten(states)) for states in given] if nested else counts
    if len(flat) != sum(counts) or places != counts:
        raise ShapeError(
            f"`initial_state` must hold {sum(counts)} arrays for {len(counts)} {what}. Expected: {counts} each. "
            f"Received: {len(flat) if len(flat) != sum(counts) else places}."
        )
    return flat


def _reset_dropout(cells: list[Any]) -> None:
    for cell in cells:
        if isinstance(cell, DropoutRNNCell):
            cell.reset_dropout_masks()
        elif isinstance(cell, StackedRNNCells):
            _reset_dropout(cell.cells)
