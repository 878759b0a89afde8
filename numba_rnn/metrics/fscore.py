"""F scores: precision and recall as one number."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from numba_rnn.losses.reduction import EPSILON, as_float, paired
from numba_rnn.metrics.metric import Metric, add

__all__ = ["F1Score", "FBetaScore"]

AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """(1 + beta²) precision recall / (beta² precision + recall), on targets and predictions (B, classes).

    Args:
        average: None for a number a class, `"micro"` over all, `"macro"` their mean, `"weighted"` by how often they are true.
        beta: how many times more recall counts than precision.
        threshold: a prediction above it is positive; None: the greatest of a row is.
        name, dtype: see `Metric`.

    Raises:
        ValueError: another average, `beta` or `threshold` no float in its range.
    """

    config_keys: ClassVar[tuple[str, ...]] = ("average", "beta", "threshold")

    def __init__(
        self, average: str | None = None, beta: float = 1.0, threshold: float | None = None, name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, dtype=dtype)
        if average not in AVERAGES:
            raise ValueError(
                f"Invalid `average` argument value. Expected one of: {AVERAGES}. Received: average={average}"
            )
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"Invalid `beta` argument value. It should be a Python float > 0. Received: beta={beta!r}")
        if threshold is not None and (not isinstance(threshold, float) or not 0 < threshold <= 1):
            raise ValueError(
                "Invalid `threshold` argument value. It should be a Python float, 0 < threshold <= 1. Received: threshold="
                f"{threshold!r}"
            )
        self.average, self.beta, self.threshold = average, beta, threshold
        self._counts: list[Any] = []  # true positives, false positives, false negatives, true

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; `sample_weight` (B,) or None.

        Raises:
            ValueError: no matrices.
        """
        t, p = paired(y_true, y_pred)
        if t.ndim != 2 or p.ndim != 2:
            raise ValueError(
                f"FBetaScore expects 2D inputs with shape (batch_size, output_dim). Received input shapes: y_pred.shape={p.shape} "
                f"and y_true.shape={t.shape}."
            )
        axis = None if self.average == "micro" else 0
        if not self._counts:
            names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
            self._counts = [self._zeros(name, () if axis is None else p.shape[1:]) for name in names]
        best = (p >= p.max(axis=-1, keepdims=True)) & (np.abs(p) > 1e-9)
        chosen = best if self.threshold is None else p > self.threshold
        weights = 1.0 if sample_weight is None else as_float(sample_weight, np.float64)[:, None]
        for variable, value in zip(self._counts, (chosen * t, chosen * (1 - t), ~chosen * t, t), strict=True):
            add(variable, (value * weights).sum(axis=axis))

    def result(self) -> Any:
        """The score, or one for each class."""
        tp, fp, fn, true = (v.value for v in self._counts)
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        score = (1 + self.beta**2) * precision * recall / (self.beta**2 * precision + recall + EPSILON)
        if self.average == "weighted":
            score = (score * true / (true.sum() + EPSILON)).sum()
        elif self.average is not None:
            score = score.mean()
        return self._out(score)


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall. Arguments as `FBetaScore`'s."""

    config_keys = ("average", "threshold")

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score", dtype: Any = None
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
