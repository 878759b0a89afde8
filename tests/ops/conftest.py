"""Arrays of every dtype, and the comparison with Keras' operations that the tests here share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

DTYPES = ("bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64")


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0, positive: bool = False) -> Any:
    """Numbers of a few units in any dtype, signs mixed unless `positive`."""
    x = np.random.default_rng(seed).normal(size=shape) * 2
    if dtype == "bool":
        return x > 0
    if positive or dtype.startswith("u"):
        x = np.abs(x) + 0.5
    if "int" in dtype:
        x = np.sign(x) * (np.abs(x * 3) + positive)
    return x.astype(dtype)


@pytest.fixture
def like_keras(keras: Any) -> Any:
    """A function that calls an operation here and in Keras and compares values, dtypes, shapes and kinds of result."""

    def compare(name: str, *args: Any, rtol: float = 1e-5, **kwargs: Any) -> None:
        theirs: Any = keras
        for part in f"ops.{name}".split("."):
            theirs = getattr(theirs, part)
        want = theirs(*args, **kwargs)
        got = getattr(ops, name)(*args, **kwargs)
        if isinstance(want, (list, tuple)):
            assert len(want) == len(got)
        else:
            want, got = [want], [got]
        for w, g in zip(want, got, strict=True):
            w = np.asarray(w)  # noqa: PLW2901
            assert isinstance(g, np.ndarray)
            assert (g.dtype, g.shape) == (w.dtype, w.shape), name
            loose = 2e-2 if w.dtype == np.float16 else rtol
            np.testing.assert_allclose(
                g.astype("float64"), w.astype("float64"), rtol=loose, atol=loose / 2, err_msg=name
            )

    return compare
