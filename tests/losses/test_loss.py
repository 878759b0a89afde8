"""Losses as objects: reductions, weights, masks, configs, names, losses of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import losses
from numba_rnn.config import settings
from numba_rnn.errors import ShapeError
from numba_rnn.layers.masks import set_mask

# Squared errors: 1, 4 | 9, 16.
ZEROS, Y = np.zeros((2, 2, 1)), np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
MASK = np.array([[True, False], [True, True]])
ROWS, EACH = np.array([[1.0], [0.5]]), np.array([[1.0, 0.0], [0.5, 0.25]])


@pytest.mark.parametrize(
    ("reduction", "weight", "mask", "expected"),
    [
        ("sum_over_batch_size", None, None, 7.5),
        ("mean", None, None, 7.5),
        ("sum", None, None, 30),
        ("sum_over_batch_size", ROWS, None, 17.5 / 4),
        ("sum_over_batch_size", EACH, None, 9.5 / 4),
        ("mean_with_sample_weight", EACH, None, 9.5 / 1.75),
        ("mean_with_sample_weight", None, None, 7.5),
        ("sum_over_batch_size", None, MASK, 26 / 3),
        ("mean", EACH, MASK, 9.5 / 3),
        ("sum", None, MASK, 26),
        ("sum", ROWS, MASK, 13.5),
        ("mean_with_sample_weight", None, MASK, 26 / 3),
        ("mean", None, np.zeros((2, 2), bool), 0),
        ("none", EACH, None, [[1, 0], [4.5, 4]]),
        (None, None, MASK, [[1, 0], [9, 16]]),
    ],
)
def test_reductions(reduction: Any, weight: Any, mask: Any, expected: Any) -> None:
    loss = losses.MeanSquaredError(reduction=reduction)
    result = loss(ZEROS, set_mask(Y, mask), weight)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert losses.MeanSquaredError(reduction, dtype="float64")(ZEROS, Y).dtype == np.float64


def test_weights_of_rows() -> None:
    assert losses.MeanSquaredError()(np.zeros(2), np.array([[1.0], [2.0]]), np.array([1.0, 3.0])) == 6.5
    with pytest.raises(ShapeError, match=r"weights for values of shape \(2, 2\)"):
        losses.MeanSquaredError()(ZEROS, Y, np.ones(3))


def test_ignored_classes_and_masks_meet() -> None:
    p = np.array([[[0.25, 0.75]] * 3])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=0)
    masked = set_mask(p, np.array([[True, True, False]]))
    np.testing.assert_allclose(loss(np.array([[0, 1, 1]]), masked), -np.log(0.75), rtol=1e-6)


def test_a_loss_of_ones_own() -> None:
    class Cubed(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return np.abs(y_true - y_pred).mean(axis=-1) ** 3

    loss = Cubed()
    assert loss(ZEROS, Y, ROWS) == pytest.approx((1 + 8 + 13.5 + 32) / 4)
    assert loss.name.startswith("cubed")
    assert loss.get_config() == {"name": loss.name, "reduction": "sum_over_batch_size"}
    with pytest.raises(NotImplementedError, match="does not have a `call"):
        losses.Loss()(ZEROS, Y)
    wrapped = losses.LossFunctionWrapper(losses.huber, name="h", delta=2.0)
    assert wrapped(np.zeros((1, 1)), np.full((1, 1), 3.0)) == 4
    assert wrapped.get_config() == {"name": "h", "reduction": "sum_over_batch_size", "fn": losses.huber, "delta": 2.0}


def test_names() -> None:
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert losses.get("kld") is losses.kl_divergence
    assert isinstance(losses.get("LogCosh"), losses.LogCosh)
    assert losses.get(losses.Huber).delta == 1
    assert losses.get({"class_name": "Huber", "config": {"delta": 0.5}}).delta == 0.5
    assert losses.get(None) is None
    for wrong in ("nonsense", 3, {"class_name": "nonsense"}):
        with pytest.raises(ValueError, match=r"Could not interpret loss identifier: .*Known: .*mse"):
            losses.get(wrong)
    with pytest.raises(ValueError, match=r"Invalid value for argument `reduction`.*reduction=average"):
        losses.MeanSquaredError(reduction="average")


def test_losses_are_computed_in_floatx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "floatx", "float64")
    assert losses.MeanSquaredError()(np.zeros((1, 1)), np.full((1, 1), 0.1)) == pytest.approx(0.01, rel=1e-15)
    assert losses.MeanSquaredError(dtype="float32")(np.zeros((1, 1)), np.full((1, 1), 0.1)).dtype == np.float32
