"""A metric: numbers that batches are added to, and what they come to; sums and means first of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from numba_rnn import initializers
from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.layers.masks import get_mask, without_mask
from numba_rnn.layers.weight import Weight
from numba_rnn.losses.reduction import apply_mask, as_float, divide_no_nan, same_rank
from numba_rnn.ops.dtypes import standardize_dtype
from numba_rnn.ops.logits import carried
from numba_rnn.ops.naming import snake_case, unique_name

__all__ = ["Mean", "MeanMetricWrapper", "Metric", "Sum"]


class Metric:
    """Batches go in with `update_state`, `result` says what they come to, `reset_state` begins anew.

    A subclass makes its numbers with `add_variable` and overrides `update_state` and `result`.

    Args:
        dtype: what results are in, `floatx()` if None. The library's own metrics add up in float64.
        name: made from the class if None.
    """

    keras_module: ClassVar[str] = "keras.metrics"
    config_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.dtype = standardize_dtype(dtype)
        self._variables: list[Weight] = []

    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: Any = None,
        name: str = "variable",
    ) -> Weight:
        """A number or an array of them that `reset_state` sets to zero; `aggregation` is accepted for Keras' sake."""
        made = Weight(name, tuple(shape), dtype or self.dtype, initializers.get(initializer), trainable=False)
        self._variables.append(made)
        return made

    add_weight = add_variable

    def _zeros(self, name: str, shape: Any = ()) -> Weight:
        return self.add_variable(shape, "zeros", "float64", name=name)

    @property
    def variables(self) -> list[Weight]:
        """Its own numbers, and those of metrics that are its attributes."""
        inner = [m for value in vars(self).values() if isinstance(value, Metric) for m in value.variables]
        return self._variables + inner

    def reset_state(self) -> None:
        """Begin anew."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"Metric {type(self).__name__} does not have an `update_state()` method implemented.")

    def result(self) -> Any:
        """What the batches come to."""
        raise NotImplementedError(f"Metric {type(self).__name__} does not have a `result()` method implemented.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def _out(self, value: Any) -> Any:
        """A result: a number or an array of the metric's dtype."""
        return np.asarray(value).astype(self.dtype)[()]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype, **{k: getattr(self, k) for k in self.config_keys}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The metric that `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def add(variable: Weight, value: Any) -> None:
    """Add to a variable in place."""
    variable.assign(variable.value + np.asarray(value, variable.dtype))


def _by_row(values: Any, sample_weight: Any, reduce: Callable[..., Array], dtype: Any) -> tuple[Array, Any]:
    """One value for each row: the others reduced, all weighted; and the rows' weights, None where there are none."""
    mask = get_mask(values)
    values = as_float(without_mask(values), dtype)
    if sample_weight is not None:
        weights = as_float(apply_mask(sample_weight, mask, dtype, "sum"), dtype)
        values, weights = same_rank(values, weights)
        if values.ndim > weights.ndim:
            values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
        try:
            weights = np.broadcast_to(weights, values.shape)
        except ValueError:
            raise ShapeError(
                f"`sample_weight` does not fit. Expected: weights for values of shape {values.shape}. Received: shape "
                f"{weights.shape}."
            ) from None
        values = values * weights
        if weights.ndim > 1:
            weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
        sample_weight = weights
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, sample_weight


class Sum(Metric):
    """The weighted sum of values."""

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self._zeros("total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values (B, ...) with weights for each or for their rows."""
        add(self.total, _by_row(values, sample_weight, np.sum, "float64")[0].sum())

    def result(self) -> Any:
        """The sum."""
        return self._out(self.total.value)


class Mean(Metric):
    """The weighted mean of values."""

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total, self.count = self._zeros("total"), self._zeros("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values (B, ...) with weights for each or for their rows.

        Raises:
            ShapeError: the weights do not fit.
            DTypeError: something that is not made of real numbers.
        """
        by_row, weights = _by_row(values, sample_weight, np.mean, "float64")
        add(self.total, by_row.sum())
        add(self.count, weights.sum() if weights is not None else by_row.shape[0] if by_row.ndim else 1)

    def result(self) -> Any:
        """The mean; 0 where nothing was counted."""
        return self._out(divide_no_nan(self.total.value, self.count.value))


class MeanMetricWrapper(Mean):
    """The mean of what `fn(y_true, y_pred, **kwargs)` returns for each row (and step)."""

    config_keys: ClassVar[tuple[str, ...]] = ("fn",)

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(str(name or getattr(fn, "__name__", "mean")), dtype)
        self.fn, self._fn_kwargs = fn, kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch. A mask that `y_pred` carries is a weight of 0 or 1.

        Raises:
            ShapeError: targets, predictions and weights do not fit.
            DTypeError: something that is not made of real numbers.
        """
        values = self.fn(without_mask(y_true), carried(without_mask(y_pred), y_pred), **self._fn_kwargs)
        super().update_state(values, apply_mask(sample_weight, get_mask(y_pred), "float64", "sum"))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the function itself where it is not one of Keras' metrics."""
        return {**super().get_config(), **({} if "fn" not in self.config_keys else self._fn_kwargs)}
