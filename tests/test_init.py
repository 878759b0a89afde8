"""`import numba_rnn as keras`: the names that programs look for, and a program that uses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numba_rnn as keras

NAMES = [
    "DTypePolicy", "Initializer", "Input", "InputSpec", "KerasTensor", "Layer", "Loss", "Metric", "Model", "Operation",
    "Regularizer", "Sequential", "Variable", "activations.get", "activations.relu", "backend.clear_session",
    "backend.epsilon", "backend.floatx", "backend.set_floatx", "config.floatx", "config.set_floatx",
    "initializers.GlorotUniform", "initializers.get", "layers.Bidirectional", "layers.Dense", "layers.GRU", "layers.LSTM",
    "layers.Layer", "layers.RNN", "layers.SimpleRNN", "losses", "metrics", "models.Model", "models.Sequential",
    "models.clone_model", "models.load_model", "ops.matmul", "ops.scan", "random.SeedGenerator", "random.normal",
    "saving.load_model", "saving.register_keras_serializable", "utils.pad_sequences", "utils.set_random_seed",
    "utils.to_categorical",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_is_there(name: str) -> None:
    found: Any = keras
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


@pytest.mark.oracle
def test_names_are_keras_own(keras: Any) -> None:
    import numba_rnn

    own = {
        "DTypeError",
        "DeviceError",
        "ModelFileError",
        "ShapeError",
        "from_torch",
        "load_model",
        "load_onnx",
        "set_threads",
    }
    assert sorted(set(numba_rnn.__all__) - set(dir(keras)) - own) == []
    missing = sorted(n for n in numba_rnn.ops.__all__ if not hasattr(keras.ops, n))
    assert missing == []
    assert (
        sorted(
            set(numba_rnn.random.__all__)
            - set(dir(keras.random))
            - {"generator", "make_default_seed", "seed_everything"}
        )
        == []
    )


def test_a_program() -> None:
    class Gated(keras.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.activation = keras.activations.get("tanh")

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight((input_shape[-1], 2 * self.units), keras.initializers.HeNormal(seed=1), name="w")
            self.b = self.add_weight((2 * self.units,), "zeros", name="b")

        def call(self, x: Any) -> Any:
            a, g = keras.ops.split(x @ self.w + self.b, 2, axis=-1)
            return self.activation(a) * keras.ops.sigmoid(g)

    keras.utils.set_random_seed(3)
    inputs = keras.Input((None, 4))
    x = Gated(5)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, activation=keras.activations.softmax)(keras.layers.LSTM(3)(x)))
    rows = keras.utils.pad_sequences([[[1, 2, 3, 4]] * 2, [[5, 6, 7, 8]] * 3], dtype="float32")
    y = model.predict(rows, verbose=0)
    assert y.shape == (2, 2)
    np.testing.assert_allclose(keras.ops.sum(y, axis=-1), [1, 1], rtol=1e-6)
    w, b = (v.numpy() for v in model.layers[1].weights)
    a, g = np.split(rows @ w + b, 2, -1)
    np.testing.assert_allclose(model.layers[1](rows), np.tanh(a) / (1 + np.exp(-g)), rtol=1e-5, atol=1e-6)
