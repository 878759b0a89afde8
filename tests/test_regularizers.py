"""Regularizers: what they cost, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import regularizers

X = np.array([[3.0, -4.0], [0.0, 2.0]])


@pytest.mark.parametrize(
    ("regularizer", "cost", "config"),
    [
        (regularizers.L1(0.5), 4.5, {"l1": 0.5}),
        (regularizers.L2(), 0.29, {"l2": 0.01}),
        (regularizers.L1L2(l1=1), 9, {"l1": 1.0, "l2": 0.0}),
        (regularizers.OrthogonalRegularizer(1.0), 0.8, {"factor": 1.0, "mode": "rows"}),
        (
            regularizers.OrthogonalRegularizer(0.5, "columns"),
            0.5 * 12 / (3 * 20**0.5),
            {"factor": 0.5, "mode": "columns"},
        ),
        (regularizers.Regularizer(), 0, {}),
    ],
)
def test_costs(regularizer: regularizers.Regularizer, cost: float, config: dict[str, Any]) -> None:
    assert regularizer(X) == pytest.approx(cost)
    assert regularizer.get_config() == config
    assert type(regularizer).from_config(config)(X) == pytest.approx(cost)


def test_names() -> None:
    assert isinstance(regularizers.get("l1l2"), regularizers.L1L2)
    assert regularizers.get({"class_name": "L2", "config": {"l2": 0.5}}).l2 == 0.5
    assert regularizers.get(regularizers.l1).l1 == np.float32(0.01)
    assert regularizers.get(None) is None
    assert regularizers.get(np.sum) is np.sum
    assert regularizers.get("regularizer")(X) == 0
    for wrong in ("nonsense", 3, {}):
        with pytest.raises(ValueError, match="Could not interpret regularizer identifier"):
            regularizers.get(wrong)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: regularizers.L1(-1), "l1=-1"),
        (lambda: regularizers.L2(float("nan")), "l2=nan"),
        (lambda: regularizers.L1L2(l2="a"), "l2='a'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="all"), "mode=all"),
        (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), "rank 2"),
    ],
)
def test_refusals(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_unknown_ones_are_kept_until_needed() -> None:
    description = {"module": "mine", "class_name": "L2", "config": {}, "registered_name": "mine>L2"}
    stored = regularizers.get(description)
    assert regularizers.serialize(stored) == description
    with pytest.raises(ValueError, match=r"Could not interpret regularizer identifier.*'mine>L2'.*custom_objects"):
        stored(X)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["L1", "L2", "L1L2", "OrthogonalRegularizer", "l1", "l1l2", "orthogonal_regularizer"])
def test_descriptions_like_keras(keras: Any, name: str) -> None:
    ours, theirs = regularizers.get(name), keras.regularizers.get(name)
    assert regularizers.serialize(ours) == keras.regularizers.serialize(theirs)
    again = regularizers.deserialize(keras.regularizers.serialize(theirs))
    assert type(again) is type(ours)
    assert again(X) == pytest.approx(float(theirs(X.astype("float32"))), rel=1e-6)
