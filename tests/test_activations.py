from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import activations, layers
from numba_rnn.ops.activations import ELEMENTWISE, ROW_WISE, get_activation

FUNCTIONS = [n for n in activations.__all__ if n not in {"get", "serialize", "deserialize"}]
NAMED = [n for n in FUNCTIONS if n not in {"threshold", "hard_swish", "swish"}]
X = np.linspace(-3, 3.5, 12, dtype=np.float32).reshape(3, 4)
ARGUMENTS = {"threshold": (0.5, -1.0)}


@pytest.mark.oracle
@pytest.mark.parametrize("name", FUNCTIONS)
def test_like_keras(keras: Any, name: str) -> None:
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    for dtype in ("float32", "float64"):
        x = X.astype(dtype)
        got, want = ours(x, *ARGUMENTS.get(name, ())), np.asarray(theirs(x, *ARGUMENTS.get(name, ())))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert sorted(activations.__all__) == sorted(n for n in dir(keras.activations) if not n.startswith("_"))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["relu", "gelu", "exponential", "softmax", "tanh", "linear", "silu"])
def test_graphs_like_keras(keras: Any, name: str) -> None:
    x, y = numba_rnn.Input((4,)), keras.Input((4,))
    ours = numba_rnn.Model(x, getattr(activations, name)(x))
    theirs = keras.Model(y, getattr(keras.activations, name)(y))
    np.testing.assert_allclose(ours(X), np.asarray(theirs(X)), rtol=1e-5, atol=1e-6)
    nodes = [{k: v for k, v in n.items() if k in {"class_name", "module"}} for n in ours.get_config()["layers"]]
    wanted = [{k: v for k, v in n.items() if k in {"class_name", "module"}} for n in theirs.get_config()["layers"]]
    assert nodes == wanted


@pytest.mark.parametrize("name", NAMED)
def test_names(name: str) -> None:
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.get(function) is function
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function
    assert function.__name__ == name
    found, fast = get_activation(function)  # what a layer computes with
    assert found == name
    assert fast is (ELEMENTWISE.get(name) or ROW_WISE[name])


def test_layers_know_the_functions() -> None:
    x = np.ones((2, 3, 4), np.float32)
    for given in (activations.tanh, "tanh", numba_rnn.ops.tanh):
        layer = layers.GRU(3, activation=given, recurrent_activation=activations.sigmoid)
        assert layer(x).shape == (2, 3)
        assert layer.get_config()["activation"] == "tanh"
        assert layer.get_config()["recurrent_activation"] == "sigmoid"


def test_get() -> None:
    def mine(x: Any) -> Any:
        return x * 2

    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(mine) is mine
    assert activations.get(activations.swish) is activations.silu
    assert activations.deserialize("mine", {"mine": mine}) is mine
    with pytest.raises(ValueError, match="Could not interpret activation function identifier: nope"):
        activations.get("nope")


def test_options() -> None:
    np.testing.assert_allclose(activations.relu(X, max_value=1), np.clip(X, 0, 1))
    assert activations.relu([1, -2]).tolist() == [1, 0]
    np.testing.assert_allclose(activations.gelu(X), X * activations.gelu(X, approximate=False) / X)
