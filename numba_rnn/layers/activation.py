"""Activations as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.options import activation_of, function_of
from numba_rnn.layers.registry import register
from numba_rnn.ops import activations, logits
from numba_rnn.ops.tree import as_tuple

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]

OF_WHOLE_NUMBERS = (activations.linear, activations.relu, activations.relu6)  # which stay what they are


def _floats(x: Array, dtype: str) -> Array:
    """Whole numbers in the layer's dtype: what becomes of them has fractions."""
    return x if x.dtype.kind == "f" else x.astype(dtype)


@register
class Activation(Layer):
    """Applies an activation, by name or callable. Arguments as Keras'.

    Raises:
        ValueError: no activation has that name.
    """

    config_keys = ("activation",)
    supports_masking = True
    built_at_init = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation_of(activation)
        self._function = logits.keeping(function_of(self.activation))

    def call(self, inputs: Any) -> Any:
        """The activation of the input."""
        if self._function not in OF_WHOLE_NUMBERS:
            inputs = _floats(inputs, self.compute_dtype)
        return self._function(inputs)


@register
class ReLU(Layer):
    """The rectifier with Keras' options."""

    config_keys = ("max_value", "negative_slope", "threshold")
    supports_masking = True
    built_at_init = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("max_value", max_value), ("negative_slope", negative_slope), ("threshold", threshold)):
            if (value is None and name != "max_value") or (value is not None and value < 0):
                raise ValueError(f"{name} of a ReLU layer cannot be a negative value. Received: {name}={value}")
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs: Any) -> Array:
        """`ops.activations.relu` with the layer's options."""
        if self.negative_slope or self.max_value or self.threshold:
            inputs = _floats(inputs, self.compute_dtype)
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


@register
class LeakyReLU(Layer):
    """max(x, negative_slope x). Arguments as Keras'."""

    config_keys = ("negative_slope",)
    config_extras = ("alpha",)
    supports_masking = True
    built_at_init = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. Received: "
                f"negative_slope={negative_slope}"
            )
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Array:
        """The leaky rectifier."""
        return activations.leaky_relu(_floats(inputs, self.compute_dtype), self.negative_slope)


@register
class ELU(Layer):
    """x where positive, else alpha (e^x - 1). Arguments as Keras'."""

    config_keys = ("alpha",)
    supports_masking = True
    built_at_init = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Any) -> Array:
        """The exponential linear unit."""
        return activations.elu(_floats(inputs, self.compute_dtype), self.alpha)


@register
class Softmax(Layer):
    """The softmax along `axis`; masked elements get 0. Arguments as Keras'.

    Raises:
        ShapeError: a mask that does not broadcast to the input.
    """

    config_keys = ("axis",)
    supports_masking = True
    built_at_init = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any, mask: Any = None) -> Array:
        """The softmax over the elements that count."""
        inputs = _floats(inputs, self.compute_dtype)
        axis = as_tuple(self.axis)
        if mask is None:
            return logits.softmax(inputs, axis)
        mask = np.asarray(mask)
        pairs = zip(mask.shape[::-1], inputs.shape[::-1], strict=False)
        if mask.ndim > inputs.ndim or any(m not in (1, n) for m, n in pairs):
            raise ShapeError(
                f"The `mask` must be broadcastable to `inputs`. Received: inputs.shape={inputs.shape}, mask.shape={mask.shape}"
            )
        mask = mask if mask.dtype == np.bool_ else mask > 0.5
        y = activations.softmax(np.where(mask, inputs, np.asarray(-1e9, inputs.dtype)), axis)
        return np.where(mask, y, np.asarray(0, y.dtype))
