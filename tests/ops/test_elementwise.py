from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import DTYPES, numbers

# Keras' TensorFlow backend has no kernels, or answers of its own, for these.
UNARY = {
    **dict.fromkeys(("abs", "absolute", "bitwise_not", "copy", "isfinite", "isinf", "isnan", "logical_not", "negative", "round",
                     "sign", "square", "stop_gradient", "zeros_like", "ones_like", "convert_to_tensor", "nan_to_num"), DTYPES),
    **dict.fromkeys(("arcsinh", "arctan", "ceil", "cos", "cosh", "erf", "exp", "exp2", "expm1", "floor", "sin", "sinh", "tan",
                     "tanh", "trunc"), DTYPES),
    **dict.fromkeys(("cbrt", "deg2rad", "rad2deg"), tuple(d for d in DTYPES if d != "int64")),
}  # fmt: skip
POSITIVE = ("log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt", "arccosh")
WITHIN_ONE = ("arcsin", "arccos", "arctanh")
FLOATS = ("add", "divide", "divide_no_nan", "equal", "greater", "greater_equal", "isclose", "less", "less_equal", "maximum",
          "minimum", "multiply", "not_equal", "subtract", "true_divide")  # fmt: skip
KINDS = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")


def skip_what_keras_refuses(keras: Any, name: str, *args: Any) -> None:
    try:
        getattr(keras.ops, name)(*args)
    except Exception as error:
        pytest.skip(f"Keras on TensorFlow cannot: {type(error).__name__}")


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, dtypes in UNARY.items() for d in dtypes])
def test_unary(keras: Any, like_keras: Any, name: str, dtype: str) -> None:
    x = numbers((3, 4), dtype)
    skip_what_keras_refuses(keras, name, x)
    like_keras(name, x)


@pytest.mark.oracle
@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("dtype", KINDS[1:])
def test_of_positive_numbers(keras: Any, like_keras: Any, name: str, dtype: str) -> None:
    x = numbers((3, 4), dtype, positive=True)
    x = np.where(x < 1, 1 / x, x).astype(dtype) if name == "arccosh" else x
    skip_what_keras_refuses(keras, name, x)
    like_keras(name, x)


@pytest.mark.oracle
@pytest.mark.parametrize("name", WITHIN_ONE)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_of_numbers_within_one(like_keras: Any, name: str, dtype: str) -> None:
    like_keras(name, np.linspace(-0.9, 0.8, 7).astype(dtype))


@pytest.mark.oracle
@pytest.mark.parametrize(
    "name", [*FLOATS, "logical_and", "logical_or", "logical_xor", "power", "mod", "floor_divide", "where"]
)
def test_binary(keras: Any, like_keras: Any, name: str) -> None:
    compared = 0
    for first, second in itertools.product(KINDS, KINDS):
        positive = name in {"power", "mod", "floor_divide"}
        args = [numbers((3, 4), first, 1, positive), numbers((4,), second, 2, positive)]
        args = [args[0] > 0, *args] if name == "where" else args
        try:
            getattr(keras.ops, name)(*args)
        except Exception:
            continue
        like_keras(name, *args)
        compared += 1
    assert compared > 20


@pytest.mark.oracle
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("number", [2, 0.5])
def test_with_numbers_of_python(keras: Any, like_keras: Any, name: str, number: Any) -> None:
    for dtype in ("int32", "int64", "float16", "float32", "float64"):
        if name == "isclose" and dtype == "float16" and number == 0.5:
            continue  # Keras makes an array of the number there
        like_keras(name, numbers((3, 4), dtype), number)
        like_keras(name, number, numbers((3, 4), dtype, positive=True))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["arctan2", "hypot", "logaddexp", "bitwise_and", "bitwise_or", "bitwise_xor"])
def test_other_binary(like_keras: Any, name: str) -> None:
    for dtype in ("int32", "uint8") if name.startswith("bitwise") else ("float32", "float64", "int32"):
        like_keras(name, numbers((3, 4), dtype, 1), numbers((3, 4), dtype, 2))


@pytest.mark.oracle
def test_with_options(like_keras: Any) -> None:
    x = numbers((3, 4), "float32")
    for dtype in ("float32", "float64", "int32", "int64"):
        like_keras("clip", numbers((3, 4), dtype), -1, 2)
        like_keras("cast", x, dtype)
        like_keras("full_like", x, 3, dtype)
        like_keras("zeros_like", x, dtype)
        like_keras("convert_to_tensor", [[1, 2], [3, 4]], dtype)
    like_keras("saturate_cast", np.array([-300, 5, 300], "int32"), "int8")
    like_keras("saturate_cast", np.array([-300, 5, 300], "float32"), "uint8")
    like_keras("round", x, 1)
    like_keras("full_like", numbers((3,), "int32"), 3)
    like_keras("isclose", x, x + 1e-4, atol=1e-3)
    like_keras("nan_to_num", np.array([np.nan, np.inf, -np.inf, 1], "float32"), nan=2, posinf=9)
    like_keras("where", x > 0)
    like_keras("where", x > 0, x, 0.0)
    like_keras("where", x > 0, 1, numbers((3, 4), "int32"))


@pytest.mark.oracle
@pytest.mark.parametrize("value", [1, 1.5, True, [1, 2], [1.0, 2.0], [True, False], [[1, 2.5]], np.float64(2), np.int64(2),
                                   [np.float32(1), np.float32(2)]], ids=repr)  # fmt: skip
def test_python_values_become_tensors(like_keras: Any, value: Any) -> None:
    like_keras("convert_to_tensor", value)


def test_infinities_come_without_a_warning() -> None:
    np.testing.assert_array_equal(ops.log(np.zeros(2, np.float32)), [-np.inf] * 2)
    np.testing.assert_array_equal(ops.divide(1, np.zeros(2, np.float32)), [np.inf] * 2)
    np.testing.assert_array_equal(ops.divide_no_nan(1, np.zeros(2, np.float32)), [0, 0])
    assert np.isnan(ops.sqrt(-1.0))


def test_negative_powers_of_integers_are_cut() -> None:
    np.testing.assert_array_equal(ops.power(np.array([1, 2, -1]), -1), [1, 0, -1])


def test_by_hand() -> None:
    x = np.array([-1.5, 0.0, 2.5], np.float32)
    np.testing.assert_array_equal(ops.where(x > 0, x, 0), [0, 0, 2.5])
    np.testing.assert_array_equal(ops.where(x > 0)[0], [2])
    np.testing.assert_array_equal(ops.clip(np.array([1, 5]), 0, 2.7), [1, 2])
    np.testing.assert_array_equal(ops.round(x), [-2, 0, 2])
    np.testing.assert_array_equal(ops.saturate_cast(np.array([-1e20, 3.7, 1e20]), "int32"), [-(2**31), 3, 2**31 - 1])
    np.testing.assert_array_equal(ops.bitwise_xor(np.array([1, 3]), 2), [3, 1])
    assert ops.cast(x, "int32").dtype == np.int32
    for name in ("abs", "exp", "logical_and", "arctan2"):
        assert getattr(ops, name).__name__ == name
        assert getattr(ops, name).__doc__


@pytest.mark.parametrize("wrong", [(1, None), (None, 1)])
def test_where_takes_both_or_neither(wrong: Any) -> None:
    with pytest.raises(ValueError, match="either both should be `None`"):
        ops.where([True], *wrong)


def test_sparse_is_refused() -> None:
    with pytest.raises(ValueError, match="dense"):
        ops.convert_to_tensor([1], sparse=True)


def test_operators() -> None:
    from numba_rnn.layers import Input

    a, b = Input((3,), dtype="bool"), Input((3,), dtype="bool")
    for use in (operator.and_, operator.or_, operator.xor):
        assert use(a, b).dtype == "bool"
    t = Input((3,))
    assert [round(t).shape, (+t).shape, (~a).dtype, (2**t).dtype] == [(None, 3), (None, 3), "bool", "float32"]
