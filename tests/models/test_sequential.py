from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, models
from numba_rnn.errors import ModelFileError, ShapeError

T, D = 5, 3


def chain(L: Any, S: Any, first: bool) -> Any:
    start = [L.Input((T,), dtype="int32")] if first else []
    return S(
        [
            *start,
            L.Embedding(7, 4, mask_zero=True),
            L.LSTM(3, return_sequences=True),
            L.Dropout(0.2),
            L.GRU(2),
            L.Dense(2),
        ]
    )


@pytest.mark.oracle
@pytest.mark.parametrize("first", [True, False])
def test_like_keras(keras: Any, rng: np.random.Generator, first: bool) -> None:
    keras.utils.clear_session()
    theirs, ours = chain(keras.layers, keras.Sequential, first), chain(layers, models.Sequential, first)
    ids = rng.integers(0, 7, (4, T)).astype("int32")
    ids[0, 3:] = 0
    theirs(ids)
    ours(ids)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    ours.set_weights([rng.normal(size=w.shape) for w in ours.weights])
    theirs.set_weights(ours.get_weights())
    wanted = theirs.predict(ids, verbose=0)
    np.testing.assert_allclose(ours.predict(ids), wanted, atol=1e-5)
    read = models.deserialize_model(json.loads(theirs.to_json()))
    assert read.built
    for mine, other in zip(
        json.loads(read.to_json())["config"]["layers"], json.loads(theirs.to_json())["config"]["layers"], strict=True
    ):
        assert {**mine, "build_config": None} == {**other, "build_config": None}
    read.set_weights(ours.get_weights())
    np.testing.assert_allclose(read.predict(ids), wanted, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = keras.models.model_from_json(ours.to_json())
    back.set_weights(ours.get_weights())
    np.testing.assert_allclose(back.predict(ids, verbose=0), wanted, atol=1e-6)


def test_is_built_when_it_can_be(rng: np.random.Generator) -> None:
    model = models.Sequential()
    model.add(layers.LSTM(4))
    model.add(layers.Dense(2))
    assert not model.built
    with pytest.raises(AttributeError, match="no defined input shape"):
        _ = model.input
    x = rng.normal(size=(2, T, D)).astype("float32")
    assert model(x).shape == (2, 2)
    assert model.input_shape == (2, T, D)
    assert model(x[:1, :2]).shape == (1, 2)
    assert [layer.name for layer in model.layers] == ["lstm", "dense"]
    with pytest.raises(ShapeError, match="incompatible input"):
        model(x[0, 0])
    model.pop()
    assert model(x).shape == (2, 4)


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"Only instances of `keras\.Layer` can be added"):
        models.Sequential([3])
    with pytest.raises(ValueError, match=r"unique names\. Name 'a' is already"):
        models.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")])
    with pytest.raises(ValueError, match="cannot be built because it has no layers"):
        models.Sequential()(np.ones((1, 2), "float32"))
    with pytest.raises(ValueError, match="An input can only be the first layer"):
        models.Sequential([layers.Input((2,)), layers.Input((2,))])
    with pytest.raises(ModelFileError, match="Conv1D"):
        models.deserialize_model(
            {"class_name": "Sequential", "config": {"layers": [{"class_name": "Conv1D", "config": {}}]}}
        )


def test_old_list_config() -> None:
    config = [{"class_name": "Dense", "config": {"units": 2, "name": "d"}}]
    assert models.deserialize_model({"class_name": "Sequential", "config": config}).layers[0].units == 2


def test_stateful_model(rng: np.random.Generator) -> None:
    model = models.Sequential([layers.Input(batch_shape=(2, None, D)), layers.GRU(3, stateful=True), layers.Dense(1)])
    x = rng.normal(size=(2, 1, D)).astype("float32")
    first, second = model(x), model(x)
    assert np.abs(first - second).max() > 1e-4
    model.reset_states()
    np.testing.assert_array_equal(model(x), first)


def test_own_model(rng: np.random.Generator) -> None:
    class Own(models.Model):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.rnn, self.head = layers.GRU(3), layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.head(self.rnn(inputs))

    model = Own()
    x = rng.normal(size=(2, T, D)).astype("float32")
    assert model.predict(x).shape == (2, 2)
    assert [layer.name for layer in model.layers] == ["gru", "dense"]
    assert model.count_params() == sum(w.size for w in model.get_weights())
