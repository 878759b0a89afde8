"""Objects that configs hold: every layer that takes them, through configs and files, beside Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, described, initializers, layers, load_model, regularizers, saving

R = ["l2", "L1", {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}, "orthogonal_regularizer"]
C = ["non_neg", "MaxNorm", {"class_name": "MinMaxNorm", "config": {"min_value": 0.1, "rate": 0.5}}, "unit_norm"]
WEIGHTS = {
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell"), ("kernel", "recurrent", "bias")),
    "Dense": ("kernel", "bias"),
    "Embedding": ("embeddings",),
    "LayerNormalization": ("gamma", "beta"),
    "BatchNormalization": ("gamma", "beta"),
}  # fmt: skip
FIRST = {"Embedding": (7, 3), "LayerNormalization": (), "BatchNormalization": ()}


def options(name: str, start: int) -> dict[str, Any]:
    """Another regularizer and constraint for each of a layer's weights."""
    found: dict[str, Any] = {"name": "mine"}
    for i, weight in enumerate(WEIGHTS[name]):
        found[f"{weight}_regularizer"], found[f"{weight}_constraint"] = R[(start + i) % 4], C[(start + i) % 4]
    if name != "SimpleRNN" and not name.endswith("Cell"):  # Keras' SimpleRNN forgets it
        found["activity_regularizer"] = R[(start + 1) % 4]
    return found


@pytest.mark.oracle
@pytest.mark.parametrize("name", WEIGHTS)
def test_configs_are_keras_own(keras: Any, name: str) -> None:
    for start in range(4):
        given, first = options(name, start), FIRST.get(name, (3,))
        ours, theirs = (getattr(library, name)(*first, **given) for library in (layers, keras.layers))
        config = ours.get_config()
        assert json.loads(json.dumps(config)) == json.loads(json.dumps(theirs.get_config()))
        for copy in (type(ours).from_config(config), type(ours).from_config(theirs.get_config()), ours.clone()):
            assert copy.get_config() == config
        assert type(theirs).from_config(config).get_config() == theirs.get_config()


@pytest.mark.parametrize("name", WEIGHTS)
def test_bad_identifiers(name: str) -> None:
    for key in options(name, 0):
        kind = key.split("_")[-1]
        if kind != "name":
            with pytest.raises(ValueError, match=f"Could not interpret {kind} identifier: nonsense"):
                getattr(layers, name)(*FIRST.get(name, (3,)), **{key: "nonsense"})


class Heavy(regularizers.Regularizer):
    """10 max(|w|)."""

    def __init__(self, by: float = 10.0) -> None:
        self.by = by

    def __call__(self, x: Any) -> Any:
        return self.by * np.abs(np.asarray(x)).max()

    def get_config(self) -> dict[str, Any]:
        return {"by": self.by}


def sevens(shape: Any, dtype: Any = None) -> Any:
    return np.full(shape, 7, dtype)


def test_files_with_objects_of_ones_own(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Sequential(
        [Input((4, 3)), layers.LSTM(2, kernel_regularizer=Heavy(3.0), recurrent_initializer=sevens, use_bias=False)]
    )
    x, y = rng.normal(size=(2, 4, 3)).astype("float32"), np.zeros((2, 2), "float32")
    model.compile(loss="mse")
    expected, loss = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
    assert loss > 3 * np.abs(model.layers[0].get_weights()[0]).max()
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        unknown = load_model(tmp_path / name)
        np.testing.assert_array_equal(unknown.predict(x, verbose=0), expected)
        assert unknown.get_config() == model.get_config()
        unknown.compile(loss="mse")
        with pytest.raises(ValueError, match=r"Could not interpret regularizer.*'by': 3\.0"):
            unknown.evaluate(x, y, verbose=0)
        unknown.save(tmp_path / f"again_{name}")
        known = load_model(tmp_path / f"again_{name}", {"Heavy": Heavy, "sevens": sevens})
        known.compile(loss="mse")
        assert known.evaluate(x, y, verbose=0) == pytest.approx(loss)
        assert known.layers[0].recurrent_initializer is sevens


def test_functions() -> None:
    @saving.register_keras_serializable("tests")
    def threes(shape: Any, dtype: Any = None) -> Any:
        return np.full(shape, 3, dtype)

    description = initializers.serialize(threes)
    assert (description["class_name"], description["config"]) == ("function", "tests>threes")
    assert initializers.deserialize(description) is threes
    assert initializers.get("tests>threes") is threes
    with pytest.raises(ValueError, match="has none"):
        regularizers.serialize(lambda w: 0)
    assert regularizers.serialize(None) is None


def test_options_of_another_version_are_kept() -> None:
    newer = {"class_name": "L2", "config": {"l2": 0.1, "sharpness": 3}}
    stored = regularizers.get(newer)
    assert isinstance(stored, described.Stored)
    assert described.describe(stored) == newer
    with pytest.raises(ValueError, match="l2=-1"):
        regularizers.get({"class_name": "L2", "config": {"l2": -1}})


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_saving_makes_them(keras: Any) -> None:
    for ours in (
        regularizers.L1(0.3),
        initializers.HeNormal(3),
        layers.Dense(2, kernel_regularizer="l1").kernel_regularizer,
    ):
        theirs = keras.saving.deserialize_keras_object(saving.serialize_keras_object(ours))
        again = saving.deserialize_keras_object(keras.saving.serialize_keras_object(theirs))
        assert type(again) is type(ours)
        assert again.get_config() == ours.get_config()
