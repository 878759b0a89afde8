from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import numbers

DTYPES = ("int8", "int32", "float32", "float64")


@pytest.mark.oracle
@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_dtypes(like_keras: Any, first: str, second: str) -> None:
    a, b = numbers((3, 4), first), numbers((4, 5), second, 1)
    like_keras("matmul", a, b)
    like_keras("dot", a, b)
    like_keras("outer", a, b)
    like_keras("inner", a, b.T)
    like_keras("tensordot", a, b, 1)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "shapes", "kwargs"),
    [
        ("matmul", ((2, 3, 4), (4, 5)), {}), ("matmul", ((2, 3, 4), (2, 4, 5)), {}), ("matmul", ((4,), (4, 5)), {}),
        ("matmul", ((3, 4), (4,)), {}), ("matmul", ((4,), (4,)), {}), ("matmul", ((2, 1, 3, 4), (5, 4, 2)), {}),
        ("dot", ((2, 3, 4), (4,)), {}), ("dot", ((4,), (4,)), {}), ("dot", ((2, 3), ()), {}), ("dot", ((2, 3, 4), (5, 4, 2)), {}),
        ("tensordot", ((2, 3, 4), (3, 4, 5)), {}), ("tensordot", ((2, 3, 4), (4, 3)), {"axes": [[1, 2], [1, 0]]}),
        ("tensordot", ((2, 3), (4,)), {"axes": 0}), ("vdot", ((2, 3), (2, 3)), {}), ("inner", ((2, 3, 4), (5, 4)), {}),
        ("norm", ((3, 4),), {}), ("norm", ((3, 4),), {"axis": 1}), ("norm", ((3, 4),), {"axis": 0, "ord": 1, "keepdims": True}),
        ("norm", ((2, 3, 4),), {"axis": (1, 2)}), ("norm", ((3, 4),), {"keepdims": True}),
        ("normalize", ((3, 4),), {}), ("normalize", ((3, 4),), {"axis": 0, "order": 1}), ("normalize", ((3, 4),), {"order": 3}),
    ],
)  # fmt: skip
def test_shapes(like_keras: Any, name: str, shapes: Any, kwargs: Any) -> None:
    like_keras(name, *(numbers(shape, "float32", i) for i, shape in enumerate(shapes)), **kwargs)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "subscripts", ["ij,jk->ik", "bij,jk->bik", "ij->ji", "ij->", "bij,bkj->bik", "...j,jk->...k", "ij,jk,kl->il"]
)
def test_einsum(like_keras: Any, subscripts: str) -> None:
    shapes = {"i": 2, "j": 3, "k": 4, "l": 2, "b": 5}
    operands = [
        numbers(tuple(shapes[c] for c in part.replace("...", "b")), "float32", i)
        for i, part in enumerate(subscripts.split("->", maxsplit=1)[0].split(","))
    ]
    like_keras("einsum", subscripts, *operands)


def test_by_hand() -> None:
    a, b = np.array([[1, 2], [3, 4]], np.int32), np.array([0.5, -1], np.float32)
    assert ops.matmul(a, b).tolist() == [-1.5, -2.5]
    assert ops.matmul(a, b).dtype == np.float32
    assert ops.einsum("ij,j->i", a, b).tolist() == [-1.5, -2.5]
    assert ops.outer([1, 2], [3, 4]).tolist() == [[3, 4], [6, 8]]
    np.testing.assert_allclose(ops.normalize(np.array([3.0, 4.0])), [0.6, 0.8])
    np.testing.assert_array_equal(ops.normalize(np.zeros(2)), [0, 0])
    with pytest.raises(ValueError, match="`order` must be an int >= 1"):
        ops.normalize(np.ones(2), order=0)
