"""Losses under Keras' names, as functions and as classes, and `get` for their names."""

from __future__ import annotations

from typing import Any

from numba_rnn.losses.classes import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
from numba_rnn.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    dice,
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
    tversky,
)
from numba_rnn.losses.loss import Loss, LossFunctionWrapper

__all__ = [
    "LOSSES", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "CategoricalHinge", "CosineSimilarity", "Dice", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "LossFunctionWrapper",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "SparseCategoricalCrossentropy", "SquaredHinge", "Tversky", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge", "cosine_similarity", "dice", "get", "hinge",
    "huber", "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "poisson", "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]  # fmt: skip

# What a string may say: functions and classes by their names, and Keras' short names.
LOSSES: dict[str, Any] = {name: globals()[name] for name in __all__ if name not in {"LOSSES", "get"}}
for _short, _function in (
    ("bce", binary_crossentropy), ("kld", kl_divergence), ("mae", mean_absolute_error), ("mse", mean_squared_error),
    ("mape", mean_absolute_percentage_error), ("msle", mean_squared_logarithmic_error),
):  # fmt: skip
    LOSSES[_short] = LOSSES[_short.upper()] = _function


def get(identifier: Any) -> Any:
    """The loss of a name, of a config `{"class_name", "config"}`, or a callable itself; an instance of a class; None for None.

    Raises:
        ValueError: there is none of that name.
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, dict):
        found = LOSSES.get(identifier.get("class_name", ""))
        if isinstance(found, type):
            return found(**identifier.get("config", {}))
    elif isinstance(identifier, str):
        found = LOSSES.get(identifier)
    if not callable(found):
        raise ValueError(f"Could not interpret loss identifier: {identifier}. Known: {', '.join(sorted(LOSSES))}.")
    return found() if isinstance(found, type) else found
