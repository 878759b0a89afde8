"""A layer applied to every time step."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import InputSpec, check_spec
from numba_rnn.layers.registry import register
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["TimeDistributed"]

AT_LEAST_ONE = InputSpec(min_ndim=1)


@register
class TimeDistributed(Layer):
    """Applies `layer` to each step of an input (B, T, ...); the result is (B, T, ...). Arguments as Keras'.

    All steps go through the layer at once, as further batch rows: every layer here treats rows alike.

    Raises:
        ValueError: `layer` is no layer, or keeps states between calls.
        ShapeError: the input has no time axis, or the mask does not fit it.
    """

    config_keys = ("layer",)
    child_keys = ("layer",)
    supports_masking = True

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if getattr(layer, "stateful", False):
            raise ValueError(f"`TimeDistributed` cannot wrap a stateful layer. Received: {layer}.")
        super().__init__(**kwargs)
        self.layer = layer

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
        self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Apply the layer to every step."""
        B, T = inputs.shape[:2]
        steps = np.ascontiguousarray(inputs).reshape(B * T, *inputs.shape[2:])
        kwargs = {}
        if mask is not None:
            self._check_mask(inputs, mask)
            # A mask (B, T) says nothing within a step; one with further axes is the layer's own.
            if mask.ndim > 2 and "mask" in inspect.signature(self.layer.call).parameters:
                kwargs["mask"] = np.asarray(mask).reshape(B * T, *mask.shape[2:])
        self.layer.check_input(steps)
        return map_structure(lambda y: y.reshape(B, T, *y.shape[1:]), self.layer.call(steps, **kwargs))

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
        return map_structure(lambda y: SymbolicTensor((y.shape[0], T, *y.shape[1:]), y.dtype), spec)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's."""
        return flatten(mask)[0]

    def describe_kernels(self) -> list[str]:
        """Which kernels run the layer inside, and why."""
        describe = getattr(self.layer, "describe_kernels", None)
        return [] if describe is None else list(describe())
