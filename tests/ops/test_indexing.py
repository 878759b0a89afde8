from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import numbers

X = numbers((3, 4, 2), "float32")
M = numbers((3, 5), "float32", 1)
I = np.array([[2, 0], [1, 1], [0, 2]])  # noqa: E741
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("argsort", (M,), {}), ("argsort", (M, 0), {}), ("argsort", (M, None), {}), ("argsort", (np.array([2, 1, 2, 1]),), {}),
    ("in_top_k", (np.array([0, 3, 1]), M, 2), {}), ("multi_hot", (I, 4), {}), ("multi_hot", (I[0], 4), {"dtype": "int32"}),
    ("nonzero", (M > 0,), {}), ("one_hot", (I, 3), {}), ("one_hot", (I, 3), {"axis": 0, "dtype": "int32"}),
    ("one_hot", (np.array([-1, 0, 5]), 3), {}), ("one_hot", (np.array([1.0, 0.0], "float32"), 2), {}),
    ("scatter", (I, np.array([1.0, 2.0, 3.0], "float32"), (3, 3)), {}), ("scatter", (I[:, :1], M[:, :2], (4, 2)), {}),
    ("scatter_update", (M, I, np.array([1.0, 2.0, 3.0], "float32")), {}), ("scatter_update", (M, I[:2, :1], M[:2] * 0), {}),
    ("scatter_update", (M, I, np.array([1.0, 2.0, 3.0], "float32")), {"reduction": "add"}),
    ("searchsorted", (np.array([1.0, 2.0, 4.0], "float32"), np.array([0.0, 2.0, 5.0], "float32")), {}),
    ("searchsorted", (np.array([1, 2, 4]), np.array([2, 3])), {"side": "right"}), ("slice", (X, (0, 1, 0), (2, 2, 1)), {}),
    ("slice_update", (X, (1, 1, 0), np.zeros((2, 1, 2), "float32")), {}), ("sort", (M,), {}), ("sort", (M, 0), {}),
    ("take", (M, np.array([2, 0])), {"axis": 0}), ("take", (M, I), {"axis": 1}), ("take", (M, I), {}),
    ("take", (M, -1), {"axis": 1}),
    ("take_along_axis", (M, I), {"axis": 1}), ("take_along_axis", (M, np.array([[0, 2, 1, 0, 2]])), {"axis": 0}),
    ("take_along_axis", (M, np.array([0, 7])), {}), ("top_k", (M, 2), {}), ("top_k", (np.array([1, 3, 3, 2], "int32"), 3), {}),
    ("get_item", (X, (0, slice(1, 3))), {}),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])
def test_like_keras(like_keras: Any, name: str, args: Any, kwargs: Any) -> None:
    like_keras(name, *args, **kwargs)


def test_by_hand() -> None:
    values, indices = found = ops.top_k(np.array([[1, 9, 9, 4]]), 3)
    np.testing.assert_array_equal(values, [[9, 9, 4]])
    np.testing.assert_array_equal(indices, [[1, 2, 3]])
    assert found.indices is indices
    np.testing.assert_array_equal(ops.one_hot([2, -1], 3), [[0, 0, 1], [0, 0, 0]])
    source = np.zeros((2, 3), np.float32)
    np.testing.assert_array_equal(ops.slice_update(source, (0, 1), np.ones((1, 2))), [[0, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(ops.scatter_update(source, [[1, 2]], [5.0]), [[0, 0, 0], [0, 0, 5]])
    assert not source.any()  # not in place
    np.testing.assert_array_equal(
        ops.scatter_update(np.ones(3), [[0], [0], [1]], [2.0, 3.0, 4.0], reduction="mul"), [6, 4, 1]
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.one_hot([1], 2, sparse=True), "dense"),
        (lambda: ops.multi_hot([[1]], 2, sparse=True), "dense"),
        (lambda: ops.scatter_update(np.ones(3), [[0]], [1.0], reduction="div"), "Invalid reduction: div"),
    ],
)
def test_refuses(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
