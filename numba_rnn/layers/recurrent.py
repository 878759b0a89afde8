"""SimpleRNN, LSTM and GRU: the recurrent layer with one cell, under the arguments of both."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from numba_rnn.layers.cells import GRUCell, LSTMCell, RecurrentCell, SimpleRNNCell
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.options import forwarded
from numba_rnn.layers.registry import register
from numba_rnn.layers.rnn import RNN

__all__ = ["GRU", "LSTM", "SimpleRNN"]


class _CellOption:
    """An attribute of a layer that lives in its cell."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else getattr(layer.cell, self.name)


class _CellLayer(RNN):
    """An `RNN` that makes its cell from its own arguments."""

    cell_class: ClassVar[type[RecurrentCell]]
    _input_spec: Any = InputSpec(ndim=3)
    child_keys = ()
    config_extras: ClassVar[tuple[str, ...]] = ("zero_output_for_mask",)

    units = _CellOption()
    activation = _CellOption()
    recurrent_activation = _CellOption()
    use_bias = _CellOption()
    kernel_initializer = _CellOption()
    recurrent_initializer = _CellOption()
    bias_initializer = _CellOption()
    kernel_regularizer = _CellOption()
    recurrent_regularizer = _CellOption()
    bias_regularizer = _CellOption()
    kernel_constraint = _CellOption()
    recurrent_constraint = _CellOption()
    bias_constraint = _CellOption()
    dropout = _CellOption()
    recurrent_dropout = _CellOption()
    seed = _CellOption()

    def __init__(self, **options: Any) -> None:
        takes = set(inspect.signature(self.cell_class.__init__).parameters) | {"implementation"}
        of_cell = {k: v for k, v in options.items() if k in takes - {"self", "kwargs"}}
        of_layer = {k: v for k, v in options.items() if k not in of_cell}
        if self.cell_class is SimpleRNNCell and "implementation" in of_cell:
            of_layer["implementation"] = of_cell.pop("implementation")  # which no SimpleRNN has: refused there
        # A cell has its own name in every layer, so that weights have the same paths whatever was made before.
        shared = {k: options[k] for k in ("dtype", "trainable") if k in options}
        cell = self.cell_class(**of_cell, **shared, name=_CELL_NAMES[self.cell_class])
        super().__init__(cell, **of_layer)


_CELL_NAMES: dict[type[RecurrentCell], str] = {
    SimpleRNNCell: "simple_rnn_cell",
    LSTMCell: "lstm_cell",
    GRUCell: "gru_cell",
}


def _config_keys(cell_class: type[RecurrentCell], *without: str) -> tuple[str, ...]:
    keys = (*RNN.config_keys, *cell_class.config_keys, "activity_regularizer")
    return tuple(k for k in keys if k not in {"cell", *without})


@register
class SimpleRNN(_CellLayer):
    """The fully connected recurrence of `numba_rnn.cells.simple_rnn`. Arguments as Keras'.

    Called with sequences (B, T, D), perhaps with `initial_state` (one array (B, H)) and `mask` (B, T), true where a step counts.
    Returns the last output (B, H), H being `units`; all of them, (B, T, H), with `return_sequences`; with `return_state` a tuple,
    the last states after it. Weights: kernel (D, H), recurrent_kernel (H, H), bias (H,). `training=True` drops
    inputs and states; regularizers count in a model's `losses`; constraints are kept.

    Raises:
        ValueError: an unknown activation or initializer, an unknown option, `units` no positive int (TypeError for no number).
        DTypeError: a dtype other than float32 and float64; an input that is not made of real numbers.
        ShapeError: sequences, mask or states that do not fit, or no steps.
    """

    cell_class = SimpleRNNCell
    _input_spec = [InputSpec(ndim=3)]  # noqa: RUF012 (a list, as in Keras)
    config_keys = _config_keys(SimpleRNNCell, "seed")

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
        recurrent_dropout: float = 0.0, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
        stateful: bool = False, unroll: bool = False, seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**forwarded(locals()))


class _GatedLayer(_CellLayer):
    config_extras = ("zero_output_for_mask", "implementation")

    def __init__(self, use_cudnn: Any, **options: Any) -> None:
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
                f"Received: use_cudnn={use_cudnn}"
            )
        self.use_cudnn = use_cudnn
        super().__init__(**options)


@register
class LSTM(_GatedLayer):
    """Long short-term memory, as in `numba_rnn.cells.lstm`. Arguments as Keras'.

    Called with sequences (B, T, D), perhaps with `initial_state` (h, c: each (B, H)) and `mask` (B, T), true where a step counts.
    Returns the last output (B, H), H being `units`; all of them, (B, T, H), with `return_sequences`; with `return_state` a tuple,
    the last states after it. Weights: kernel (D, 4*H), recurrent_kernel (H, 4*H), bias (4*H,), blocks i, f, c, o.
    `training=True` drops inputs and states; regularizers count in a model's `losses`; constraints are kept.

    Raises:
        ValueError: an unknown activation or initializer, an unknown option, `units` no positive int (TypeError for no number).
        DTypeError: a dtype other than float32 and float64; an input that is not made of real numbers.
        ShapeError: sequences, mask or states that do not fit, or no steps.
    """

    cell_class = LSTMCell
    config_keys = _config_keys(LSTMCell)
    unit_forget_bias = _CellOption()

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
        recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
        seed: int | None = None, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
        stateful: bool = False, unroll: bool = False, use_cudnn: Any = "auto", **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**forwarded(locals()))


@register
class GRU(_GatedLayer):
    """The gated recurrent unit of `numba_rnn.cells.gru`, the reset gate after the product or before it. Arguments as Keras'.

    Called with sequences (B, T, D), perhaps with `initial_state` (one array (B, H)) and `mask` (B, T), true where a step counts.
    Returns the last output (B, H), H being `units`; all of them, (B, T, H), with `return_sequences`; with `return_state` a tuple,
    the last states after it. Weights: kernel (D, 3*H), recurrent_kernel (H, 3*H), bias (2, 3*H), or (3*H,) without `reset_after`,
    blocks z, r, h. `training=True` drops inputs and states; regularizers count in a model's `losses`; constraints are kept.

    Raises:
        ValueError: an unknown activation or initializer, an unknown option, `units` no positive int (TypeError for no number).
        DTypeError: a dtype other than float32 and float64; an input that is not made of real numbers.
        ShapeError: sequences, mask or states that do not fit, or no steps.
    """

    cell_class = GRUCell
    config_keys = _config_keys(GRUCell)
    reset_after = _CellOption()

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
        bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0, seed: int | None = None,
        return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False, stateful: bool = False,
        unroll: bool = False, reset_after: bool = True, use_cudnn: Any = "auto", **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**forwarded(locals()))
