"""The area under a curve: receiver operating characteristic, precision over recall, or their gains."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.losses.reduction import EPSILON, as_float, divide_no_nan
from numba_rnn.metrics.confusion import KINDS, confusion
from numba_rnn.metrics.metric import Metric, add

__all__ = ["AUC"]

CURVES = ("ROC", "PR", "PRGAIN")
METHODS = ("interpolation", "majoring", "minoring")


class AUC(Metric):
    """The area under a curve, approximated at thresholds.

    Args:
        num_thresholds: so many between 0 and 1, ends included.
        curve: `"ROC"`, `"PR"` or `"PRGAIN"` (precision gain over recall gain, Flach and Kull 2015).
        summation_method: `"interpolation"`, `"majoring"` or `"minoring"`: the middle, the upper or the lower sum. PR is
            interpolated as Davis and Goadrich (2006) have it.
        name, dtype: see `Metric`.
        thresholds: others than even ones, strictly between 0 and 1.
        multi_label: an area for each label (the last axis), then their mean, weighted by `label_weights` where given.
        num_labels: how many labels there are, where that shall be checked.
        label_weights: weights of the labels; without `multi_label` of the predictions for them.
        from_logits: predictions go through a sigmoid first.

    Raises:
        ValueError: another curve or method, fewer than two thresholds, `num_labels` without `multi_label`.
    """

    config_keys = (
        "num_thresholds", "curve", "summation_method", "multi_label", "num_labels", "label_weights", "from_logits",
    )  # fmt: skip

    def __init__(
        self, num_thresholds: int = 200, curve: str = "ROC", summation_method: str = "interpolation", name: str | None = None,
        dtype: Any = None, thresholds: Any = None, multi_label: bool = False, num_labels: int | None = None,
        label_weights: Any = None, from_logits: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(name=name, dtype=dtype)
        if str(curve).upper() not in CURVES:
            raise ValueError(f'Invalid AUC curve value: "{curve}". Expected values are {list(CURVES)}')
        if str(summation_method).lower() not in METHODS:
            raise ValueError(
                f'Invalid AUC summation method value: "{summation_method}". Expected values are {list(METHODS)}'
            )
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
            )
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self.curve, self.summation_method = str(curve).upper(), str(summation_method).lower()
        inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1) if thresholds is None else np.sort(thresholds)
        self._given = thresholds is not None
        # Beyond 0 and 1, so that the ends of the curve are reached.
        self.thresholds = [0.0 - EPSILON, *(float(t) for t in inner), 1.0 + EPSILON]
        self.num_thresholds = len(self.thresholds)
        self.multi_label, self.num_labels = multi_label, num_labels
        self.label_weights = None if label_weights is None else [float(w) for w in label_weights]
        self.from_logits = from_logits
        self._counts: dict[str, Any] = {}
        if not multi_label or num_labels:
            self._make((num_labels,) if multi_label else ())

    def _make(self, labels: Any) -> None:
        self._counts = {kind: self._zeros(kind, (self.num_thresholds, *labels)) for kind in KINDS}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: targets 0 or 1, predictions from 0 to 1; masks are not looked at, as in Keras.

        Raises:
            ShapeError: targets, predictions and weights do not fit.
            ValueError: with `multi_label`, no matrix of predictions, or another number of labels.
        """
        p = as_float(y_pred)
        if self.from_logits:
            p = 1 / (1 + np.exp(-p))
        if self.multi_label:
            if p.ndim != 2 or self.num_labels not in {None, p.shape[1]}:
                raise ValueError(
                    f"`y_pred` must have rank 2 when `multi_label=True`, and one column for each label. Expected: (B, "
                    f"{self.num_labels or 'labels'}). Received: {p.shape}."
                )
            if not self._counts:
                self._make(p.shape[1:])
        weights = None if self.multi_label else self.label_weights
        options: Any = {"label_weights": weights, "by_label": self.multi_label}
        for kind, found in confusion(y_true, p, self.thresholds, sample_weight, **options).items():
            add(self._counts[kind], found)

    def result(self) -> Any:
        """The area, 0 before the first batch."""
        if not self._counts:
            return self._out(0.0)
        tp, fp, tn, fn = (self._counts[kind].value for kind in KINDS)
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated(tp, fp, fn)
        else:
            x, y = self._curve(tp, fp, tn, fn)
            left, right = y[:-1], y[1:]
            heights = {"interpolation": (left + right) / 2, "minoring": np.minimum(left, right)}
            areas = (x[:-1] - x[1:]) * heights.get(self.summation_method, np.maximum(left, right))
        area = areas.sum(axis=0)
        if self.multi_label:
            area = np.average(area, weights=self.label_weights)
        return self._out(area)

    def _curve(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        recall = divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, divide_no_nan(tp, tp + fp)
        odds = divide_no_nan(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0, 1 - odds * divide_no_nan(fn, tp))
        precision_gain = np.where(tp == 0, 1, 1 - odds * divide_no_nan(fp, tp))
        return np.maximum(recall_gain, 0), precision_gain

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **({"thresholds": self.thresholds[1:-1]} if self._given else {})}


def _interpolated(tp: Array, fp: Array, fn: Array) -> Array:
    """Between two thresholds the true positives grow linearly with the predicted: the integral of the precision in closed form."""
    positive = tp + fp
    gained = tp[:-1] - tp[1:]
    slope = divide_no_nan(gained, np.maximum(positive[:-1] - positive[1:], 0))
    intercept = tp[1:] - slope * positive[1:]
    both = (positive[:-1] > 0) & (positive[1:] > 0)
    ratio = np.where(both, divide_no_nan(positive[:-1], positive[1:]), 1)
    return np.asarray(divide_no_nan(slope * (gained + intercept * np.log(ratio)), np.maximum(tp[1:] + fn[1:], 0)))
