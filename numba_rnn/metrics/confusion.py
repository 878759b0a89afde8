"""What is right and wrong above thresholds: true and false positives and negatives, precision, recall and what constrains one by
the other.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.losses.reduction import as_float, divide_no_nan, paired, same_rank
from numba_rnn.metrics.metric import Metric, add

__all__ = [
    "KINDS", "FalseNegatives", "FalsePositives", "Precision", "PrecisionAtRecall", "Recall", "RecallAtPrecision",
    "SensitivityAtSpecificity", "SpecificityAtSensitivity", "TrueNegatives", "TruePositives",
]  # fmt: skip

KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")
LEAST = -1e10  # below every prediction: what is not among the top k


def parse_thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    """As a list.

    Raises:
        ValueError: one is not from 0 to 1.
    """
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    invalid = [t for t in found if t is None or not 0 <= t <= 1]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return found


def is_even(thresholds: Any) -> bool:
    """Whether they are at least three and divide 0 to 1 into equal parts."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.linspace(0, 1, n), atol=2e-7)


def confusion(
    y_true: Any, y_pred: Any, thresholds: Any, sample_weight: Any = None, top_k: int | None = None, class_id: int | None = None,
    label_weights: Any = None, by_label: bool = False,
) -> dict[str, Array]:  # fmt: skip
    """The weights of the four `KINDS` above each threshold.

    Args:
        y_true, y_pred: (B, ...), the targets true where not 0.
        thresholds: what a prediction must exceed to be positive.
        sample_weight: (B,) or (B, ...), or None.
        top_k: only the so many greatest predictions of each row can be positive.
        class_id: look at this class only.
        label_weights: weights along the last axis, or None.
        by_label: count for each place of the last axis by itself.

    Returns:
        Arrays (thresholds,), with `by_label` (thresholds, labels), of float64.

    Raises:
        ShapeError: shapes that do not fit.
        ValueError: `class_id` where there are no classes.
    """
    t, p = paired(y_true, y_pred)
    t, p = np.broadcast_arrays(t, p)
    weights = np.ones((), np.float64)
    if sample_weight is not None:
        _, weights = same_rank(t, as_float(sample_weight, np.float64)[..., None], expand_vectors=False)
    if top_k is not None:
        p = _only_best(p, top_k)
    if class_id is not None:
        if p.ndim == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), found shape: "
                f"{p.shape}"
            )
        t, p = t[..., class_id, None], p[..., class_id, None]
    if label_weights is not None:
        weights = weights * np.asarray(label_weights, np.float64)
    try:
        weights = np.broadcast_to(weights, p.shape)
    except ValueError:
        raise ShapeError(
            f"`sample_weight` does not fit. Expected: weights for predictions of shape {p.shape}. Received: shape {weights.shape}."
        ) from None
    exceeded, order = _exceeded(p, np.asarray(thresholds, p.dtype))
    positive = t.astype(bool)
    if by_label:
        columns = [_counts(*a, len(order)) for a in zip(exceeded.T, positive.T, weights.T, strict=True)]
        above = [np.stack(column, axis=-1) for column in zip(*columns, strict=True)]
    else:
        above = list(_counts(exceeded.ravel(), positive.ravel(), weights.ravel(), len(order)))
    tp, fp, all_true, all_false = above
    back = np.argsort(order)
    return dict(zip(KINDS, (tp[back], fp[back], (all_false - fp)[back], (all_true - tp)[back]), strict=True))


def _exceeded(p: Array, thresholds: Array) -> tuple[Array, Array]:
    """How many of the sorted thresholds each prediction exceeds, and their order."""
    order = np.argsort(thresholds, kind="stable")
    if is_even(thresholds):
        # Keras' arithmetic, which decides about a prediction within rounding of a threshold.
        last = p.dtype.type(len(thresholds) - 1)
        count = np.ceil(np.clip(np.nan_to_num(p, nan=0.0), 0, 1) * last).astype(np.int64)
        return (np.maximum(count, 1) if thresholds[0] < 0 or thresholds[-1] > 1 else count), order
    count = np.searchsorted(thresholds[order], p, side="left")
    return np.where(np.isnan(p), 0, count), order


def _counts(exceeded: Array, positive: Array, weights: Array, n: int) -> tuple[Array, Array, Array, Array]:
    """Weights of the true and the false above each threshold, and of all the true and all the false."""
    found = []
    for chosen in (positive, ~positive):
        by_count = np.bincount(exceeded[chosen], weights[chosen], minlength=n + 1)
        found.append(by_count[::-1].cumsum()[::-1][1:])
    return found[0], found[1], weights[positive].sum(), weights[~positive].sum()


def _only_best(p: Array, k: int) -> Array:
    best = np.argsort(-p, axis=-1, kind="stable")[..., :k]
    kept = np.full(p.shape, LEAST, p.dtype)
    np.put_along_axis(kept, best, np.take_along_axis(p, best, axis=-1), axis=-1)
    return kept


class _Counting(Metric):
    """Keeps some of the `KINDS`. `self.thresholds` says above what, `self._options` what else `confusion` is told."""

    kinds: ClassVar[tuple[str, ...]] = KINDS
    thresholds: Any

    def _start(self, thresholds: Any, shape: Any = (), **options: Any) -> None:
        self.thresholds, self._options = thresholds, options
        for kind in self.kinds:
            setattr(self, kind, self._zeros(kind, (len(thresholds), *shape)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; masks are not looked at, as in Keras.

        Raises:
            ShapeError: targets, predictions and weights do not fit.
        """
        found = confusion(y_true, y_pred, self.thresholds, sample_weight, **self._options)
        for kind in self.kinds:
            add(getattr(self, kind), found[kind])

    def _share(self, part: str, other: str) -> Array:
        """`part` in `part` and `other`, at each threshold."""
        a = getattr(self, part).value
        share: Array = divide_no_nan(a, a + getattr(self, other).value)
        return share

    def _one_or_all(self, values: Array) -> Any:
        return self._out(values[0] if len(self.thresholds) == 1 else values)


class _Count(_Counting):
    """One of the four."""

    config_keys = ("thresholds",)

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._start(parse_thresholds(thresholds))
        self._given = thresholds

    def result(self) -> Any:
        """The weight of those counted: a number, or one for each threshold."""
        return self._one_or_all(getattr(self, self.kinds[0]).value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self._given}


class TruePositives(_Count):
    """How many were predicted and true."""

    kinds = ("true_positives",)


class FalsePositives(_Count):
    """How many were predicted and not true."""

    kinds = ("false_positives",)


class TrueNegatives(_Count):
    """How many were neither predicted nor true."""

    kinds = ("true_negatives",)


class FalseNegatives(_Count):
    """How many were true and not predicted."""

    kinds = ("false_negatives",)


class _Share(_Counting):
    """Of the true positives and something else, the true positives' share."""

    def __init__(
        self, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None, name: str | None = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, dtype=dtype)
        self._given, self.top_k, self.class_id = thresholds, top_k, class_id
        self._start(parse_thresholds(thresholds, 0.5 if top_k is None else LEAST), top_k=top_k, class_id=class_id)

    def result(self) -> Any:
        """The share: a number, or one for each threshold."""
        return self._one_or_all(self._share(*self.kinds))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self._given, "top_k": self.top_k, "class_id": self.class_id}


class Precision(_Share):
    """What share of the predicted was true."""

    kinds = ("true_positives", "false_positives")


class Recall(_Share):
    """What share of the true was predicted."""

    kinds = ("true_positives", "false_negatives")


class _Constrained(_Counting):
    """The best of one share at those of `num_thresholds` thresholds where another is at least a given value."""

    asked: ClassVar[tuple[str, str]]  # the share that is constrained
    wanted: ClassVar[tuple[str, str]]
    argument: ClassVar[str]

    def _begin(self, value: float, num_thresholds: int, class_id: int | None) -> None:
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{self.argument}` must be in the range [0, 1]. Received: {self.argument}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self._value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        even = np.arange(num_thresholds) / max(num_thresholds - 1, 1)
        self._start([0.5] if num_thresholds == 1 else list(even), class_id=class_id)

    def result(self) -> Any:
        """The best share, 0 where none is left."""
        feasible = self._share(*self.asked) >= self._value
        return self._out(np.where(feasible, self._share(*self.wanted), 0).max(initial=0))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"num_thresholds": self.num_thresholds, self.argument: self._value, "class_id": self.class_id}
        return {**super().get_config(), **own}


SENSITIVITY = ("true_positives", "false_negatives")
SPECIFICITY = ("true_negatives", "false_positives")
PRECISION = ("true_positives", "false_positives")


class SensitivityAtSpecificity(_Constrained):
    """The best sensitivity where the specificity is at least `specificity`."""

    asked, wanted, argument = SPECIFICITY, SENSITIVITY, "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._begin(specificity, num_thresholds, class_id)


class SpecificityAtSensitivity(_Constrained):
    """The best specificity where the sensitivity is at least `sensitivity`."""

    asked, wanted, argument = SENSITIVITY, SPECIFICITY, "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._begin(sensitivity, num_thresholds, class_id)


class PrecisionAtRecall(_Constrained):
    """The best precision where the recall is at least `recall`."""

    asked, wanted, argument = SENSITIVITY, PRECISION, "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._begin(recall, num_thresholds, class_id)


class RecallAtPrecision(_Constrained):
    """The best recall where the precision is at least `precision`."""

    asked, wanted, argument = PRECISION, SENSITIVITY, "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._begin(precision, num_thresholds, class_id)
