"""Normalisation in training: statistics of the batch, and the moving ones after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers
from numba_rnn.errors import ShapeError

MASK = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 1]], bool)


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal([1, -2, 3, 0, 5], [1, 2, 3, 4, 5], (3, 4, 5)).astype("float32")


def test_statistics_of_the_batch(x: Any) -> None:
    layer = layers.BatchNormalization(momentum=0.75, epsilon=1e-4)
    y = layer(x, training=True)
    np.testing.assert_allclose(y.mean((0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std((0, 1)), 1, atol=1e-3)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * x.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.75 + 0.25 * x.var((0, 1)), rtol=1e-5)
    before = layer.moving_mean.numpy()
    layer(x), layer(x, training=False)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), before)
    assert abs(layer(x).mean((0, 1))).max() > 0.1  # the moving ones


def test_masked_steps_do_not_count(x: Any) -> None:
    layer = layers.BatchNormalization(momentum=0.5)
    layer(x, training=True, mask=MASK)
    kept = x[MASK]
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.5 * kept.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.5 + 0.5 * kept.var(0), rtol=1e-5)
    with pytest.raises(ShapeError, match="mask provided should be one dimension less than the inputs"):
        layer(x, mask=MASK[0])


def test_a_frozen_layer_runs_as_for_inference(x: Any) -> None:
    layer = layers.BatchNormalization()
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    np.testing.assert_array_equal(layer.moving_mean.numpy(), 0)


def test_models_hand_training_on(x: Any) -> None:
    model = Sequential([Input((4, 5)), layers.Masking(), layers.BatchNormalization(momentum=0.0)])
    x[0, 1:] = 0
    model(x, training=True)
    steps = (x != 0).any(-1)
    np.testing.assert_allclose(model.layers[1].moving_mean.numpy(), x[steps].mean(0), rtol=1e-5)


def test_sizes_are_checked_on_the_short_way(x: Any) -> None:
    for layer in (layers.BatchNormalization(name="n"), layers.LayerNormalization(name="n")):
        layer(x), layer(x)
        with pytest.raises(ShapeError, match=r"[lL]ayer 'n'"):
            layer(x[..., :4])
    with pytest.raises(TypeError, match="must be one whole number"):
        layers.BatchNormalization(axis=[1, 2])


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("options", "masked"),
    [
        ({}, False),
        ({}, True),
        ({"axis": 1, "momentum": 0.3}, False),
        ({"scale": False, "epsilon": 0.1}, True),
        ({"center": False}, True),
    ],
)
def test_like_keras(keras: Any, x: Any, options: dict[str, Any], masked: bool) -> None:
    how = {"mask": MASK} if masked else {}
    theirs, ours = keras.layers.BatchNormalization(**options), layers.BatchNormalization(**options)
    for scale in (1, -3):
        want = theirs(scale * x, training=True, **{k: keras.ops.convert_to_tensor(v) for k, v in how.items()})
        np.testing.assert_allclose(ours(scale * x, training=True, **how), want, rtol=1e-4, atol=1e-5)
    for have, want in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
