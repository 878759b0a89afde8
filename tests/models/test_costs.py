"""Regularizers in the loss, by hand and against Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import layers, models, ops, regularizers


def test_by_hand() -> None:
    kernel = np.array([[3.0, -4.0]])
    dense = layers.Dense(2, kernel_regularizer=regularizers.L1L2(0.5, 0.1), bias_regularizer="l1", name="d")
    model = models.Sequential([layers.Input((1,)), dense])
    model.set_weights([kernel, np.array([1.0, -2.0])])
    model.compile(loss="mae")
    assert model.losses == [pytest.approx(0.5 * 7 + 0.1 * 25), pytest.approx(0.03)]
    assert model.evaluate(np.zeros((2, 1)), np.array([[1.0, -2.0]] * 2)) == pytest.approx(6.03)
    dense.trainable = False
    assert model.losses == []
    dense.activity_regularizer = regularizers.L2()
    with pytest.raises(ValueError, match="Layer 'd' has an activity regularizer"):
        model.evaluate(np.zeros((2, 1)), np.zeros((2, 2)))


def test_weights_alone_are_a_loss() -> None:
    model = models.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")])
    model.compile()
    assert model.evaluate(np.zeros((2, 1))) == pytest.approx(0.01)


class Scale(numba_rnn.Layer):
    """A layer of one's own: its weight's regularizer is nowhere but in `add_weight`."""

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((input_shape[-1],), "ones", regularizer="l2", name="scale")
        self.shift = self.add_weight((input_shape[-1],), "ones", name="shift")

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale + self.shift


def test_regularizers_belong_to_weights() -> None:
    model = models.Sequential([layers.Input((3,)), Scale()])
    assert model.losses == [pytest.approx(0.03)]
    model.weights[1].regularizer = lambda x: x.sum()
    assert model.losses == pytest.approx([0.03, 3])
    model.weights[0].regularizer = None
    assert model.losses == [3]


def build(lib: Any) -> Any:
    keras_layers, r = lib.layers, lib.regularizers
    cell = keras_layers.LSTMCell(3, kernel_regularizer=r.l2(0.02), recurrent_regularizer=r.L1(0.03))
    return lib.Sequential(
        [
            keras_layers.Input((None,)),
            keras_layers.Embedding(5, 4, embeddings_regularizer=r.OrthogonalRegularizer(0.3)),
            keras_layers.Bidirectional(
                keras_layers.GRU(3, return_sequences=True, bias_regularizer="l1l2", kernel_regularizer="L2")
            ),
            keras_layers.BatchNormalization(gamma_regularizer=r.l1_l2(0.1, 0.2)),
            keras_layers.TimeDistributed(
                keras_layers.Dense(4, kernel_regularizer=r.OrthogonalRegularizer(0.3, "columns"))
            ),
            keras_layers.RNN(cell),
            keras_layers.Dense(2, kernel_regularizer={"class_name": "L2", "config": {"l2": 0.5}}),
        ]
    )


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_like_keras(keras: Any, rng: np.random.Generator, tmp_path: Any) -> None:
    theirs, ours = build(keras), build(numba_rnn)
    values = [rng.random(w.shape).astype("float32") for w in theirs.weights]
    x, y = rng.integers(0, 5, (4, 6)), rng.normal(size=(4, 2)).astype("float32")
    theirs.set_weights(values)
    ours.set_weights(values)
    theirs.save(tmp_path / "m.keras")
    for model in (ours, numba_rnn.load_model(tmp_path / "m.keras")):
        theirs.compile(loss="mse", metrics=["mae"])
        model.compile(loss="mse", metrics=["mae"])
        np.testing.assert_allclose(sorted(model.losses), sorted(np.asarray(v) for v in theirs.losses), rtol=2e-6)
        np.testing.assert_allclose(model.evaluate(x, y), theirs.evaluate(x, y, verbose=0), rtol=3e-6)


def test_losses_that_layers_add() -> None:
    class Costly(layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(0.5 * ops.mean(inputs))
            return inputs

    x = np.arange(6, dtype="float32").reshape(3, 2)
    inputs = layers.Input((2,))
    model = models.Model(inputs, Costly()(inputs))
    model.compile(loss="mse")
    assert np.array_equal(model(x), x)
    assert model.losses == []
    assert model.evaluate(x, x, verbose=0) == pytest.approx(1.25)
    assert model.losses == []
