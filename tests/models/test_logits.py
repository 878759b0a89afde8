"""Crossentropies of saturated outputs: from the logits, where a sigmoid or softmax is what a model ends in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import Sequential, initializers, layers, losses
from numba_rnn.layers.masks import MaskedArray
from numba_rnn.ops.logits import LogitsArray, keeping_logits

Z = np.array([[40.0, -10.0, 0.5], [-30.0, 25.0, 1.0], [1.0, 2.0, -3.0]], "float32")
CLASSES = np.array([1, 0, 2])
TARGETS = np.eye(3, dtype="float32")[CLASSES]

ENDINGS: dict[str, Callable[[Any], list[Any]]] = {
    "dense softmax": lambda K: [K.layers.Dense(3, activation="softmax", kernel_initializer="identity")],
    "dense sigmoid": lambda K: [K.layers.Dense(3, activation=K.ops.sigmoid, kernel_initializer="identity")],
    "softmax": lambda K: [K.layers.Activation("softmax")],
    "sigmoid": lambda K: [K.layers.Activation(K.activations.sigmoid)],
    "layer": lambda K: [K.layers.Softmax()],
    "nested": lambda K: [K.Sequential([K.layers.Softmax()])],
    "reshaped": lambda K: [K.layers.Softmax(), K.layers.Reshape((3,))],
    "double": lambda K: [K.layers.Softmax(dtype="float64")],
    "tanh": lambda K: [K.layers.Activation("sigmoid"), K.layers.Activation("tanh")],
}
LOSSES: dict[str, Callable[[Any], Any]] = {
    "categorical": lambda K: "categorical_crossentropy",
    "smoothed": lambda K: K.losses.CategoricalCrossentropy(label_smoothing=0.1),
    "sparse": lambda K: "sparse_categorical_crossentropy",
    "sparse ignoring": lambda K: K.losses.SparseCategoricalCrossentropy(ignore_class=2),
    "binary": lambda K: "binary_crossentropy",
    "binary smoothed": lambda K: K.losses.BinaryCrossentropy(label_smoothing=0.2),
    "from logits": lambda K: K.losses.BinaryCrossentropy(from_logits=True),
    "focal": lambda K: "binary_focal_crossentropy",
    "focal from logits": lambda K: K.losses.BinaryFocalCrossentropy(from_logits=True),
    "categorical focal": lambda K: "categorical_focal_crossentropy",
}


def evaluated(K: Any, end: str, loss: str, eager: bool) -> Any:
    model = K.Sequential([K.Input((3,)), *ENDINGS[end](K)])
    given = LOSSES[loss](K)
    metrics = [given] if isinstance(given, str) and "focal" not in given else ["mse"]
    model.compile(loss=given, weighted_metrics=metrics, run_eagerly=eager)
    y = CLASSES if loss.startswith("sparse") else TARGETS
    return model.evaluate(Z, y, sample_weight=np.array([1.0, 0.5, 2.0]), verbose=0)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("end", ENDINGS)
def test_like_keras(keras: Any, end: str, loss: str) -> None:
    np.testing.assert_allclose(
        evaluated(numba_rnn, end, loss, True), evaluated(keras, end, loss, loss != "binary"), rtol=2e-5
    )


def test_by_hand() -> None:
    model = Sequential([layers.Input((3,)), layers.Softmax()])
    model.compile(loss="sparse_categorical_crossentropy")
    assert model.evaluate(Z[:1], CLASSES[:1], verbose=0) == pytest.approx(50.0)  # 40 - -10
    assert model.test_on_batch(Z[1:2], CLASSES[1:2]) == pytest.approx(55.0)  # 25 - -30
    given = model.compute_loss(y=CLASSES[:1], y_pred=model.predict(Z[:1], verbose=0))
    assert given == pytest.approx(-np.log(1e-7), rel=1e-4)  # probabilities are all it has
    model = Sequential([layers.Input((1,)), layers.Dense(1, activation="sigmoid", kernel_initializer="ones")])
    model.compile(loss="binary_crossentropy", metrics=["binary_crossentropy", "accuracy"])
    assert model.evaluate(np.array([[40.0], [-60.0]]), np.array([0, 1]), verbose=0) == pytest.approx([50.0, 50.0, 0.0])


def test_arrays_are_plain_but_while_evaluating() -> None:
    dense = layers.Dense(3, activation="softmax", kernel_initializer=initializers.GlorotUniform(seed=1))
    dense(Z)
    assert type(dense(Z)) is np.ndarray
    with keeping_logits():
        kept = dense(Z)
        assert type(kept) is LogitsArray
        np.testing.assert_allclose(kept._keras_logits, Z @ dense.kernel.value, rtol=1e-6)
        assert (kept[1:] * 2)._keras_logits is None
        assert type(layers.Reshape((3,))(kept)) is np.ndarray
    assert type(dense(Z)) is np.ndarray


@pytest.mark.parametrize("masked", [False, True])
def test_masks_and_logits_together(masked: bool, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 2)).astype("float32")
    x[0, 1] = 0
    first = [layers.Masking()] if masked else []
    model = Sequential(
        [layers.Input((3, 2)), *first, layers.LSTM(2, return_sequences=True), layers.Dense(4, "softmax")]
    )
    model.set_weights(
        [rng.normal(size=w.shape) for w in model.weights[:-2]] + [rng.normal(size=(2, 4)) * 3000, np.ones(4)]
    )
    y = rng.integers(0, 4, (2, 3))
    model.compile(loss="sparse_categorical_crossentropy")
    logits = (
        model.layers[-2](first[0](x) if masked else x) @ model.layers[-1].kernel.value + model.layers[-1].bias.value
    )
    logits = np.asarray(logits, "float64")
    logits -= logits.max(-1, keepdims=True)
    costs = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, y[..., None], -1)[..., 0]
    expected = np.delete(costs.ravel(), 1).mean() if masked else costs.mean()
    assert costs.max() > 20
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-4)
    with keeping_logits():
        assert type(model(x)) is (MaskedArray if masked else LogitsArray)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_several_outputs_and_activations_in_call(keras: Any) -> None:
    def model(K: Any) -> Any:
        class Net(K.Model):  # type: ignore[misc,name-defined]
            def call(self, x: Any) -> Any:
                return {"a": K.activations.softmax(x), "b": K.ops.sigmoid(x), "c": 2 * K.ops.sigmoid(x) / 2}

        made = Net()
        made.compile(loss={"a": "categorical_crossentropy", "b": "binary_crossentropy", "c": "binary_crossentropy"})
        return made

    y = dict.fromkeys("abc", TARGETS)
    ours, theirs = (model(K).evaluate(Z, y, verbose=0, return_dict=True) for K in (numba_rnn, keras))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours["b_loss"] > ours["c_loss"] + 2


def test_from_logits_of_an_activation_warns() -> None:
    model = Sequential([layers.Input((3,)), layers.Activation("sigmoid")])
    model.compile(loss=losses.BinaryCrossentropy(from_logits=True))
    with pytest.warns(UserWarning, match="`from_logits=True`, but the predictions come from a sigmoid or softmax"):
        wrong = model.evaluate(Z, TARGETS, verbose=0)
    model.compile(loss="binary_crossentropy")
    assert model.evaluate(Z, TARGETS, verbose=0) == wrong
