"""What layers drop and add in training, in numbers large enough to count; nothing at inference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers

ONES = np.ones((200, 20, 10), "float32")
NOISY = {
    "Dropout": lambda: layers.Dropout(0.4, seed=1),
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.4, seed=1),
    "GaussianDropout": lambda: layers.GaussianDropout(0.4, seed=1),
    "GaussianNoise": lambda: layers.GaussianNoise(0.4, seed=1),
}


def zeros(y: Any) -> float:
    return float((np.asarray(y) == 0).mean())


@pytest.mark.parametrize("kind", NOISY)
def test_inference_is_the_identity(kind: str) -> None:
    layer = NOISY[kind]()
    assert layer(ONES) is ONES or (layer(ONES) == ONES).all()
    assert (layer(ONES, training=False) == ONES).all()
    assert (NOISY[kind]().call(ONES) == ONES).all()


@pytest.mark.parametrize("kind", NOISY)
def test_seeds(kind: str) -> None:
    layer, twin = NOISY[kind](), NOISY[kind]()
    first = layer(ONES, training=True)
    assert first.dtype == np.float32
    assert first.shape == ONES.shape
    np.testing.assert_array_equal(twin(ONES, training=True), first)
    assert (layer(ONES, training=True) != first).any()  # drawn anew
    np.testing.assert_allclose(first.mean(), 1, atol=0.05)


def test_dropout_scales_what_it_keeps() -> None:
    y = layers.Dropout(0.4, seed=3)(ONES, training=True)
    assert zeros(y) == pytest.approx(0.4, abs=0.01)
    np.testing.assert_allclose(y[y != 0], 1 / 0.6, rtol=1e-6)
    assert zeros(layers.Dropout(1.0)(ONES, training=True)) == 1
    assert not hasattr(layers.Dropout(0), "seed_generator")
    assert (layers.Dropout(0)(ONES, training=True) == ONES).all()


@pytest.mark.parametrize(("shape", "axis"), [((None, 1, None), 1), ([200, 20, 1], 2), ((1, None, None), 0)])
def test_noise_shape(shape: Any, axis: int) -> None:
    y = layers.Dropout(0.5, noise_shape=shape, seed=3)(ONES, training=True)
    assert (y == np.take(y, [0], axis)).all()
    assert 0.3 < zeros(y) < 0.7


def test_spatial_dropout_takes_features() -> None:
    y = layers.SpatialDropout1D(0.5, seed=3)(ONES, training=True)
    assert (y == y[:, :1]).all()
    assert (y[:, 0] != y[:1, 0]).any()
    assert zeros(y) == pytest.approx(0.5, abs=0.05)


def test_gaussian_variances() -> None:
    assert layers.GaussianDropout(0.2, seed=3)(3 * ONES, training=True).std() == pytest.approx(1.5, rel=0.03)
    y = layers.GaussianNoise(0.3, seed=3)(3 * ONES, training=True)
    assert y.std() == pytest.approx(0.3, rel=0.03)
    assert y.mean() == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("shape", ["ab", (0, 1), (2.5, 1), 7])
def test_refuses_a_noise_shape(shape: Any) -> None:
    with pytest.raises(ValueError, match="Invalid value received for argument `noise_shape`"):
        layers.Dropout(0.5, noise_shape=shape)


def test_refuses_a_deviation() -> None:
    with pytest.raises(ValueError, match=r"argument `stddev`. Expected a float value between 0 and 1"):
        layers.GaussianNoise(1.5)


def test_training_reaches_the_layers_of_models() -> None:
    x = ONES[:3]
    model = Sequential([Input((20, 10)), layers.Dropout(0.5), Sequential([layers.Dense(4), layers.Dropout(0.5)])])
    assert (model(x) == model(x, training=False)).all()
    assert zeros(model(x, training=True)) > 0.2
    np.testing.assert_array_equal(model.predict(x, verbose=0), model(x))


def test_a_call_of_the_model_goes_before_what_was_recorded() -> None:
    x, inputs = ONES[:3], Input((20, 10))
    trained = Model(inputs, layers.Dropout(0.5)(inputs, training=True))
    assert [zeros(y) > 0 for y in (trained(x), trained(x, training=True), trained(x, training=False))] == [1, 1, 0]
    assert zeros(trained.predict(x, verbose=0)) == 0
    plain = Model(inputs, layers.Dropout(0.5)(inputs, training=False))
    assert [zeros(y) > 0 for y in (plain(x), plain(x, training=True), plain(x, training=False))] == [0, 1, 0]
    assert zeros(Sequential([inputs, trained])(x)) > 0


class Default(layers.Layer):
    """Trains unless it is told not to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dropout(0.5)

    def call(self, inputs: Any, training: bool = True) -> Any:
        return self.inner(inputs)


def test_a_default_holds_for_the_layers_inside() -> None:
    x, layer, inputs = ONES[:3], Default(), Input((20, 10))
    told: list[dict[str, Any]] = [{}, {}, {"training": True}, {"training": False}, {"training": None}]
    assert [zeros(layer(x, **how)) > 0 for how in told] == [1, 1, 1, 0, 0]
    model = Model(inputs, layer(inputs))
    assert [zeros(model(x, **how)) > 0 for how in told[1:4]] == [1, 1, 0]
    assert [zeros(Model(inputs, layer(inputs, training=False))(x)) > 0] == [0]


def test_each_step_has_a_mask_of_its_own() -> None:
    td = layers.TimeDistributed(layers.Dropout(0.5, noise_shape=(1, None), seed=2))
    y = td(ONES, training=True)
    assert (y == y[:1]).all()  # the rows of a batch share one
    assert (y != y[:, :1]).any()
    assert (td(ONES) == ONES).all()
    nested = layers.TimeDistributed(Sequential([layers.Dropout(0.5)]))
    assert zeros(nested(ONES, training=True)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise"])
def test_moments_like_keras(keras: Any, kind: str) -> None:
    theirs = np.asarray(getattr(keras.layers, kind)(0.3, seed=5)(2 * ONES, training=True))
    ours = getattr(layers, kind)(0.3, seed=5)(2 * ONES, training=True)
    for moment in (np.mean, np.std, zeros):
        assert moment(ours) == pytest.approx(moment(theirs), abs=0.03)
    for axis in range(3):
        assert np.asarray(ours).mean(axis).std() == pytest.approx(theirs.mean(axis).std(), rel=0.5, abs=0.01)
