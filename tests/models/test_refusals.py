"""What models refuse, in words that say what was expected, what was received and what to do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, models
from numba_rnn.config import device
from numba_rnn.errors import DTypeError, ModelFileError, ShapeError

T, D = 5, 3


def model() -> Any:
    return models.Sequential([layers.Input((T, D)), layers.GRU(3, name="g"), layers.Dense(2)], name="small")


@pytest.mark.parametrize("steps", [0, -1, 2.5, "x"])
def test_steps(steps: Any) -> None:
    with pytest.raises(ValueError, match="`steps` must be a positive"):
        model().predict(np.ones((2, T, D)), steps=steps)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("x", DTypeError, "takes arrays of real numbers, or a list or dict of them. Received: 'x' of type str"),
        (None, DTypeError, "Received: None of type NoneType"),
        (np.full((2, T, D), None), DTypeError, "Received: an array of dtype object"),
        (3, ShapeError, r"first axis counts the rows, the same number of rows in each. Received: shape \(\)"),
        ({}, ShapeError, "Received: no arrays"),
        ((np.ones((3, T, D)), np.ones((2, T, D))), ShapeError, r"Received: shape \(3, 5, 3\), shape \(2, 5, 3\)"),
        ([[[1.0] * 3], [[1.0] * 3] * 2], ShapeError, "Received: rows of different lengths. Fill the short ones up"),
        (np.ones((T, D)), ShapeError, r"found shape=\(5, 3\). The first axis .* one row alone is `x\[None\]`"),
    ],
)  # fmt: skip
def test_predict_refuses_what_is_no_batch(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        model().predict(given)


@pytest.mark.parametrize("given", [3, "ab", layers.LSTM(2)])
def test_sequential_takes_a_list(given: Any) -> None:
    with pytest.raises(ValueError, match="`Sequential` takes a list of layers"):
        models.Sequential(given)


def test_a_class_called_like_one_of_keras() -> None:
    config = json.loads(model().to_json())
    config["config"]["layers"][1].update(module="__main__", registered_name="GRU")
    with pytest.raises(ModelFileError, match=r"'GRU' \(module '__main__'\), its author's own class: pass it in"):
        models.deserialize_model(config)

    class GRU(layers.GRU):
        """Its author's own."""

    assert isinstance(models.deserialize_model(config, custom_objects={"GRU": GRU}).layers[0], GRU)


def test_weights_change_all_or_none() -> None:
    with device("reference"):
        small = model()
        before = small.get_weights()
        with pytest.raises(ValueError, match="weight list of length 4"):
            small.set_weights([w + 1 for w in before[:-1]])
        with pytest.raises(DTypeError, match="real numbers"):
            small.set_weights([*(w + 1 for w in before[:-1]), np.full(2, "a")])
        for was, now in zip(before, small.get_weights(), strict=True):
            np.testing.assert_array_equal(now, was)
