from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.errors import DTypeError
from numba_rnn.ops.dtypes import common, convert, floats, is_float_dtype, is_int_dtype, result_type, standardize_dtype

from .conftest import DTYPES


@pytest.mark.oracle
def test_promotion_like_keras(keras: Any) -> None:
    names: list[Any] = [*DTYPES, "uint16", "uint32", "uint64", int, float]
    for n in (1, 2, 3):
        for dtypes in itertools.product(names, repeat=n) if n < 3 else itertools.combinations(names, 3):
            assert result_type(*dtypes) == keras.backend.result_type(*dtypes), dtypes
    assert result_type() == keras.backend.result_type()


@pytest.mark.oracle
@pytest.mark.parametrize(
    "dtype", ["float32", np.float32, np.dtype("int8"), None, bool, int, float, "int", np.bool_, "bool"]
)
def test_names_like_keras(keras: Any, dtype: Any) -> None:
    assert standardize_dtype(dtype) == keras.backend.standardize_dtype(dtype)
    assert is_float_dtype(dtype) == keras.backend.is_float_dtype(dtype)
    assert is_int_dtype(dtype) == keras.backend.is_int_dtype(dtype)


def test_promotion() -> None:
    assert result_type("int32", "float32") == "float32"
    assert result_type("float32", float) == "float32"
    assert result_type("int32", float) == "float32"
    assert result_type("int64", "float32") == "float32"
    assert result_type("float32", "float64") == "float64"
    assert result_type("bool", int) == "int32"
    assert result_type("uint8", "int8") == "int16"


def test_arrays_stay_themselves() -> None:
    x = np.ones(3, np.float32)
    assert convert(x) is x
    assert common(x, x)[0] is x
    assert floats(x)[0] is x
    assert convert(x, "float64").dtype == np.float64
    assert [a.dtype.name for a in common(np.ones(2, np.int32), x[:2], 1.5)] == ["float32"] * 3


def test_the_default_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "floatx", "float32")
    assert (config.floatx(), standardize_dtype(None), convert(1.5).dtype.name) == ("float32",) * 3
    config.set_floatx("float64")
    assert (config.floatx(), standardize_dtype(None), convert(1.5).dtype.name) == ("float64",) * 3
    assert result_type("int32", float) == "float64"
    with pytest.raises(ValueError, match="Unknown `floatx` value: int8"):
        config.set_floatx("int8")


@pytest.mark.parametrize("wrong", ["float31", "x", object(), [1], {}])
def test_refuses(wrong: Any) -> None:
    with pytest.raises(DTypeError, match="Invalid dtype"):
        standardize_dtype(wrong)
