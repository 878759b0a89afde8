"""What each loss is, in numbers worked out by hand."""

from __future__ import annotations

from math import cosh, exp, log, sqrt
from typing import Any

import numpy as np
import pytest

from numba_rnn import losses
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.masks import get_mask

HALF = log(2)


@pytest.mark.parametrize(
    ("name", "options", "y_true", "y_pred", "expected"),
    [
        ("mean_squared_error", {}, [[1, 2], [3, 4]], [[1.0, 4.0], [0.0, 4.0]], [2, 4.5]),
        ("mean_absolute_error", {}, [[1, 2], [3, 4]], [[1.0, 4.0], [0.0, 4.0]], [1, 1.5]),
        ("mean_absolute_percentage_error", {}, [[2, -4]], [[1.0, -3.0]], [37.5]),
        ("mean_squared_logarithmic_error", {}, [[1, 3]], [[3.0, 1.0]], [HALF**2]),
        ("huber", {}, [[0, 0]], [[0.5, 3.0]], [(0.125 + 2.5) / 2]),
        ("huber", {"delta": 2.0}, [[0, 0]], [[1.0, 3.0]], [(0.5 + 4) / 2]),
        ("log_cosh", {}, [[0, 1]], [[2.0, 1.0]], [log(cosh(2)) / 2]),
        ("cosine_similarity", {}, [[1, 0], [3, 4], [0, 0]], [[2.0, 2.0], [-6.0, -8.0], [1.0, 1.0]], [-1 / sqrt(2), 1, 0]),
        ("hinge", {}, [[-1, 1]], [[0.5, 0.25]], [(1.5 + 0.75) / 2]),
        ("hinge", {}, [[0, 1]], [[0.5, 0.25]], [(1.5 + 0.75) / 2]),
        ("squared_hinge", {}, [[-1, 1]], [[0.5, 2.0]], [2.25 / 2]),
        ("categorical_hinge", {}, [[0, 1, 0]], [[0.25, 0.5, 0.75]], [1.25]),
        ("kl_divergence", {}, [[0.5, 0.5]], [[0.25, 0.75]], [0.5 * log(2) + 0.5 * log(2 / 3)]),
        ("poisson", {}, [[2, 0]], [[1.0, 3.0]], [2]),
        ("binary_crossentropy", {}, [[1, 0]], [[0.5, 0.75]], [(HALF + log(4)) / 2]),
        ("binary_crossentropy", {"label_smoothing": 0.5}, [[1]], [[0.5]], [HALF]),
        ("binary_crossentropy", {"from_logits": True}, [[1, 0]], [[0.0, log(3)]], [(HALF + log(4)) / 2]),
        ("binary_focal_crossentropy", {"gamma": 1.0}, [[1]], [[0.25]], [0.75 * log(4)]),
        ("categorical_crossentropy", {}, [[0, 1]], [[1.0, 3.0]], [-log(0.75)]),
        ("categorical_crossentropy", {"label_smoothing": 0.5}, [[0, 1]], [[0.25, 0.75]], [-0.25 * log(0.25) - 0.75 * log(0.75)]),
        ("categorical_crossentropy", {"from_logits": True}, [[0, 1]], [[0.0, log(3)]], [-log(0.75)]),
        ("categorical_focal_crossentropy", {"gamma": 1.0, "alpha": 0.5}, [[0, 1]], [[0.25, 0.75]], [-0.125 * log(0.75)]),
        ("sparse_categorical_crossentropy", {}, [0, 1], [[0.25, 0.75]] * 2, [log(4), -log(0.75)]),
        ("sparse_categorical_crossentropy", {}, [[0], [1]], [[0.25, 0.75]] * 2, [log(4), -log(0.75)]),
        ("sparse_categorical_crossentropy", {"from_logits": True}, [1], [[0.0, log(3)]], [-log(0.75)]),
        ("sparse_categorical_crossentropy", {"ignore_class": -1}, [-1, 1], [[0.25, 0.75]] * 2, [0, -log(0.75)]),
        ("dice", {}, [[1, 0]], [[0.5, 0.5]], 0.5),
        ("tversky", {"alpha": 1.0, "beta": 0.0}, [[1, 0]], [[0.25, 0.5]], 0.75),
    ],
)  # fmt: skip
def test_by_hand(name: str, options: dict[str, Any], y_true: Any, y_pred: Any, expected: Any) -> None:
    function = getattr(losses, name)
    y_pred = np.asarray(y_pred)
    result = function(np.asarray(y_true), y_pred, **options)
    assert result.dtype == np.float64
    # An epsilon of 1e-7 stands in several of them.
    np.testing.assert_allclose(result, expected, rtol=3e-7, atol=1e-7)
    again = function(y_true, y_pred.tolist(), **options)
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, expected, rtol=1e-6, atol=1e-6)


def test_probabilities_are_kept_from_their_ends() -> None:
    assert losses.binary_crossentropy(np.ones((1, 1)), np.zeros((1, 1)))[0] == pytest.approx(-log(1e-7))
    big = np.array([[1e3, -1e3]])
    assert losses.categorical_crossentropy(np.array([[0, 1]]), big, from_logits=True)[0] == 2000
    assert losses.binary_crossentropy(np.array([[0, 0]]), big, from_logits=True)[0] == 500
    assert losses.log_cosh(np.zeros((1, 1)), np.full((1, 1), 300.0))[0] == pytest.approx(300 - log(2))
    assert losses.binary_crossentropy(np.array([[1]]), np.array([[-2.0]]), from_logits=True)[0] == pytest.approx(
        log(1 + exp(2))
    )


def test_ignored_classes_are_a_mask() -> None:
    result = losses.sparse_categorical_crossentropy([0, 1], [[0.25, 0.75]] * 2, ignore_class=0)
    np.testing.assert_array_equal(get_mask(result), [False, True])


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "error", "text"),
    [
        ("mean_squared_error", np.ones((2, 3)), np.ones((2, 2)), ShapeError, r"y_true of shape \(2, 3\), y_pred of shape \(2, 2\)"),
        ("binary_crossentropy", np.ones((1, 2)), np.ones((2, 2)), ShapeError, "targets of the shape of the predictions"),
        ("categorical_crossentropy", np.ones(2), np.ones((2, 2)), ShapeError, "do not fit"),
        ("sparse_categorical_crossentropy", np.ones((2, 2)), np.ones((2, 2)), ShapeError, "without their last axis"),
        ("sparse_categorical_crossentropy", [0, 2], np.ones((2, 2)), ValueError, "Expected: 0 to 1. Received: 0 to 2"),
        ("mean_squared_error", None, np.ones((2, 2)), DTypeError, "Received: None. Give targets"),
        ("mean_squared_error", np.array(["a"]), np.ones(1), DTypeError, "an array of dtype <U1"),
        ("mean_squared_error", [[1], [1, 2]], np.ones(2), ShapeError, "lists of different lengths"),
        ("categorical_crossentropy", None, None, DTypeError, "None"),
    ],
)  # fmt: skip
def test_refusals(name: str, y_true: Any, y_pred: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        getattr(losses, name)(y_true, y_pred)


def test_one_class_is_warned_of() -> None:
    with pytest.warns(SyntaxWarning, match="Consider using 'binary_crossentropy'"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="`axis` must be of type `int`"):
        losses.categorical_crossentropy(np.ones((2, 2)), np.ones((2, 2)), axis=True)
