"""Normalisation with statistics of the input (layer), or of the batch in training and of all training data after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import constraints, initializers, regularizers
from numba_rnn._typing import Array
from numba_rnn.config import epsilon as tiny
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import AT_LEAST_ONE, InputSpec, check_spec
from numba_rnn.layers.registry import register
from numba_rnn.layers.weight import Weight
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["BatchNormalization", "LayerNormalization"]


class _Normalization(Layer):
    supports_masking = True
    checks_sizes = True  # in `spread`
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
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

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
        check_spec(AT_LEAST_ONE, inputs, self.name)
        axes = self.axes(len(inputs.shape))
        if self.weights:
            for axis, size in zip(axes, self.weights[0].shape, strict=True):
                self.check_features(inputs.shape, axis, size)

    def spread(self, weight: Weight, x: Any) -> Array:
        """A parameter, ready to broadcast along the other axes."""
        axes = self.axes(x.ndim)
        if weight.shape != tuple(x.shape[a] for a in axes):
            self.check_input(x)
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
            gamma_constraint, **{**kwargs, "autocast": False},
        )  # fmt: skip

    def build(self, input_shape: Any) -> None:
        """gamma and beta, each of the sizes along `axis`."""
        self.axis = self.axis if isinstance(self.axis, list) else [self.axis]  # as Keras notes it from then on
        shape = tuple(input_shape[a] for a in self.axes(len(input_shape)))
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, name="gamma", regularizer=self.gamma_regularizer
            )
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta", regularizer=self.beta_regularizer)

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
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along `axis`. Arguments as Keras'.

    Mean and variance are `moving_mean` and `moving_variance`; with `training=True`, unless `trainable` is False, the batch's, and
    each moving number m then becomes momentum m + (1 - momentum) batch. Elements with a mask of false count in neither.
    """

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
        if not isinstance(axis, int):
            raise TypeError(f"`axis` of a BatchNormalization must be one whole number. Received: axis={axis!r}")
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
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, name="gamma", regularizer=self.gamma_regularizer
            )
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta", regularizer=self.beta_regularizer)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, name="moving_mean", trainable=False)
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, name="moving_variance", trainable=False
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: input_shape[self.axis]})

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Array:
        """The normalised input; the mask has all its axes but the last and counts in training alone."""
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise ShapeError(
                "The mask provided should be one dimension less than the inputs. Received: "
                f"mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        x = inputs.astype(self._np_dtype, copy=False)
        mean, variance = self.spread(self.moving_mean, x), self.spread(self.moving_variance, x)
        if training and self.trainable:
            mean, variance = self._batch_statistics(x, mask)
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving.value * self.momentum + batch.reshape(-1) * (1 - self.momentum))
        factor = 1 / np.sqrt(variance + np.asarray(self.epsilon, x.dtype))
        if self.gamma is not None:
            factor = factor * self.spread(self.gamma, x)
        y: Array = (x - mean) * factor
        return y if self.beta is None else y + self.spread(self.beta, x)

    def _batch_statistics(self, x: Array, mask: Any) -> tuple[Array, Array]:
        """Mean and variance over all axes but one, ready to broadcast."""
        others = tuple(set(range(x.ndim)) - set(self.axes(x.ndim)))
        if mask is None:
            return np.mean(x, others, keepdims=True), np.var(x, others, keepdims=True)
        counts = np.broadcast_to(np.asarray(mask, bool)[..., None], x.shape)
        n = np.sum(counts, others, keepdims=True, dtype=x.dtype) + np.asarray(tiny(), x.dtype)
        mean = np.sum(np.where(counts, x, 0), others, keepdims=True, dtype=x.dtype) / n
        return mean, np.sum(np.where(counts, x - mean, 0) ** 2, others, keepdims=True, dtype=x.dtype) / n
