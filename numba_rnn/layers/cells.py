"""The recurrent cells as layers: they hold a recurrence's weights and options and run single steps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn import constraints, dispatch, functional, initializers, regularizers
from numba_rnn._typing import Array
from numba_rnn.cells import GRU, GRU_RESET_BEFORE, LSTM, SIMPLE_RNN, CellSpec
from numba_rnn.compressed import check_storage
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.cell_dropout import DropoutRNNCell
from numba_rnn.layers.options import activation_of, forwarded, function_of, positive_units, share_of
from numba_rnn.layers.registry import register
from numba_rnn.layers.weight import Derived, Weight
from numba_rnn.ops import matmul
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["GRUCell", "LSTMCell", "RecurrentCell", "SimpleRNNCell"]


class RecurrentCell(DropoutRNNCell, Layer):
    """What the cells have in common. Weights: kernel (D, G*H), recurrent_kernel (H, G*H), bias (G*H,) or (2, G*H)."""

    config_keys: ClassVar[tuple[str, ...]] = (
        "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer", "kernel_regularizer",
        "recurrent_regularizer", "bias_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout",
        "recurrent_dropout", "seed",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        recurrent_activation: Any = None,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_units(units)
        self.activation, self.recurrent_activation = activation_of(activation), activation_of(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = share_of("dropout", dropout)
        self.recurrent_dropout = share_of("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.kernel: Weight | None = None
        self.recurrent_kernel: Weight | None = None
        self.bias: Weight | None = None
        self._prepared: Derived[functional.Cell] | None = None
        functional.recurrence_of(self.spec, *self._functions, self.dtype)  # refuses what cannot run

    @property
    def spec(self) -> CellSpec:
        """The cell's mathematics."""
        raise NotImplementedError

    @property
    def _functions(self) -> tuple[Any, Any]:
        return function_of(self.activation), function_of(self.recurrent_activation)

    @property
    def state_size(self) -> Any:
        """H, or a list of one H a state."""
        n = len(self.spec.states)
        return self.units if n == 1 else [self.units] * n

    @property
    def output_size(self) -> int:
        """H."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """The weights for inputs (B, D)."""
        width = len(self.spec.gates) * self.units
        self.kernel = self.add_weight(
            (input_shape[-1], width), self.kernel_initializer, name="kernel", regularizer=self.kernel_regularizer
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, width),
            self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
        )
        if self.use_bias:
            shape = (2, width) if self.spec.recurrent_bias else (width,)
            self.bias = self.add_weight(shape, self.first_bias, name="bias", regularizer=self.bias_regularizer)
        self._prepared = Derived(
            self._prepare, self.kernel, self.recurrent_kernel, self.bias, weights=self.weight_storage
        )

    def _with_storage(self, storage: str | None) -> dict[str, Any]:
        check_storage(storage, self.dtype)
        remade = None if self._prepared is None else self._prepared.remade(weights=storage)
        return {"weight_storage": storage, "_prepared": remade}

    def _choose_implementation(self, implementation: int) -> None:
        """Keras' 1 computes gate by gate, each with a mask of its own, and states are only dropped so."""
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.dropout_mask_count = len(self.spec.gates) if self.implementation == 1 else None

    def first_bias(self, shape: Any, dtype: Any) -> Array:
        """What the bias starts as."""
        made = (self.bias_initializer or initializers.Zeros())(shape, dtype)
        return np.asarray(made)

    def prepared(self) -> functional.Cell:
        """The weights ready to run; made again only when one of them has changed."""
        if self._prepared is None:
            raise ValueError(f"Cell '{self.name}' has no weights yet: call it, or build it with an input shape.")
        return self._prepared()

    def _prepare(
        self, kernel: Array, recurrent_kernel: Array, bias: Array | None, weights: str | None
    ) -> functional.Cell:
        act, rec = self._functions
        return functional.prepare(
            self.spec, kernel, recurrent_kernel, bias, activation=act, recurrent_activation=rec, weights=weights
        )

    def warmup(self) -> None:
        """Compile the cell's kernels."""
        self.prepared().warm()

    def describe_kernel(self) -> str:
        """Which kernel runs this cell, and why."""
        recurrence = functional.recurrence_of(self.spec, *self._functions, self.dtype, self.weight_storage)
        return dispatch.explain(recurrence, None if self.kernel is None else self.kernel.shape[0], self.units)

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        """Zeros, one array (B, H) a state."""
        if batch_size is None:
            raise ValueError("`batch_size` must be given: the initial states have one row a sequence.")
        return [np.zeros((batch_size, self.units), self.dtype) for _ in self.spec.states]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Array, Any]:
        """One step: inputs (B, D), states (B, H) each; returns the output (B, H) and the list of new states.

        A single state may come without its list, and goes without it.

        With `training` the masks of `get_dropout_mask` and `get_recurrent_dropout_mask` apply, drawn after a reset.
        """
        if inputs.ndim != 2:
            raise ShapeError(
                f"Cell '{self.name}' takes one step at a time. Expected: (B, D). Received: {inputs.shape}."
            )
        is_list = isinstance(states, (list, tuple))
        states = tuple(states) if is_list else (states,)
        new: Any
        if training and self.drops_each_gate:
            output, new = self._step_with_dropout(np.asarray(inputs, self.dtype), states)
        else:
            if training:
                inputs = self.drop(inputs, inputs)
            output, new = functional.scan(self.prepared(), np.ascontiguousarray(inputs)[:, None], None, states)
        return output, list(new) if is_list else new[0]

    @property
    def drops_each_gate(self) -> bool:
        """Whether training drops other inputs for each gate, or states: then a step is no longer the kernels'."""
        return self.recurrent_dropout > 0 or (self.dropout > 0 and self.dropout_mask_count is not None)

    def drop(self, inputs: Array, step_input: Array) -> Array:
        """Inputs (B, ..., D), dropped as at a step (B, D) where all gates see the same."""
        if not self._is_applied(self.dropout):
            return inputs
        mask = self.get_dropout_mask(np.asarray(step_input, self.dtype))
        return inputs * mask.reshape(len(mask), *(1,) * (inputs.ndim - 2), -1)

    def _is_applied(self, rate: float) -> bool:
        # Keras' gated cells ignore a rate of exactly 1.
        return 0 < rate < 1 or (rate == 1 and len(self.spec.gates) == 1)

    def _step_with_dropout(self, inputs: Array, states: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The step written out gate by gate, the gates' inputs and states dropped before their products."""
        weights, spec = self.prepared().weights.expanded(), self.spec
        H, G = self.units, len(spec.gates)
        x_masks = self.get_dropout_mask(inputs) if self._is_applied(self.dropout) else None
        h_masks = self.get_recurrent_dropout_mask(states[0]) if self._is_applied(self.recurrent_dropout) else None

        def dropped(value: Array, masks: Any, gate: int) -> Array:
            return value if masks is None else value * (masks[gate] if isinstance(masks, list) else masks)

        def product(value: Array, kernel: Array, bias: Array, gate: int) -> Array:
            block = slice(gate * H, (gate + 1) * H)
            return matmul(value, kernel[:, block]) + bias[block]

        act, rec = self._functions
        x = [product(dropped(inputs, x_masks, g), weights.kernel, weights.bias, g) for g in range(G)]
        r: list[Array] = []
        for g in range(G):
            h = dropped(states[0], h_masks, g)
            if spec.gate is not None and spec.first is not None and g >= spec.first:
                h = spec.gate(act, rec, x, r, (h, *states[1:]), weights.extra)
            r.append(product(h, weights.recurrent_kernel, weights.recurrent_bias, g))
        new = spec.update(act, rec, x, r, states, weights.extra)
        return new[0], tuple(new)

    def compute_output_spec(self, inputs: Any, states: Any) -> Any:
        """Shapes of one step."""
        h = (inputs.shape[0], self.units)
        return SymbolicTensor(h, self.dtype), [SymbolicTensor(h, self.dtype) for _ in self.spec.states]


@register
class SimpleRNNCell(RecurrentCell):
    """The cell of `SimpleRNN`; see `numba_rnn.cells.simple_rnn`. Arguments as Keras'."""

    spec = SIMPLE_RNN

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None, kernel_constraint: Any = None,
        recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
        seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**forwarded(locals()))


@register
class LSTMCell(RecurrentCell):
    """The cell of `LSTM`; see `numba_rnn.cells.lstm`. Arguments as Keras'."""

    spec = LSTM
    config_keys = (*RecurrentCell.config_keys, "recurrent_activation", "unit_forget_bias")
    config_extras = ("implementation",)

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
        bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
        dropout: float = 0.0, recurrent_dropout: float = 0.0, seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        options = forwarded(locals())
        implementation = options.pop("implementation", 2)
        self.unit_forget_bias = options.pop("unit_forget_bias")
        super().__init__(**options)
        self._choose_implementation(implementation)

    def first_bias(self, shape: Any, dtype: Any) -> Array:
        """Ones for the forget gate where `unit_forget_bias`, whatever the initializer gives elsewhere."""
        bias = super().first_bias(shape, dtype).copy()
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1
        return bias


@register
class GRUCell(RecurrentCell):
    """The cell of `GRU`; see `numba_rnn.cells.gru`. Arguments as Keras'."""

    config_keys = (*RecurrentCell.config_keys, "recurrent_activation", "reset_after")
    config_extras = ("implementation",)

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
        recurrent_dropout: float = 0.0, reset_after: bool = True, seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        options = forwarded(locals())
        implementation = options.pop("implementation", 2)
        self.reset_after = bool(options.pop("reset_after"))
        super().__init__(**options)
        self._choose_implementation(implementation)

    @property
    def spec(self) -> CellSpec:
        """With the reset gate after the product or before it."""
        return GRU if self.reset_after else GRU_RESET_BEFORE
