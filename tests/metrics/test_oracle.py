"""Metrics against Keras itself: batches, weights, masks, configs and names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import metrics
from numba_rnn.layers.masks import set_mask

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

B, T, C = 13, 4, 3
Rng = np.random.Generator


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).astype("float32")


def numbers(rng: Rng) -> tuple[Any, Any]:
    return rng.normal(size=(B, C)).astype("float32"), rng.normal(size=(B, C)).astype("float32")


def series(rng: Rng) -> tuple[Any, Any]:
    return rng.normal(size=(B, T, C)).astype("float32"), rng.normal(size=(B, T, C)).astype("float32")


def shares(rng: Rng) -> tuple[Any, Any]:
    return tuple(softmax(a) for a in series(rng))  # type: ignore[return-value]


def one_hot(rng: Rng) -> tuple[Any, Any]:
    return np.eye(C, dtype="float32")[rng.integers(0, C, (B, T))], shares(rng)[1]


def classes(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, C, (B, T)), shares(rng)[1]


def ids(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, C, (B, T)), rng.integers(0, C, (B, T)).astype("float32")


def column(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, C, (B, 1)), softmax(numbers(rng)[1])


def binary(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, 2, (B, 1)), rng.random((B, 1)).astype("float32")


def labels(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, 2, (B, C)), rng.random((B, C)).astype("float32")


def grid(rng: Rng) -> tuple[Any, Any]:
    """Predictions that stand on thresholds."""
    return rng.integers(0, 2, (B, C)), (rng.integers(0, 11, (B, C)) / 10).astype("float32")


def logits(rng: Rng) -> tuple[Any, Any]:
    return rng.integers(0, 2, (B, C)), rng.normal(size=(B, C)).astype("float32")


def flat_one_hot(rng: Rng) -> tuple[Any, Any]:
    return np.eye(C, dtype="float32")[rng.integers(0, C, B)], softmax(numbers(rng)[1])


CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("MeanSquaredError", {}, series),
    ("MeanAbsoluteError", {}, series),
    ("MeanAbsolutePercentageError", {}, series),
    ("MeanSquaredLogarithmicError", {}, series),
    ("RootMeanSquaredError", {}, series),
    ("LogCoshError", {}, series),
    ("CosineSimilarity", {}, series),
    ("Hinge", {}, series),
    ("SquaredHinge", {}, series),
    ("CategoricalHinge", {}, one_hot),
    ("KLDivergence", {}, shares),
    ("Poisson", {}, shares),
    ("BinaryCrossentropy", {}, labels),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, logits),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot),
    ("SparseCategoricalCrossentropy", {}, classes),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, classes),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, classes),
    ("Accuracy", {}, ids),
    ("BinaryAccuracy", {}, labels),
    ("BinaryAccuracy", {"threshold": 0.3}, binary),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, classes),
    ("SparseCategoricalAccuracy", {}, column),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, classes),
    ("TruePositives", {}, labels),
    ("FalsePositives", {"thresholds": [0.7, 0.2]}, labels),
    ("TrueNegatives", {"thresholds": 0.4}, binary),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, grid),
    ("Precision", {}, binary),
    ("Precision", {"top_k": 2}, labels),
    ("Precision", {"class_id": 1, "thresholds": 0.6}, labels),
    ("Recall", {}, labels),
    ("Recall", {"thresholds": [0.2, 0.6, 0.9]}, labels),
    ("Recall", {"top_k": 1, "class_id": 2}, labels),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, labels),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 1}, labels),
    ("PrecisionAtRecall", {"recall": 0.4, "class_id": 1}, labels),
    ("RecallAtPrecision", {"precision": 0.6, "num_thresholds": 11}, grid),
    ("AUC", {}, binary),
    ("AUC", {"num_thresholds": 11}, grid),
    ("AUC", {"curve": "PR"}, labels),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, labels),
    ("AUC", {"curve": "PRGAIN"}, labels),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.7, 0.1, 0.5]}, labels),
    ("AUC", {"multi_label": True}, labels),
    ("AUC", {"multi_label": True, "num_labels": C, "label_weights": [0.2, 0.5, 0.7], "curve": "PR"}, labels),
    ("AUC", {"label_weights": [0.2, 0.5, 0.7]}, labels),
    ("AUC", {"from_logits": True}, logits),
    ("F1Score", {}, flat_one_hot),
    ("F1Score", {"average": "macro", "threshold": 0.4}, labels),
    ("FBetaScore", {"average": "weighted", "beta": 2.0}, flat_one_hot),
    ("FBetaScore", {"average": "micro", "beta": 0.5}, labels),
    ("R2Score", {}, numbers),
    ("R2Score", {"class_aggregation": None}, numbers),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 2}, numbers),
]  # fmt: skip
IDS = [f"{name}-{'-'.join(map(str, options.values()))}-{make.__name__}" for name, options, make in CASES]


def close(ours: Any, theirs: Any) -> None:
    theirs = np.asarray(theirs)
    assert np.shape(ours) == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def masked(keras: Any, array: Any, mask: Any) -> tuple[Any, Any]:
    theirs = keras.ops.convert_to_tensor(array)
    theirs._keras_mask = keras.ops.convert_to_tensor(mask)
    return set_mask(array, mask), theirs


@pytest.mark.parametrize(("name", "options", "make"), CASES, ids=IDS)
def test_metric(name: str, options: dict[str, Any], make: Any, keras: Any, rng: Rng) -> None:
    ours, theirs = getattr(metrics, name)(**options, name="m"), getattr(keras.metrics, name)(**options, name="m")
    by_step = make(rng)[1].ndim == 3
    for weighted in (False, True):
        for _ in range(3):
            y_true, y_pred = make(rng)
            rows = (B, 1) if "ignore_class" in options else (B,)  # its mask has steps
            weight = rng.random(rows).astype("float32") if weighted else None
            ours.update_state(y_true, y_pred, sample_weight=weight)
            theirs.update_state(y_true, y_pred, sample_weight=weight)
            close(ours.result(), theirs.result())
        if by_step:
            y_true, y_pred = make(rng)
            weight = rng.random((B, T)).astype("float32") if weighted else None
            mine, other = masked(keras, y_pred, rng.random((B, T)) > 0.4)
            close(ours(y_true, mine, weight), theirs(y_true, other, weight))
        ours.reset_state()
        theirs.reset_state()
    assert all(not variable.value.any() for variable in ours.variables)


@pytest.mark.parametrize(("name", "options", "make"), CASES, ids=IDS)
def test_config(name: str, options: dict[str, Any], make: Any, keras: Any) -> None:
    ours, theirs = (getattr(lib, name)(**options, name="m") for lib in (metrics, keras.metrics))
    own, stored = ours.get_config(), theirs.get_config()
    if name == "CosineSimilarity":  # Keras forgets its axis
        stored = {**stored, "axis": -1}
    if name == "SparseTopKCategoricalAccuracy":  # Keras leaves a default out
        stored = {**stored, "from_sorted_ids": False}
    for key in ("label_weights", "thresholds"):
        if stored.get(key) is not None:
            np.testing.assert_allclose(own.pop(key), np.asarray(stored.pop(key)), rtol=1e-6)
    assert own == stored
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ((), None),
        ((B,), None),
        ((B, T), None),
        ((B,), (B,)),
        ((B, T), (B,)),
        ((B, T), (B, T)),
        ((B, 1), (B,)),
        ((B, T), (B, 1)),
    ],
)
def test_means_and_sums(name: str, values: Any, weights: Any, keras: Any, rng: Rng) -> None:
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(2):
        v = rng.normal(size=values).astype("float32")
        w = None if weights is None else rng.random(weights).astype("float32")
        close(ours(v, w), theirs(v, w))


def test_names(keras: Any) -> None:
    from keras.src.metrics import ALL_OBJECTS_DICT

    missing = {
        "IoU",
        "BinaryIoU",
        "MeanIoU",
        "OneHotIoU",
        "OneHotMeanIoU",
        "ConcordanceCorrelation",
        "PearsonCorrelation",
    }
    known = {name for name, cls in ALL_OBJECTS_DICT.items() if cls.__name__ not in missing}
    assert set(metrics.METRICS) - {"MeanMetricWrapper", "mean_metric_wrapper", "Metric", "metric"} == known - {
        "MeanMetricWrapper", "mean_metric_wrapper", "Metric", "metric",
    }  # fmt: skip
    for name in sorted(known):
        try:
            theirs = keras.metrics.get(name)
        except (TypeError, AttributeError):
            continue  # it needs arguments
        assert metrics.get(name).name.rstrip("_0123456789") == theirs.name.rstrip("_0123456789")


def test_functions(keras: Any, rng: Rng) -> None:
    for name, make in (
        ("binary_accuracy", labels),
        ("categorical_accuracy", one_hot),
        ("sparse_categorical_accuracy", classes),
        ("sparse_categorical_accuracy", column),
        ("top_k_categorical_accuracy", one_hot),
        ("sparse_top_k_categorical_accuracy", classes),
        ("sparse_top_k_categorical_accuracy", column),
    ):
        options = {"k": 2} if "top_k" in name else {}
        y_true, y_pred = make(rng)
        close(
            getattr(metrics, name)(y_true, y_pred, **options), getattr(keras.metrics, name)(y_true, y_pred, **options)
        )
    ids = np.array([[2, 0, 1], [1, 2, 0]], "float32")
    theirs = keras.metrics.sparse_top_k_categorical_accuracy(np.array([0.0, 0.0]), ids, k=2, from_sorted_ids=True)
    close(metrics.sparse_top_k_categorical_accuracy([0, 0], ids, k=2, from_sorted_ids=True), theirs)
    ties = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, np.inf], [np.nan, 0.3, 0.7]], "float32")
    for target in range(3):
        y_true = np.full(3, target)
        theirs = keras.metrics.sparse_top_k_categorical_accuracy(y_true, ties, k=1)
        close(metrics.sparse_top_k_categorical_accuracy(y_true, ties, k=1), theirs)
