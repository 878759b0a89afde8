from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("arange", (5,), {}), ("arange", (2, 9, 3), {}), ("arange", (0.5, 3), {}), ("arange", (5,), {"dtype": "float64"}),
    ("arange", (np.int64(5),), {}), ("eye", (3,), {}), ("eye", (3, 4, 1), {"dtype": "int32"}), ("full", ((2, 3), 7), {}),
    ("full", ((2, 3), 0.5), {}), ("full", ((2,), 3, "float64"), {}), ("full", ((2,), True), {}), ("identity", (3,), {}),
    ("linspace", (0, 1, 5), {}), ("linspace", (0.0, 3.0), {"num": 4, "endpoint": False}),
    ("linspace", (0, 5, 3), {"dtype": "int32"}),
    ("linspace", (np.zeros(2, "float64"), np.ones(2, "float64"), 3), {"axis": -1}), ("linspace", (0, 1, 5), {"retstep": True}),
    ("ones", ((2, 3),), {}), ("ones", (3,), {"dtype": "int32"}), ("tri", (3, 4, 1), {}), ("zeros", ((2, 3),), {}),
    ("zeros", ((), "bool"), {}),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])
def test_like_keras(like_keras: Any, name: str, args: Any, kwargs: Any) -> None:
    like_keras(name, *args, **kwargs)


def test_defaults() -> None:
    for made in (ops.zeros(2), ops.ones((2,)), ops.empty((2,)), ops.eye(2), ops.linspace(0, 1, 2)):
        assert made.dtype == np.float32
    assert ops.arange(3).dtype == np.int32
    assert ops.full((1,), 2).dtype == np.float32
    assert ops.full((2,), [1.0, 2.0]).tolist() == [1, 2]
