"""Layers that fold the time axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.registry import register

__all__ = ["GlobalAveragePooling1D", "GlobalMaxPooling1D", "channels"]


def channels(data_format: str | None) -> str:
    """Keras' `data_format`: where the features are, last unless told otherwise.

    Raises:
        ValueError: another word.
    """
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            "The `data_format` argument must be one of {'channels_first', 'channels_last'}. "
            f"Received: data_format={data_format}"
        )
    return data_format or "channels_last"


class _Pooling(Layer):
    config_keys = ("data_format", "keepdims")
    _input_spec = InputSpec(ndim=3)
    built_at_init = True

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format, self.keepdims = channels(data_format), keepdims

    def check_input(self, inputs: Any) -> None:
        """Rank, and that there is a step."""
        super().check_input(inputs)
        if inputs.shape[self._axis] == 0:
            raise ShapeError(
                f"Layer '{self.name}' has no steps to fold. Expected: (B, T, D) with T at least 1. Received: {tuple(inputs.shape)}."
            )

    @property
    def _axis(self) -> int:
        return 1 if self.data_format == "channels_last" else 2


@register
class GlobalAveragePooling1D(_Pooling):
    """The mean over time of x (B, T, D), of the steps that count where there is a mask (B, T). Arguments as Keras'."""

    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Array:
        """(B, D), or (B, 1, D) with `keepdims`; NaN where no step counts."""
        axis = self._axis
        if mask is None:
            return np.mean(
                inputs, axis, keepdims=self.keepdims, dtype=inputs.dtype if inputs.dtype.kind == "f" else self.dtype
            )
        mask = np.asarray(mask)
        B, T = inputs.shape[0], inputs.shape[axis]
        if mask.ndim != 2 or mask.shape[0] not in {1, B} or T not in {1, mask.shape[1]}:  # what is one goes with all
            raise ShapeError(
                f"Layer '{self.name}': the mask has one entry a row and step. Expected: {(B, T)}. "
                f"Received: {mask.shape}."
            )
        m = np.expand_dims(mask.astype(bool), 3 - axis)
        total = np.sum(np.where(m, inputs, np.zeros((), inputs.dtype)), axis, keepdims=self.keepdims)
        with np.errstate(invalid="ignore"):
            y: Array = total / np.sum(m, axis, keepdims=self.keepdims, dtype=self.dtype)
        return y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """No time axis, no mask."""
        return None


@register
class GlobalMaxPooling1D(_Pooling):
    """The largest over time of x (B, T, D). Arguments as Keras'."""

    def call(self, inputs: Any) -> Array:
        """(B, D), or (B, 1, D) with `keepdims`."""
        y: Array = np.max(inputs, self._axis, keepdims=self.keepdims)
        return y
