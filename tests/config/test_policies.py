"""What layers compute in that were not told anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numba_rnn import config, layers
from numba_rnn.errors import DTypeError


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = config.settings.dtype_policy
    yield
    config.settings.dtype_policy = before


def test_layers_follow(rng: np.random.Generator) -> None:
    assert config.dtype_policy() == config.DTypePolicy("float32")
    first = layers.Dense(2)
    config.set_dtype_policy("float64")
    assert config.dtype_policy().name == "float64"
    dense = layers.Dense(2)
    assert [dense(rng.normal(size=(3, 4))).dtype, dense.kernel.dtype] == ["float64", "float64"]
    assert [first.dtype, layers.Dense(2, dtype="float32").dtype, config.floatx()] == ["float32"] * 3
    config.set_dtype_policy(config.DTypePolicy("float32"))
    assert layers.LSTM(2).compute_dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "int8", "nonsense"])
def test_policies_that_are_not_run(policy: str) -> None:
    with pytest.raises(DTypeError, match=f"float32, float64.*{policy}"):
        config.set_dtype_policy(policy)
    assert config.dtype_policy().name == "float32"


@pytest.mark.parametrize("policy", [None, 3, np.float32])
def test_no_policies(policy: Any) -> None:
    with pytest.raises(ValueError, match="Invalid `policy` argument"):
        config.set_dtype_policy(policy)


@pytest.mark.oracle
def test_like_keras(keras: Any) -> None:
    before = keras.config.dtype_policy()
    try:
        for library in (config, keras.config):
            library.set_dtype_policy("float64")
        assert config.dtype_policy().get_config() == keras.config.dtype_policy().get_config()
        ours, theirs = layers.GRU(2, name="g"), keras.layers.GRU(2, name="g")
        assert ours.get_config() == theirs.get_config()
        with pytest.raises(ValueError, match="Invalid `policy` argument"):
            keras.config.set_dtype_policy(None)
    finally:
        keras.config.set_dtype_policy(before)
