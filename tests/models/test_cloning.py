"""Copies of models: the same options, names and results under the same weights, and nothing shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers
from numba_rnn.models import clone_model
from numba_rnn.ops.naming import clear_session


def chain(K: Any = layers, M: Any = None) -> Any:
    inner = (M or Sequential)([K.Dense(4), K.Dropout(0.3)], name="inner")
    return (M or Sequential)(
        [K.Input((5, 3)), K.Masking(), K.Bidirectional(K.GRU(2, return_sequences=True)), inner, K.LSTM(2)], name="chain"
    )


def branches() -> Any:
    a, b = Input((None, 3), name="a"), Input((2,), name="b")
    shared = layers.Dense(2, name="shared")
    h, state = layers.GRU(2, return_state=True)(layers.Masking()(a))
    y = layers.Add()([shared(h), shared(b)])
    return Model({"a": a, "b": b}, [y * 2.0, state], name="branches")


def inputs(model: Any, rng: np.random.Generator) -> Any:
    x = rng.normal(size=(3, 5, 3)).astype("float32")
    return {"a": x, "b": rng.normal(size=(3, 2)).astype("float32")} if model.name == "branches" else x


@pytest.mark.parametrize("make", [chain, branches])
def test_is_the_same_without_sharing(make: Any, rng: np.random.Generator) -> None:
    model = make()
    copy = clone_model(model)
    assert type(copy) is type(model)
    assert [copy.name, [layer.name for layer in copy.layers]] == [model.name, [layer.name for layer in model.layers]]
    assert not {id(w) for w in copy.weights} & {id(w) for w in model.weights}
    copy.set_weights(model.get_weights())
    x = inputs(model, rng)
    for have, want in zip(copy.predict(x, verbose=0), model.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(have, want)
    assert copy.get_config() == model.get_config()


class Doubled(layers.Layer):
    """A layer that says nothing of itself, and is not registered."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


def test_layers_of_ones_own() -> None:
    x = np.ones((2, 3), "float32")
    for model in (Sequential([Input((3,)), Doubled(3.0)]), Model(i := Input((3,)), Doubled(3.0)(i))):
        np.testing.assert_array_equal(clone_model(model)(x), 3 * x)


def test_other_inputs_layers_and_calls() -> None:
    called = []

    def renamed(layer: Any) -> Any:
        return layer.clone(name=f"{layer.name}_2") if not isinstance(layer, layers.InputLayer) else layer

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(layer.name)
        return layer(*args, **kwargs)

    copy = clone_model(branches(), clone_function=renamed, call_function=call)
    assert called.count("shared_2") == 2
    assert copy.get_layer("shared_2").count_params() == 6
    longer = clone_model(chain(), input_tensors=Input((7, 3)))
    assert longer.input_shape == (None, 7, 3)
    names = [layer.name for layer in clone_model(chain(), clone_function=renamed, recursive=True).layers]
    assert names[1:] == ["bidirectional_2", "inner", "lstm_2"] or "inner" in names


def test_what_was_compiled_is_compiled() -> None:
    model = chain()
    model.compile(loss="mse")
    assert clone_model(model).compiled
    assert not clone_model(chain()).compiled


class Own(Model):
    """A model that is no graph."""

    def __init__(self, units: int = 2) -> None:
        super().__init__()
        self.dense = layers.Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_models_of_ones_own_are_copied_by_their_config() -> None:
    assert clone_model(Own(5)).dense.units == 5
    with pytest.raises(ValueError, match="only supported for Sequential models or Functional models"):
        clone_model(Own(5), clone_function=lambda layer: layer)


def test_refuses() -> None:
    with pytest.raises(ValueError, match="takes a model"):
        clone_model(layers.Dense(2))
    with pytest.raises(ValueError, match="must be a single symbolic tensor"):
        clone_model(chain(), input_tensors=[Input((5, 3)), Input((5, 3))])
    with pytest.raises(ValueError, match="`call_function` argument is not supported with Sequential"):
        clone_model(chain(), call_function=lambda layer, x: layer(x))
    with pytest.raises(ValueError, match=r"in the structure of `model.input`"):
        clone_model(branches(), input_tensors=Input((5, 3)))


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:Layer 'inner'")  # which Keras says of every model inside a model
def test_like_keras(keras: Any) -> None:
    keras.utils.clear_session()
    clear_session()
    class_names = []
    for K, M, clone in ((keras.layers, keras.Sequential, keras.models.clone_model), (layers, Sequential, clone_model)):
        copy = clone(chain(K, M))
        class_names.append(
            [copy.name, [(layer.name, type(layer).__name__) for layer in copy.layers], copy.output_shape]
        )
        class_names[-1].append([(w.name, tuple(w.shape)) for w in copy.weights])
    assert class_names[0] == class_names[1]
