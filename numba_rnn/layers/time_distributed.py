"""A layer applied to every time step."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.custom import is_ours
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.calling import signature_of
from numba_rnn.layers.input_spec import AT_LEAST_ONE, check_spec
from numba_rnn.layers.registry import register
from numba_rnn.layers.serialization import passes_masks
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["TimeDistributed"]


@register
class TimeDistributed(Layer):
    """Applies `layer` to each step of an input (B, T, ...); the result is (B, T, ...). Arguments as Keras'.

    At inference all steps go through a layer of the library's at once, as further rows of a batch: it treats rows alike. In
    training, when rows share random numbers and statistics, the steps go through it one by one; through a layer of one's own they
    always do.

    Raises:
        ValueError: `layer` is no layer, or keeps states between calls.
        ShapeError: the input has no time axis, or the mask does not fit it.
    """

    config_keys = ("layer",)
    child_keys = ("layer",)

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if getattr(layer, "stateful", False):
            raise ValueError(f"`TimeDistributed` cannot wrap a stateful layer. Received: {layer}.")
        super().__init__(**kwargs)
        self.layer = layer
        self.supports_masking = passes_masks()

    def check_input(self, inputs: Any) -> None:
        """It needs a batch, a time and another axis."""
        check_spec(AT_LEAST_ONE, inputs, self.name)
        super().check_input(inputs)
        if len(inputs.shape) < 3:
            raise ShapeError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, received: "
                f"{tuple(inputs.shape)}"
            )

    def build(self, input_shape: Any) -> None:
        """The layer's weights for one step."""
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Apply the layer to every step."""
        B, T = inputs.shape[:2]
        if mask is not None:
            self._check_mask(inputs, mask)
            mask = np.asarray(mask) if self._passes(mask) else None
        if T and (training or not self._rows_are_alike):
            steps = [self._step(inputs[:, t], training, None if mask is None else mask[:, t]) for t in range(T)]
            return map_structure(lambda *ys: np.stack(ys, 1), *steps)
        rows = np.ascontiguousarray(inputs).reshape(B * T, *inputs.shape[2:])
        mask = None if mask is None else mask.reshape(B * T, *mask.shape[2:])
        return map_structure(lambda y: y.reshape(B, T, *y.shape[1:]), self._step(rows, training, mask))

    def _step(self, inputs: Array, training: Any, mask: Any) -> Any:
        self.layer.check_input(inputs)
        takes = signature_of(type(self.layer).call).parameters
        options = {"training": training, "mask": mask}
        outputs = self.layer.call(inputs, **{k: v for k, v in options.items() if k in takes and v is not None})
        return map_structure(lambda y: y.astype(_own_dtype(y, self), copy=False), outputs)

    def _passes(self, mask: Any) -> bool:
        """Whether a mask is the layer's business: to a recurrent one, a mask (B, T) says nothing within a step."""
        return mask.ndim > 2 or not hasattr(self.layer, "return_sequences")

    @cached_property
    def _rows_are_alike(self) -> bool:
        return all(is_ours(type(layer)) for layer in (self.layer, *self.layer.sublayers()))

    def _check_mask(self, inputs: Any, mask: Any) -> None:
        if len(mask.shape) < 2:
            raise ShapeError(
                "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., `(batch_size, timesteps)`), but it "
                f"has {len(mask.shape)} dimension(s) with shape {mask.shape}."
            )
        if mask.shape[:2] != inputs.shape[:2]:
            raise ShapeError(
                f"The `mask` passed to the `TimeDistributed` layer has a shape {mask.shape} that is incompatible with the input "
                f"shape {inputs.shape}. Expected mask shape prefix: {inputs.shape[:2]}."
            )

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        """The layer's shapes with a time axis."""
        B, T, *rest = inputs.shape
        step = SymbolicTensor((B, *rest), inputs.dtype)
        self.layer.check_input(step)
        spec = self.layer.compute_output_spec(step)
        return map_structure(lambda y: SymbolicTensor((y.shape[0], T, *y.shape[1:]), _own_dtype(y, self)), spec)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's."""
        return flatten(mask)[0]

    def describe_kernels(self) -> list[str]:
        """Which kernels run the layer inside, and why."""
        describe = getattr(self.layer, "describe_kernels", None)
        return [] if describe is None else list(describe())


def _own_dtype(x: Any, layer: Layer) -> Any:
    """The layer's for floating point numbers, which the one inside may have made in another."""
    return layer.compute_dtype if np.dtype(x.dtype).kind == "f" else x.dtype
