"""Losses as metrics: their mean over all that was seen; and errors that are no plain mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.losses import functions
from numba_rnn.losses.reduction import as_float, paired
from numba_rnn.metrics.metric import Mean, MeanMetricWrapper, Metric, add

__all__ = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "KLDivergence",
    "LogCoshError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
    "Poisson", "R2Score", "RootMeanSquaredError", "SparseCategoricalCrossentropy", "SquaredHinge",
]  # fmt: skip


class _Plain(MeanMetricWrapper):
    """The mean of a loss without options."""

    config_keys: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[Callable[..., Any]]
    default_name: ClassVar[str | None] = None

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        function = type(self).function
        super().__init__(function, name or self.default_name or function.__name__, dtype)


class MeanSquaredError(_Plain):
    """mean((t - p)²)."""

    function = staticmethod(functions.mean_squared_error)


class MeanAbsoluteError(_Plain):
    """mean(|t - p|)."""

    function = staticmethod(functions.mean_absolute_error)


class MeanAbsolutePercentageError(_Plain):
    """100 mean(|t - p| / |t|)."""

    function = staticmethod(functions.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Plain):
    """mean((log(1 + t) - log(1 + p))²)."""

    function = staticmethod(functions.mean_squared_logarithmic_error)


class LogCoshError(_Plain):
    """mean(log(cosh(p - t)))."""

    function = staticmethod(functions.log_cosh)
    default_name = "logcosh"


class Hinge(_Plain):
    """mean(max(0, 1 - t p))."""

    function = staticmethod(functions.hinge)


class SquaredHinge(_Plain):
    """mean(max(0, 1 - t p)²)."""

    function = staticmethod(functions.squared_hinge)


class CategoricalHinge(_Plain):
    """max(0, 1 + max((1 - t) p) - sum(t p))."""

    function = staticmethod(functions.categorical_hinge)


class KLDivergence(_Plain):
    """sum(t log(t / p))."""

    function = staticmethod(functions.kl_divergence)


class Poisson(_Plain):
    """mean(p - t log(p))."""

    function = staticmethod(functions.poisson)


def _cosine(y_true: Any, y_pred: Any, axis: Any) -> Array:
    return -functions.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """The cosine of the angle between t and p: 1 where they point the same way (the loss has the other sign)."""

    config_keys = ("axis",)

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: Any = -1) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)
        self.axis = axis


class BinaryCrossentropy(MeanMetricWrapper):
    """mean(-t log(p) - (1 - t) log(1 - p))."""

    config_keys = ("from_logits", "label_smoothing")

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        options: Any = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(functions.binary_crossentropy, name, dtype, **options)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """-sum(t log(p)), t one-hot."""

    config_keys = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self, name: str = "categorical_crossentropy", dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0,
        axis: Any = -1,
    ) -> None:  # fmt: skip
        options: Any = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(functions.categorical_crossentropy, name, dtype, **options)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """-log(p of the true class), targets numbers of classes.

    As in Keras, those of `ignore_class` are left out of the mean only where weights or masks are given; else they count as 0.
    """

    config_keys = ("from_logits", "ignore_class", "axis")

    def __init__(
        self, name: str = "sparse_categorical_crossentropy", dtype: Any = None, from_logits: bool = False,
        ignore_class: int | None = None, axis: int = -1,
    ) -> None:  # fmt: skip
        options: Any = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(functions.sparse_categorical_crossentropy, name, dtype, **options)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis


class RootMeanSquaredError(Mean):
    """sqrt(mean((t - p)²)) over all that was seen."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch; masks are not looked at, as in Keras."""
        t, p = paired(y_true, y_pred)
        super().update_state(np.square(p - t), sample_weight)

    def result(self) -> Any:
        """The root."""
        return self._out(np.sqrt(super().result()))


class R2Score(Metric):
    """1 - sum((t - p)²) / sum((t - mean(t))²) for each output, on targets and predictions (B, outputs).

    Args:
        class_aggregation: `"uniform_average"`, `"variance_weighted_average"`, or None for one number an output.
        num_regressors: of the adjusted score, 0 for the plain one.
        name, dtype: see `Metric`.

    Raises:
        ValueError: another aggregation, or a negative number.
    """

    config_keys = ("class_aggregation", "num_regressors")

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        valid = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in valid:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {valid}. Received: class_aggregation="
                f"{class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                f"Invalid value for argument `num_regressors`. Expected a value >= 0. Received: num_regressors={num_regressors}"
            )
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self._zeros("num_samples")
        self._sums: list[Any] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Raises:
            ValueError: no matrices.
        """
        t, p = (a.astype(np.float64) for a in paired(y_true, y_pred))
        if t.ndim != 2 or p.ndim != 2:
            raise ValueError(
                f"R2Score expects 2D inputs with shape (batch_size, output_dim). Received input shapes: y_pred.shape={p.shape} and "
                f"y_true.shape={t.shape}."
            )
        if not self._sums:
            self._sums = [self._zeros(name, p.shape[1:]) for name in ("squared_sum", "sum", "residual", "count")]
        w = as_float(1 if sample_weight is None else sample_weight, np.float64)
        w = np.broadcast_to(w[:, None] if w.ndim == 1 else w, t.shape)
        for variable, value in zip(self._sums, (t * t * w, t * w, (t - p) ** 2 * w, w), strict=True):
            add(variable, value.sum(axis=0))
        add(self.num_samples, t.size)

    def result(self) -> Any:
        """The score."""
        squares, total, residual, count = (v.value for v in self._sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = squares - total * (total / count)
            score = 1 - residual / spread
        score = np.where(np.isinf(score), 0, score)
        if self.class_aggregation == "uniform_average":
            score = score.mean()
        elif self.class_aggregation is not None:
            score = (spread * score).sum() / spread.sum()
        n, k = float(self.num_samples.value), self.num_regressors
        if k and n - k - 1 > 0:
            score = 1 - (1 - score) * (n - 1) / (n - k - 1)
        return self._out(score)
