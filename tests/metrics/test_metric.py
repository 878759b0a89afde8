"""What each metric comes to, in numbers worked out by hand; and metrics of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import metrics
from numba_rnn.config import settings
from numba_rnn.errors import ShapeError
from numba_rnn.layers.masks import set_mask

# Four predictions, the third and the last too high or too low at 0.5.
T4, P4, W4 = np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.6, 0.4]), np.array([1.0, 2.0, 3.0, 4.0])
CLASSES = np.array([0, 2, 1])
P3 = np.array([[0.5, 0.3, 0.2], [0.5, 0.1, 0.4], [0.6, 0.3, 0.1]])
ONE_HOT = np.eye(3)[CLASSES]
SQUARES = np.zeros((3, 1)), np.array([[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "weight", "expected"),
    [
        (metrics.Accuracy(), [1, 2, 3], [1, 2, 4], None, 2 / 3),
        (metrics.Accuracy(), [1, 2, 3], [1, 2, 4], [1, 0, 1], 0.5),
        (metrics.BinaryAccuracy(), T4, P4, None, 0.5),
        (metrics.BinaryAccuracy(threshold=0.3), T4, P4, W4, 0.7),
        (metrics.CategoricalAccuracy(), ONE_HOT, P3, None, 1 / 3),
        (metrics.SparseCategoricalAccuracy(), CLASSES, P3, [3, 1, 2], 0.5),
        (metrics.SparseCategoricalAccuracy(), CLASSES[:, None], P3, None, 1 / 3),
        (metrics.TopKCategoricalAccuracy(k=2), ONE_HOT, P3, None, 1),
        (metrics.SparseTopKCategoricalAccuracy(k=1), CLASSES, P3, None, 1 / 3),
        (metrics.MeanSquaredError(), *SQUARES, None, 14 / 3),
        (metrics.MeanSquaredError(), *SQUARES, [1, 0, 1], 5),
        (metrics.RootMeanSquaredError(), *SQUARES, [1, 0, 1], 5**0.5),
        (metrics.MeanAbsoluteError(), *SQUARES, [1, 1, 2], 9 / 4),
        (metrics.CosineSimilarity(), [[1, 0], [3, 4]], [[2.0, 0.0], [-6.0, -8.0]], [3, 1], 0.5),
        (metrics.TruePositives(), T4, P4, None, 1),
        (metrics.FalsePositives(), T4, P4, W4, 3),
        (metrics.TrueNegatives(thresholds=[0.05, 0.7]), T4, P4, None, [0, 2]),
        (metrics.FalseNegatives(thresholds=[0.7, 0.05]), T4, P4, W4, [4, 0]),
        (metrics.Precision(), T4, P4, W4, 2 / 5),
        (metrics.Precision(thresholds=0.95), T4, P4, None, 0),
        (metrics.Precision(top_k=1), ONE_HOT, P3, None, 1 / 3),
        (metrics.Recall(), T4, P4, W4, 2 / 6),
        (metrics.Recall(thresholds=[0.3, 0.5]), T4, P4, None, [1, 0.5]),
        (metrics.Recall(class_id=0, thresholds=0.5), ONE_HOT, P3, None, 0),
        (metrics.AUC(), T4, P4, None, 0.75),
        (metrics.AUC(num_thresholds=3, summation_method="majoring"), T4, P4, None, 0.75),
        (metrics.AUC(num_thresholds=3, summation_method="minoring"), T4, P4, None, 0.25),
        (metrics.AUC(multi_label=True), [[0, 1], [1, 0]], [[0.1, 0.2], [0.9, 0.8]], None, 0.5),
        (metrics.AUC(multi_label=True, label_weights=[3, 1]), [[0, 1], [1, 0]], [[0.1, 0.2], [0.9, 0.8]], None, 0.75),
        (metrics.SensitivityAtSpecificity(0.5), T4, P4, None, 1),
        (metrics.SensitivityAtSpecificity(1.0), T4, P4, None, 0.5),
        (metrics.SpecificityAtSensitivity(0.9), T4, P4, None, 0.5),
        (metrics.PrecisionAtRecall(1.0), T4, P4, None, 2 / 3),
        (metrics.RecallAtPrecision(0.9), T4, P4, None, 0.5),
        (metrics.F1Score(), [[1, 0], [0, 1], [1, 0]], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], None, [0.8, 0]),
        (metrics.FBetaScore("micro", beta=2.0, threshold=0.5), T4[:, None], P4[:, None], W4, 10 / 29),
        (metrics.R2Score(), [[1], [2], [3]], [[1.0], [2.0], [4.0]], None, 0.5),
        (metrics.R2Score(None), [[1, 0], [3, 4]], [[1.0, 1.0], [3.0, 4.0]], None, [1, 1 - 1 / 8]),
        (metrics.Mean(), None, [[1.0, 3.0], [4.0, 6.0]], [1, 3], 4.25),
        (metrics.Sum(), None, [[1.0, 3.0], [4.0, 6.0]], [1, 3], 34),
    ],
)  # fmt: skip
def test_by_hand(metric: metrics.Metric, y_true: Any, y_pred: Any, weight: Any, expected: Any) -> None:
    given = [np.asarray(y) for y in (y_true, y_pred) if y is not None]
    weight = None if weight is None else np.asarray(weight, float)
    result = metric(*given, sample_weight=weight)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    # Batch by batch it comes to the same.
    metric.reset_state()
    for i in range(len(given[0])):
        rows = slice(i, i + 1)
        metric.update_state(*(g[rows] for g in given), sample_weight=None if weight is None else weight[rows])
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6, atol=1e-6)


def test_pr_by_the_formula() -> None:
    # Davis and Goadrich: between two points the true positives grow linearly with all positives.
    auc = metrics.AUC(curve="PR", num_thresholds=3)
    t, p = np.array([1, 0, 1, 1]), np.array([0.9, 0.8, 0.7, 0.2])
    # Above 0.5: tp 2, fp 1; above 0: tp 3, fp 1; above 1 + epsilon: none.
    first = 2 / 3 * (2 + 0) / 3
    second = 1 * (1 + (2 - 3) * np.log(4 / 3)) / 3
    assert auc(t, p) == pytest.approx(first + second, abs=1e-6)


def test_masks_are_weights() -> None:
    y, p = np.zeros((2, 2, 1)), np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
    masked = set_mask(p, np.array([[True, False], [True, True]]))
    assert metrics.MeanSquaredError()(y, masked) == pytest.approx((0.5 * 1 + 25 / 2) / 1.5)
    assert metrics.MeanSquaredError()(y, p) == 7.5


def test_long_sums_stay_exact() -> None:
    mean = metrics.Mean()
    for _ in range(3):
        mean.update_state(np.full(2**14, 16777217.0))
    assert float(mean.total.value) == 3 * 2**14 * 16777217.0


def test_a_metric_of_ones_own() -> None:
    class Largest(metrics.Metric):
        def __init__(self, name: str = "largest") -> None:
            super().__init__(name=name)
            self.most = self.add_variable(shape=(), initializer="zeros", name="most")
            self.inner = metrics.Mean(name="inner")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            error = np.abs(y_true - y_pred)
            self.most.assign(max(float(self.most.value), error.max()))
            self.inner.update_state(error)

        def result(self) -> Any:
            return self.most.value

    metric = Largest()
    assert metric(np.array([1.0]), np.array([4.0])) == metric(np.array([1.0]), np.array([2.0])) == 3
    assert [v.name for v in metric.variables] == ["most", "total", "count"]
    assert metric.inner.result() == 2
    metric.reset_state()
    assert metric.result() == metric.inner.result() == 0
    assert repr(metric) == "<Largest name=largest>"
    for call in (metrics.Metric().update_state, metrics.Metric().result):
        with pytest.raises(NotImplementedError, match="does not have"):
            call()


def test_names() -> None:
    assert isinstance(metrics.get("mse"), metrics.MeanSquaredError)
    assert isinstance(metrics.get("top_k_categorical_accuracy"), metrics.TopKCategoricalAccuracy)
    assert metrics.get({"class_name": "Precision", "config": {"thresholds": 0.3}}).thresholds == [0.3]
    assert metrics.get(metrics.mean_squared_error) is metrics.mean_squared_error
    assert metrics.get(None) is None
    with pytest.raises(ValueError, match=r"Could not interpret metric identifier: nonsense. Known: .*precision"):
        metrics.get("nonsense")
    with pytest.raises(ValueError, match="needs arguments"):
        metrics.get("PrecisionAtRecall")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: metrics.Precision(thresholds=[0.5, 2]), r"must be in \[0, 1\]. Received: \[2\]"),
        (lambda: metrics.BinaryAccuracy(threshold=1), "threshold=1"),
        (lambda: metrics.AUC(curve="XY"), 'Invalid AUC curve value: "XY"'),
        (lambda: metrics.AUC(summation_method="all"), "summation method"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds=1"),
        (lambda: metrics.AUC(num_labels=2), "`num_labels` is needed only"),
        (
            lambda: metrics.AUC(multi_label=True, num_labels=2)(np.ones((2, 3)), np.ones((2, 3))),
            r"\(B, 2\). Received: \(2, 3\)",
        ),
        (lambda: metrics.SensitivityAtSpecificity(2), r"range \[0, 1\]. Received: specificity=2"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds=0"),
        (lambda: metrics.FBetaScore("all"), "average=all"),
        (lambda: metrics.FBetaScore(beta=1), "beta=1"),
        (lambda: metrics.F1Score(threshold=2.0), "threshold=2.0"),
        (lambda: metrics.F1Score()(np.ones(2), np.ones(2)), "expects 2D inputs"),
        (lambda: metrics.R2Score("sum"), "class_aggregation=sum"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors=-1"),
        (lambda: metrics.R2Score()(np.ones(2), np.ones(2)), "expects 2D inputs"),
        (lambda: metrics.Recall(class_id=1)(np.ones(2), np.ones(2)), "When class_id is provided"),
    ],
)
def test_refusals(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_shapes_that_do_not_fit() -> None:
    for metric in (metrics.MeanSquaredError(), metrics.Precision(), metrics.RootMeanSquaredError()):
        with pytest.raises(ShapeError, match="`sample_weight`"):
            metric(np.ones((2, 3)), np.ones((2, 3)), np.ones(4))
        with pytest.raises(ShapeError, match="Targets and predictions do not fit"):
            metric(np.ones((2, 3)), np.ones((2, 4)))
    for metric in (
        metrics.CategoricalAccuracy(),
        metrics.SparseCategoricalAccuracy(),
        metrics.TopKCategoricalAccuracy(),
    ):
        with pytest.raises(ShapeError, match="one class for each row"):
            metric(np.ones((3, 2, 4)), np.ones((2, 4)))


def test_results_are_in_floatx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "floatx", "float64")
    metric, single = metrics.Mean(), metrics.Mean(dtype="float32")
    for mean in (metric, single):
        mean.update_state([0.1, 0.2])
    assert (metric.result().dtype, single.result().dtype) == (np.float64, np.float32)
