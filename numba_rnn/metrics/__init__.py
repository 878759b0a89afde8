"""Metrics under Keras' names, and `get` for their names."""

from __future__ import annotations

from typing import Any

from numba_rnn.losses.functions import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from numba_rnn.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from numba_rnn.metrics.auc import AUC
from numba_rnn.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from numba_rnn.metrics.fscore import F1Score, FBetaScore
from numba_rnn.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    R2Score,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from numba_rnn.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum
from numba_rnn.ops.naming import snake_case

__all__ = [
    "AUC", "METRICS", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy", "CategoricalCrossentropy",
    "CategoricalHinge", "CosineSimilarity", "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "Hinge", "KLDivergence",
    "LogCoshError", "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanMetricWrapper", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Metric", "Poisson", "Precision", "PrecisionAtRecall", "R2Score", "Recall",
    "RecallAtPrecision", "RootMeanSquaredError", "SensitivityAtSpecificity", "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "Sum",
    "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives", "binary_accuracy", "binary_crossentropy", "categorical_accuracy",
    "categorical_crossentropy", "categorical_hinge", "get", "hinge", "huber", "kl_divergence", "log_cosh", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "poisson",
    "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy", "squared_hinge",
    "top_k_categorical_accuracy",
]  # fmt: skip

# What a string may say: classes by their names, in snake case too, and Keras' short names.
METRICS: dict[str, Any] = {name: globals()[name] for name in __all__ if name not in {"METRICS"} and name[0].isupper()}
METRICS |= {snake_case(name): cls for name, cls in METRICS.items()}
for _short, _class in (
    ("bce", BinaryCrossentropy), ("mse", MeanSquaredError), ("mae", MeanAbsoluteError), ("mape", MeanAbsolutePercentageError),
    ("msle", MeanSquaredLogarithmicError),
):  # fmt: skip
    METRICS[_short] = METRICS[_short.upper()] = _class


def get(identifier: Any) -> Any:
    """The metric of a name, of a config `{"class_name", "config"}`, or a callable itself; an instance of a class; None for None.

    Raises:
        ValueError: there is none of that name, or it needs arguments and so an instance.
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, dict):
        found = METRICS.get(identifier.get("class_name", ""))
        if isinstance(found, type):
            return found(**identifier.get("config", {}))
    elif isinstance(identifier, str):
        found = METRICS.get(identifier)
    if not callable(found):
        raise ValueError(f"Could not interpret metric identifier: {identifier}. Known: {', '.join(sorted(METRICS))}.")
    try:
        return found() if isinstance(found, type) else found
    except TypeError as error:
        raise ValueError(f"Metric {identifier!r} needs arguments: give an instance of the class. {error}") from error
