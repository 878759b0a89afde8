"""Graphs made by a subclass of `Model`, from JSON, and with layers called as functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, models


def test_a_subclass_makes_its_graph(tmp_path: Any) -> None:
    class Tagger(models.Model):
        def __init__(self, units: int = 4, **kwargs: Any) -> None:
            tokens = layers.Input((None,))
            hidden = layers.GRU(units)(layers.Embedding(9, 3)(tokens))
            super().__init__(inputs=tokens, outputs=layers.Dense(5)(hidden), **kwargs)
            self.scale = layers.Dense(2, name="scale")
            self.scale.build((None, 5))

        def scaled(self, x: Any) -> Any:
            return self.scale(self(x))

    class Refined(Tagger):
        pass

    x = np.array([[1, 2], [3, 4]])
    model = Refined(6, name="tags")
    y = model.scaled(x)
    assert y.shape == (2, 2)
    assert type(model) is Refined
    assert isinstance(model, models.Functional)
    assert [layer.name.split("_")[0] for layer in model.layers] == ["input", "embedding", "gru", "dense"]
    assert [w.path for w in model.weights[-2:]] == ["scale/kernel", "scale/bias"]
    assert model.get_config()["units"] == 6
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras", custom_objects={"Refined": Refined})
    np.testing.assert_array_equal(again(x), model(x))
    assert Tagger(3)(x).shape == (2, 5)


def test_a_model_from_its_json() -> None:
    tokens = layers.Input((None,))
    model = models.Model(tokens, layers.GRU(4)(layers.Embedding(9, 3)(tokens)))
    again = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    x = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.parametrize("name", ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"])
def test_merging_by_functions(name: str, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 3, 4)).astype("float32")
    merge = getattr(layers, name.lower())
    np.testing.assert_array_equal(merge([a, b]), getattr(layers, name)()([a, b]))
    y = merge([layers.Input((4,)), layers.Input((4,))], name="merged")
    assert y._keras_history.operation.name == "merged"
    assert type(y._keras_history.operation) is getattr(layers, name)
