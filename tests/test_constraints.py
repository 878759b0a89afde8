"""Constraints: what weights become, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import constraints, layers

W = np.array([[3.0, -0.3], [4.0, 0.4], [0.0, 0.0]], "float32")


@pytest.mark.parametrize(
    ("constraint", "expected", "config"),
    [
        (constraints.Constraint(), W, {}),
        (constraints.NonNeg(), [[3, 0], [4, 0.4], [0, 0]], {}),
        (constraints.MaxNorm(), [[1.2, -0.3], [1.6, 0.4], [0, 0]], {"max_value": 2, "axis": 0}),
        (constraints.MaxNorm(0.5, [0, 1]), W * (0.5 / np.sqrt(25.25)), {"max_value": 0.5, "axis": [0, 1]}),
        (constraints.UnitNorm(), [[0.6, -0.6], [0.8, 0.8], [0, 0]], {"axis": 0}),
        (constraints.UnitNorm(1), [[0.995037, -0.0995037], [0.995037, 0.0995037], [0, 0]], {"axis": 1}),
        (
            constraints.MinMaxNorm(1.0, 2.0, 0.5),  # lengths 5 and 0.5 become 3.5 and 0.75
            [[2.1, -0.45], [2.8, 0.6], [0, 0]],
            {"min_value": 1.0, "max_value": 2.0, "rate": 0.5, "axis": 0},
        ),
    ],
)
def test_projections(constraint: constraints.Constraint, expected: Any, config: dict[str, Any]) -> None:
    before = W.copy()
    got = constraint(W)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    np.testing.assert_array_equal(W, before)
    assert constraint.get_config() == config
    np.testing.assert_array_equal(type(constraint).from_config(config)(W), got)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MaxNorm", {}),
        ("max_norm", {"max_value": 0.5, "axis": 1}),
        ("NonNeg", {}),
        ("unit_norm", {"axis": 1}),
        ("UnitNorm", {"axis": [0, 1]}),
        ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.3}),
    ],
)
def test_like_keras(keras: Any, name: str, options: dict[str, Any]) -> None:
    ours, theirs = getattr(constraints, name)(**options), getattr(keras.constraints, name)(**options)
    np.testing.assert_allclose(ours(W), np.asarray(theirs(W)), rtol=1e-6)
    assert constraints.serialize(ours) == keras.constraints.serialize(theirs)
    assert type(constraints.deserialize(keras.constraints.serialize(theirs))) is type(ours)
    assert type(constraints.get(name)).__name__ == type(keras.constraints.get(name)).__name__


def test_names() -> None:
    assert isinstance(constraints.get("min_max_norm"), constraints.MinMaxNorm)
    assert isinstance(constraints.get(constraints.non_neg), constraints.NonNeg)
    assert constraints.get({"class_name": "UnitNorm", "config": {"axis": 1}}).axis == 1
    assert constraints.get(None) is None
    assert constraints.get(np.abs) is np.abs
    for wrong in ("nonsense", 3, {}):
        with pytest.raises(ValueError, match="Could not interpret constraint identifier"):
            constraints.get(wrong)
    with pytest.raises(ValueError, match="Could not interpret constraint identifier: nonsense"):
        layers.GRU(3, recurrent_constraint="nonsense")


def test_a_constraint_of_ones_own() -> None:
    class Halved(constraints.Constraint):
        def __call__(self, w: Any) -> Any:
            return w / 2

    dense = layers.Dense(2, kernel_constraint=Halved())
    config = dense.get_config()
    assert config["kernel_constraint"]["class_name"] == "Halved"
    kept = layers.Dense.from_config(config)  # runs, and says the same
    assert kept(W).shape == (3, 2)
    assert kept.get_config() == config
    again = constraints.deserialize(config["kernel_constraint"], {"Halved": Halved})
    np.testing.assert_array_equal(again(W), W / 2)
