from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import DTYPES, numbers

FOLDS = (
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "median",
    "min",
    "prod",
    "std",
    "sum",
    "var",
)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FOLDS)
def test_folds(keras: Any, like_keras: Any, name: str) -> None:
    for dtype in DTYPES:
        x = numbers((3, 4, 2), dtype)
        options: list[dict[str, Any]] = [{}, {"axis": 1}, {"axis": -1}]
        if name not in {"argmax", "argmin"}:
            options.append({"axis": (0, 2)})
        if name != "count_nonzero":
            options += [{"axis": 1, "keepdims": True}, {"keepdims": True}]
        for option in options:
            try:
                getattr(keras.ops, name)(x, **option)
            except Exception:
                continue
            like_keras(name, x, **option)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_so_far(keras: Any, like_keras: Any, name: str) -> None:
    for dtype in ("bool", "int32", "int64", "float32", "float64"):
        for axis in (None, 0, -1):
            like_keras(name, numbers((3, 4), dtype), axis)
    like_keras(name, numbers((3, 4), "int32"), 0, "float32")


@pytest.mark.oracle
def test_others(like_keras: Any) -> None:
    x, w = numbers((3, 4), "float32"), numbers((4,), "float32", 1, positive=True)
    for axis in (None, 0, 1, (0, 1)):
        like_keras("logsumexp", x, axis)
        like_keras("logsumexp", x, axis, True)
        like_keras("average", x, axis)
    like_keras("logsumexp", x * 1e3, 1)
    like_keras("average", x, 1, w)
    like_keras("average", x, 0, numbers((3, 4), "float32", 2, positive=True))
    like_keras("average", numbers((3, 4), "int32"), -1, numbers((4,), "int32", 2, positive=True))
    like_keras("moments", x, [0])
    like_keras("moments", x, (0, 1), keepdims=True)
    like_keras("max", x, 1, initial=0.5)
    like_keras("min", x, 1, initial=0.5)


def test_by_hand() -> None:
    x = np.array([[1, 2], [3, 5]], np.int32)
    assert (ops.sum(x), ops.sum(x).dtype) == (11, np.int32)
    assert (ops.mean(x), ops.mean(x).dtype) == (2.75, np.float32)
    assert (ops.sum(x > 1), ops.sum(x > 1).dtype) == (3, np.int32)
    np.testing.assert_array_equal(ops.argmax(x, axis=-1), [1, 1])
    np.testing.assert_allclose(ops.average(x, axis=1, weights=[1, 3]), [1.75, 4.5])
    np.testing.assert_allclose(ops.logsumexp(np.array([-np.inf, -np.inf])), -np.inf)
    np.testing.assert_allclose(ops.logsumexp(np.array([1000.0, 1000.0])), 1000 + np.log(2))
    np.testing.assert_array_equal(ops.cumsum(x, 1), [[1, 3], [3, 8]])
