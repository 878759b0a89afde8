"""Losses against Keras itself: functions, objects with weights, masks and reductions, and names."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from numba_rnn import losses
from numba_rnn.layers.masks import set_mask

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

B, T, C = 9, 4, 3


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def numbers(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.normal(size=(B, T, C)).astype("float32"), rng.normal(size=(B, T, C)).astype("float32")


def positive(rng: np.random.Generator) -> tuple[Any, Any]:
    return tuple(a**2 + np.float32(0.01) for a in numbers(rng))  # type: ignore[return-value]


def shares(rng: np.random.Generator) -> tuple[Any, Any]:
    return tuple(softmax(a) for a in numbers(rng))  # type: ignore[return-value]


def one_hot(rng: np.random.Generator) -> tuple[Any, Any]:
    return np.eye(C, dtype="float32")[rng.integers(0, C, (B, T))], shares(rng)[1]


def classes(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.integers(0, C, (B, T)), shares(rng)[1]


def binary(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.integers(0, 2, (B, T, C)), 1 / (1 + np.exp(-numbers(rng)[1]))


def logits(make: Any) -> Any:
    return lambda rng: (make(rng)[0], numbers(rng)[1])


CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("MeanSquaredError", {}, numbers),
    ("MeanAbsoluteError", {}, numbers),
    ("MeanAbsolutePercentageError", {}, numbers),
    ("MeanSquaredLogarithmicError", {}, numbers),
    ("CosineSimilarity", {}, numbers),
    ("CosineSimilarity", {"axis": 1}, numbers),
    ("Huber", {}, numbers),
    ("Huber", {"delta": 0.3}, numbers),
    ("LogCosh", {}, numbers),
    ("Hinge", {}, numbers),
    ("Hinge", {}, binary),
    ("SquaredHinge", {}, numbers),
    ("SquaredHinge", {}, binary),
    ("CategoricalHinge", {}, one_hot),
    ("KLDivergence", {}, shares),
    ("Poisson", {}, positive),
    ("BinaryCrossentropy", {}, binary),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, logits(binary)),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5}, binary),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, logits(binary)),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, one_hot),
    ("CategoricalCrossentropy", {"from_logits": True}, logits(one_hot)),
    ("CategoricalFocalCrossentropy", {"alpha": 0.4, "gamma": 1.5}, one_hot),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, logits(one_hot)),
    ("SparseCategoricalCrossentropy", {}, classes),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, logits(classes)),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, classes),
    ("Dice", {}, binary),
    ("Dice", {"axis": (1, 2)}, binary),
    ("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": (1, 2)}, binary),
]
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
def test_loss(name: str, options: dict[str, Any], make: Any, keras: Any, rng: np.random.Generator) -> None:
    y_true, y_pred = make(rng)
    whole = name in {"Dice", "Tversky"}  # one number, or one for each row
    by_step = (B, C) if options.get("axis") == 1 else (B, T)
    # For rows with steps a weight is (B, 1): Keras stretches (B,) against (B, T) only where T is 1 or B.
    shapes = [(B,)] if whole else [(B, 1), by_step]
    weights = [None, *(rng.random(shape).astype("float32") for shape in shapes)]
    mask = rng.random(by_step) > 0.4
    for reduction in ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None, "none"):
        ours = getattr(losses, name)(**options, reduction=reduction)
        theirs = getattr(keras.losses, name)(**options, reduction=reduction)
        assert ours.name == theirs.name
        close(ours.call(np.float32(y_true), y_pred), theirs.call(keras.ops.cast(y_true, "float32"), y_pred))
        for weight in weights:
            if whole and weight is not None and "axis" not in options:
                continue
            close(ours(y_true, y_pred, weight), theirs(y_true, y_pred, weight))
            if not whole:
                mine, other = masked(keras, y_pred, mask)
                close(ours(y_true, mine, weight), theirs(y_true, other, weight))


@pytest.mark.parametrize(("name", "options", "make"), CASES, ids=IDS)
def test_config(name: str, options: dict[str, Any], make: Any, keras: Any) -> None:
    ours, theirs = getattr(losses, name)(**options), getattr(keras.losses, name)(**options)
    own, stored = ours.get_config(), theirs.get_config()
    # Keras forgets delta and axis of these two.
    extra = {"Huber": {"delta"}, "CosineSimilarity": {"axis"}}.get(name, set())
    assert own.keys() - stored.keys() == extra
    assert {k: v for k, v in own.items() if k not in extra} == stored
    again = type(ours).from_config(own)
    assert again.get_config() == own


def test_names(keras: Any) -> None:
    from keras.src.losses import ALL_OBJECTS_DICT

    missing = {"CTC", "Circle", "circle", "ctc"}
    assert set(losses.LOSSES) == set(ALL_OBJECTS_DICT) - missing
    for name in set(losses.LOSSES) - {"Loss", "LossFunctionWrapper"}:
        ours, theirs = losses.get(name), keras.losses.get(name)
        assert getattr(ours, "name", None) == getattr(theirs, "name", None)
        assert getattr(ours, "__name__", None) == getattr(theirs, "__name__", None)


@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ((B,), (B, 1)),
        ((B, 1), (B,)),
        ((B, 1), (B, T)),
        ((B, T), (B, T, 1)),
        ((B, T, 1), (B, T)),
        ((B,), (B,)),
        ((1,), (B, T)),
    ],
)
def test_ranks(true: Any, pred: Any, keras: Any, rng: np.random.Generator) -> None:
    y_true, y_pred = rng.normal(size=true).astype("float32"), rng.normal(size=pred).astype("float32")
    for name in ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "cosine_similarity"):
        close(getattr(losses, name)(y_true, y_pred), getattr(keras.losses, name)(y_true, y_pred))
        wrapped = (
            lib.losses.get(name.title().replace("_", "").replace("Logcosh", "LogCosh")) for lib in (_ours, keras)
        )
        ours, theirs = wrapped
        close(ours(y_true, y_pred), theirs(y_true, y_pred))


class _ours:  # noqa: N801
    losses = losses


def test_saturated_probabilities(keras: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = np.array([[1.0, 0.0], [0.0, 1.0], [1e-9, 1 - 1e-9]], "float32")
        for name, t in (
            ("binary_crossentropy", np.array([[0, 1], [0, 1], [1, 1]])),
            ("categorical_crossentropy", np.array([[0, 1], [0, 1], [1, 0]])),
            ("sparse_categorical_crossentropy", np.array([1, 1, 0])),
            ("kl_divergence", np.array([[0, 1], [0, 1], [1, 0]])),
        ):
            close(getattr(losses, name)(t, p), getattr(keras.losses, name)(t, p))
