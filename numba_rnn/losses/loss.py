"""A loss as an object: a function of targets and predictions, then one number of its many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers.masks import get_mask, without_mask
from numba_rnn.losses.reduction import as_float, check_reduction, reduce_weighted, same_rank
from numba_rnn.ops.dtypes import standardize_dtype
from numba_rnn.ops.logits import carried
from numba_rnn.ops.naming import snake_case, unique_name
from numba_rnn.ops.tree import map_structure

__all__ = ["Loss", "LossFunctionWrapper"]


class Loss:
    """Called with targets and predictions it returns one number. A subclass says in `call` what each row (and step) costs.

    Args:
        name: made from the class if None.
        reduction: `"sum_over_batch_size"` or `"mean"` (over all values), `"sum"`, `"mean_with_sample_weight"` (over the weights),
            None or `"none"` for all values.
        dtype: what it computes in, `floatx()` if None.

    Raises:
        ValueError: another reduction.
    """

    keras_module: ClassVar[str] = "keras.losses"
    config_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str | None = None, reduction: Any = "sum_over_batch_size", dtype: Any = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.reduction = check_reduction(reduction)
        self.dtype = standardize_dtype(dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss.

        Args:
            y_true, y_pred: arrays (B, ...). A mask that `y_pred` carries leaves values out.
            sample_weight: (B,), or a weight for every value of `call`, or None.

        Raises:
            ShapeError: targets, predictions and weights do not fit.
            DTypeError: something that is not made of real numbers.
        """
        mask = get_mask(y_pred)
        y_true, y_pred = (map_structure(self._floats, y) for y in (y_true, y_pred))
        values = self.call(y_true, y_pred)
        own = get_mask(values)
        if own is not None:
            mask = own if mask is None else np.logical_and(mask, own)
        return reduce_weighted(as_float(without_mask(values), self.dtype), sample_weight, mask, self.reduction)

    def _floats(self, y: Any) -> Array:
        return carried(as_float(without_mask(y), self.dtype), y)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """What each row (and step) costs."""
        raise NotImplementedError(f"Loss {type(self).__name__} does not have a `call()` method implemented.")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction, **{k: getattr(self, k) for k in self.config_keys}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss that `get_config` describes."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A function `fn(y_true, y_pred, **kwargs)` as a loss."""

    config_keys: ClassVar[tuple[str, ...]] = ("fn",)

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Any = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """The function's values, targets and predictions brought to one rank where the last axis allows."""
        if isinstance(y_true, np.ndarray) and isinstance(y_pred, np.ndarray):
            y_true, y_pred = same_rank(y_true, y_pred)
        values: Array = self.fn(y_true, y_pred, **self._fn_kwargs)
        return values

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the function itself where it is not one of Keras' losses."""
        return {**super().get_config(), **({} if "fn" not in self.config_keys else self._fn_kwargs)}
