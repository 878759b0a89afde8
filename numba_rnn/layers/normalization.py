"""Normalisation with statistics of the input (layer) or of the training data (batch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import initializers
from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.registry import register
from numba_rnn.layers.weight import Weight
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["BatchNormalization", "LayerNormalization"]


class _Normalization(Layer):
    supports_masking = True
    input_min_ndim = 1
    gamma: Weight | None = None
    beta: Weight | None = None

    def __init__(
        self, axis: Any, epsilon: float, center: bool, scale: bool, beta_initializer: Any, gamma_initializer: Any,
        beta_regularizer: Any, gamma_regularizer: Any, beta_constraint: Any, gamma_constraint: Any, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}")
        self.axis: Any = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.epsilon, self.center, self.scale = float(epsilon), bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = (
            initializers.get(beta_initializer),
            initializers.get(gamma_initializer),
        )
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that have parameters, counted from 0.

        Raises:
            ShapeError: the input has no such axis.
        """
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -ndim <= a < ndim for a in axes):
            raise ShapeError(
                f"Layer '{self.name}' normalises axis {self.axis}, which an input of rank {ndim} does not have."
            )
        return tuple(sorted(a % ndim for a in axes))

    def check_input(self, inputs: Any) -> None:
        """The sizes it was built for."""
        super().check_input(inputs)
        axes = self.axes(len(inputs.shape))
        if self.weights:
            for axis, size in zip(axes, self.weights[0].shape, strict=True):
                self.check_features(inputs.shape, axis, size)

    def spread(self, weight: Weight, x: Any) -> Array:
        """A parameter, ready to broadcast along the other axes."""
        axes = self.axes(x.ndim)
        return weight.value.reshape([x.shape[a] if a in axes else 1 for a in range(x.ndim)])

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> SymbolicTensor:
        """The input's shape."""
        return SymbolicTensor(inputs.shape, self.compute_dtype)


@register
class LayerNormalization(_Normalization):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, both taken along `axis` of each row. Arguments as Keras'.

    With `rms_scaling` the mean is not taken away and beta not added. Source: Keras 3.15, `ops.layer_normalization`.
    """

    config_keys = (
        "axis", "epsilon", "center", "scale", "rms_scaling", "beta_initializer", "gamma_initializer", "beta_regularizer",
        "gamma_regularizer", "beta_constraint", "gamma_constraint",
    )  # fmt: skip
    config_extras = ("rms_scaling",)

    def __init__(
        self, axis: Any = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True, beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones", beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.rms_scaling = bool(kwargs.pop("rms_scaling", False))
        super().__init__(
            axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint, **kwargs,
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """gamma and beta, each of the sizes along `axis`."""
        shape = tuple(input_shape[a] for a in self.axes(len(input_shape)))
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(shape, self.gamma_initializer, name="gamma")
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta")

    def call(self, inputs: Any) -> Array:
        """The normalised input."""
        x = inputs.astype(self._np_dtype, copy=False)
        axes = self.axes(x.ndim)
        mean = np.mean(x, axes, keepdims=True)
        variance = np.mean(np.square(x - mean), axes, keepdims=True)
        y = (x if self.rms_scaling else x - mean) / np.sqrt(variance + np.asarray(self.epsilon, x.dtype))
        if self.gamma is not None:
            y = y * self.spread(self.gamma, x)
        return y if self.beta is None else y + self.spread(self.beta, x)


@register
class BatchNormalization(_Normalization):
    """gamma (x - moving_mean) / sqrt(moving_variance + epsilon) + beta along `axis`, at inference. Arguments as Keras'."""

    config_keys = (
        "axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
        "moving_variance_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint",
        "synchronized", "renorm", "renorm_clipping", "renorm_momentum",
    )  # fmt: skip

    def __init__(
        self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
        beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones", beta_regularizer: Any = None, gamma_regularizer: Any = None,
        beta_constraint: Any = None, gamma_constraint: Any = None, renorm: bool = False, renorm_clipping: Any = None,
        renorm_momentum: float = 0.99, synchronized: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint, **kwargs,
        )  # fmt: skip
        if renorm:
            raise ValueError("Batch renormalisation (`renorm=True`) is not supported.")
        self.momentum, self.synchronized, self.renorm = float(momentum), synchronized, False
        self.renorm_clipping, self.renorm_momentum = renorm_clipping, renorm_momentum
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        """gamma, beta, moving_mean, moving_variance, each of the size along `axis`."""
        shape = tuple(input_shape[a] for a in self.axes(len(input_shape)))
        if self.scale:
            self.gamma = self.add_weight(shape, self.gamma_initializer, name="gamma")
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta")
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, name="moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, name="moving_variance", trainable=False
        )

    def call(self, inputs: Any, mask: Any = None) -> Array:
        """The normalised input; `mask` would count in training alone."""
        x = inputs.astype(self._np_dtype, copy=False)
        factor = 1 / np.sqrt(self.spread(self.moving_variance, x) + np.asarray(self.epsilon, x.dtype))
        if self.gamma is not None:
            factor = factor * self.spread(self.gamma, x)
        y: Array = (x - self.spread(self.moving_mean, x)) * factor
        return y if self.beta is None else y + self.spread(self.beta, x)
