"""The projected LSTM's cell: what goes on to the next step, and out, is a projection of the output to fewer numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import functional
from numba_rnn._typing import Array
from numba_rnn.cells import LSTM
from numba_rnn.custom import register_keras_serializable
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.options import activation_of, function_of, positive_units
from numba_rnn.layers.weight import Derived, Weight
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["ProjectedLSTMCell"]


@register_keras_serializable("numba_rnn")
class ProjectedLSTMCell(Layer):
    """An LSTM with a recurrent projection layer, for `RNN(cell)`: PyTorch's `nn.LSTM(..., proj_size=P)`.

        i, f, o = σ(x Wi + bi + h Ui), σ(x Wf + bf + h Uf), σ(x Wo + bo + h Uo)
        c' = f ∘ c + i ∘ φ(x Wc + bc + h Uc)
        h' = (o ∘ φ(c')) V

    σ is `recurrent_activation`, φ is `activation`, ∘ the elementwise product. Source: H. Sak, A. Senior and F. Beaufays, "Long
    Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic Modeling", Interspeech 2014, section 2,
    without peepholes and non-recurrent projection; PyTorch's documentation of `torch.nn.LSTM`.

    It is called with inputs (B, D) and the states [h (B, P), c (B, H)]; returns the output h' and the new states. A step is one of
    the LSTM's kernel and a product; from step to step it goes on in Python. `compress_weights` leaves it as it is. Keras has no
    such cell, so files with it are read by this library alone.

    Weights: kernel (D, 4*H) and recurrent_kernel (P, 4*H), blocks i, f, c, o; bias (4*H,); projection_kernel (H, P), which is V.

    Args:
        units: H.
        projection_units: P.
        activation, recurrent_activation, use_bias: as of `LSTMCell`.

    Raises:
        ValueError: `units` or `projection_units` is no positive whole number, an unknown activation.
        ShapeError: inputs that are no single step.
    """

    config_keys = ("units", "projection_units", "activation", "recurrent_activation", "use_bias")
    keras_module = "numba_rnn.layers"
    keras_registered_name = "numba_rnn>ProjectedLSTMCell"

    def __init__(
        self,
        units: int,
        projection_units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.projection_units = positive_units(units), positive_units(projection_units)
        self.activation, self.recurrent_activation = activation_of(activation), activation_of(recurrent_activation)
        self.use_bias = use_bias
        self.kernel: Weight | None = None
        self.recurrent_kernel: Weight | None = None
        self.bias: Weight | None = None
        self.projection_kernel: Weight | None = None
        self._step: Derived[functional.Cell] | None = None
        self._projection: Derived[functional.Linear] | None = None
        functional.recurrence_of(LSTM, *self._functions, self.dtype)  # refuses what cannot run

    @property
    def _functions(self) -> tuple[Any, Any]:
        return function_of(self.activation), function_of(self.recurrent_activation)

    @property
    def state_size(self) -> list[int]:
        """[P, H]."""
        return [self.projection_units, self.units]

    @property
    def output_size(self) -> int:
        """P."""
        return self.projection_units

    def build(self, input_shape: Any) -> None:
        """The weights for inputs (B, D)."""
        H, P = self.units, self.projection_units
        self.kernel = self.add_weight((input_shape[-1], 4 * H), "glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight((P, 4 * H), "orthogonal", name="recurrent_kernel")
        if self.use_bias:
            self.bias = self.add_weight((4 * H,), "zeros", name="bias")
        self.projection_kernel = self.add_weight((H, P), "glorot_uniform", name="projection_kernel")
        self._step = Derived(self._prepare, self.kernel, self.recurrent_kernel, self.bias)
        self._projection = Derived(functional.Linear, self.projection_kernel)

    def _prepare(self, kernel: Array, recurrent_kernel: Array, bias: Array | None) -> functional.Cell:
        """The LSTM that makes a step of x and h side by side; nothing is left for its own recurrence, which would take m for h."""
        act, rec = self._functions
        nothing = np.zeros((self.units, 4 * self.units), self.dtype)
        both = np.concatenate([kernel, recurrent_kernel])
        return functional.prepare(LSTM, both, nothing, bias, activation=act, recurrent_activation=rec)

    def call(self, inputs: Any, states: Any) -> tuple[Array, list[Array]]:
        """One step: inputs (B, D), states [h (B, P), c (B, H)]."""
        if inputs.ndim != 2:
            raise ShapeError(
                f"Cell '{self.name}' takes one step at a time. Expected: (B, D). Received: {inputs.shape}."
            )
        if self._step is None or self._projection is None:
            raise ValueError(f"Cell '{self.name}' has no weights yet: call it, or build it with an input shape.")
        h, c = states
        x = np.concatenate([inputs, h], -1)[:, None]  # (B, 1, D + P)
        m, (_, c) = functional.scan(self._step(), x, None, (np.zeros_like(c), c))
        h = self._projection()(m)
        return h, [h, c]

    def warmup(self) -> None:
        """Compile the kernel of a step."""
        if self._step is not None:
            self._step().warm()

    def compute_output_spec(self, inputs: Any, states: Any) -> Any:
        """Shapes of one step."""
        h = SymbolicTensor((inputs.shape[0], self.projection_units), self.dtype)
        return h, [h, SymbolicTensor((inputs.shape[0], self.units), self.dtype)]
