from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import numbers

X = numbers((3, 4, 2), "float32")
M = numbers((3, 4), "float32", 1)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("append", (M, M), {}), ("append", (M, numbers((3, 1), "int32")), {"axis": 1}), ("array", ([1, 2],), {}),
    ("array", ([1, 2],), {"dtype": "float64"}), ("broadcast_to", (M, (2, 3, 4)), {}), ("concatenate", ([M, M],), {}),
    ("concatenate", ([M, numbers((3, 2), "int32")],), {"axis": -1}), ("diag", (M,), {}), ("diag", (M[0],), {"k": 1}),
    ("diagonal", (X,), {}), ("diagonal", (X, 1, 0, 2), {}), ("expand_dims", (M, 1), {}), ("expand_dims", (M, (0, -1)), {}),
    ("flip", (X,), {}), ("flip", (X, 1), {}), ("hstack", ([M, M],), {}), ("meshgrid", (M[0], M[:, 0]), {}),
    ("meshgrid", (M[0], M[:, 0]), {"indexing": "ij"}), ("moveaxis", (X, 0, -1), {}), ("moveaxis", (X, [0, 1], [1, 2]), {}),
    ("pad", (M, ((1, 0), (2, 3))), {}), ("pad", (M, ((1, 1), (1, 1))), {"constant_values": 2.5}),
    ("pad", (M, ((1, 1), (1, 2))), {"mode": "reflect"}), ("pad", (M, ((1, 1), (1, 2))), {"mode": "symmetric"}), ("ravel", (X,), {}),
    ("repeat", (M, 2), {}), ("repeat", (M, 2, 1), {}), ("repeat", (M, [1, 0, 2]), {"axis": 0}), ("reshape", (X, (-1, 4)), {}),
    ("roll", (M, 3), {}), ("roll", (M, -1, 1), {}), ("roll", (X, (1, 2), (0, 1)), {}), ("split", (M, 2, -1), {}),
    ("split", (X, [1, 3]), {"axis": 1}), ("squeeze", (X[:, :1],), {}), ("squeeze", (X[:, :1], 1), {}), ("stack", ([M, M],), {}),
    ("stack", ([M, M * 2],), {"axis": -1}), ("swapaxes", (X, 0, 2), {}), ("tile", (M, (2, 1)), {}), ("tile", (M, 2), {}),
    ("trace", (M,), {}), ("trace", (X, 1, 0, 1), {}), ("transpose", (X,), {}), ("transpose", (X, (1, 0, 2)), {}),
    ("tril", (X,), {}),
    ("triu", (M, 1), {}), ("unstack", (X,), {}), ("unstack", (X,), {"axis": 1}), ("vstack", ([M, M],), {}),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])
def test_like_keras(like_keras: Any, name: str, args: Any, kwargs: Any) -> None:
    like_keras(name, *args, **kwargs)


def test_joined_arrays_are_promoted() -> None:
    assert ops.concatenate([np.ones((1, 2), np.float32), np.ones((1, 2), np.int32)]).dtype == np.float32
    assert ops.stack([1, 2]).dtype == np.int32
    assert ops.stack([np.float32(1), 2.5]).dtype == np.float32


def test_by_hand() -> None:
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(
        ops.pad(x, ((0, 1), (1, 0)), constant_values=7), [[7, 0, 1, 2], [7, 3, 4, 5], [7, 7, 7, 7]]
    )
    first, second = ops.unstack(x)
    np.testing.assert_array_equal((first, second), x)
    a, b = ops.split(x, [1], axis=-1)
    assert (a.shape, b.shape) == ((2, 1), (2, 2))
    with pytest.raises(ValueError, match="only be provided when `mode == 'constant'`"):
        ops.pad(x, 1, mode="reflect", constant_values=1)
