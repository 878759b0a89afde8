"""How large a result is, told before it is made: never less than it is, and not much more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, ops
from numba_rnn.errors import ShapeError
from numba_rnn.ops import bounds
from numba_rnn.ops.base import OPS
from numba_rnn.ops.bounds import check_inputs, check_result, limited, spend

A, B = (3, 4, 5), (3, 5, 2)
CASES: list[tuple[str, list[tuple[int, ...]], dict[str, Any]]] = [
    ("Matmul", [A, B], {}),
    ("Matmul", [(4, 5), B], {}),
    ("Matmul", [(5,), (5,)], {}),
    ("Dot", [(4, 5), (5, 6)], {}),
    ("Inner", [(4, 5), (6, 5)], {}),
    ("Tensordot", [(3, 4), (4, 5)], {"axes": 1}),
    ("Tensordot", [(3, 4), (5, 3)], {"axes": [[0], [1]]}),
    ("Outer", [(4,), (5,)], {}),
    ("Repeat", [(3, 4)], {"repeats": 7, "axis": 1}),
    ("Repeat", [(2, 3)], {"repeats": [1, 4, 2], "axis": 1}),
    ("Tile", [(3, 4)], {"repeats": [2, 3]}),
    ("OneHot", [(3, 4)], {"num_classes": 9, "axis": -1, "dtype": None, "sparse": False}),
    ("Pad", [(3, 4)], {"pad_width": [[1, 2], [3, 4]], "mode": "constant"}),
    ("BroadcastTo", [(3, 1)], {"shape": [2, 3, 4]}),
    ("Take", [(6, 5), (3, 2)], {"axis": 0}),
    ("Diag", [(7,)], {"k": 0}),
]


@pytest.mark.parametrize(("name", "shapes", "options"), CASES)
def test_bounds_hold(name: str, shapes: list[tuple[int, ...]], options: dict[str, Any]) -> None:
    arrays: list[Any] = [np.zeros(shape, "int32" if name in {"OneHot", "Take"} else "float32") for shape in shapes]
    if name == "Pad":
        result = (
            np.asarray(OPS[name].function(arrays[0], **options))
            if OPS[name].tensors == 1
            else np.pad(arrays[0], options["pad_width"])
        )
    else:
        result = np.asarray(OPS[name].function(*arrays, **options))
    bound = {**bounds.PRODUCTS, **bounds.GROWING}[name](shapes, options)
    assert result.size <= bound <= 30 * max(result.size, *map(math.prod, shapes))


@pytest.mark.parametrize(
    ("text", "expected"), [("bij,bjk->bik", 120), ("...ij,...jk", 120), ("bij -> b", 60), ("ij", 12)]
)
def test_einsum_counts_multiply_adds(text: str, expected: int) -> None:
    shapes = {"b": [A, B], ".": [A, B], "i": [(3, 4)]}[text[0]][: text.count(",") + 1]
    assert bounds.PRODUCTS["Einsum"](shapes, {"subscripts": text}) == expected


def test_every_name_is_an_operation() -> None:
    assert {*bounds.PRODUCTS, *bounds.GROWING} <= set(OPS)


def test_inputs() -> None:
    check_inputs([(1000, 1000), (1000, 1)])
    for shapes in ([(1 << 25,)], [(1 << 13, 1), (1, 1 << 13)], [(1 << 23,)] * 3):
        with pytest.raises(ShapeError, match="too large"):
            check_inputs(shapes)


def test_everything_together_is_limited() -> None:
    for _ in range(100):
        check_inputs([(1 << 24,)])
    with limited():
        for _ in range(15):
            check_inputs([(1 << 24,)])
        with pytest.raises(ShapeError, match="too long"):
            check_inputs([(1 << 24,)])
        with pytest.raises(ShapeError, match="too long"):
            check_result("Outer", [(1000,), (1000,)], {})
    spend(1 << 30)


def test_lists_of_numbers_beside_tensors() -> None:
    assert ops.matmul(Input((2,)), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).shape == (None, 3)
