"""Paths of Keras 2.12 to 2.15 as those of Keras 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import numba_rnn as keras
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import load_weights
from numba_rnn.loaders.keras_v2.layout import is_old_layout, orders_of, renumbered
from numba_rnn.loaders.weights import own_weights, places

OLD = "_layer_checkpoint_dependencies"


def test_numbers_are_those_of_keras_3() -> None:
    groups = [
        "",
        OLD,
        *(f"{OLD}/{name}" for name in ("lstm_10", "lstm", "lstm_2", "dense_1", "conv1d")),
        f"{OLD}/lstm_2/cell/vars",
        "optimizer/vars",
    ]
    paths = renumbered([*groups, f"{OLD}/lstm_2/cell", "optimizer"])
    assert {new: old for old, new in paths.items() if old in groups} == {
        "": "",
        "layers": OLD,
        "layers/lstm": f"{OLD}/lstm",
        "layers/lstm_1": f"{OLD}/lstm_2",
        "layers/lstm_1/cell/vars": f"{OLD}/lstm_2/cell/vars",
        "layers/lstm_2": f"{OLD}/lstm_10",
        "layers/dense": f"{OLD}/dense_1",
        "layers/conv1d": f"{OLD}/conv1d",
        "optimizer/vars": "optimizer/vars",
    }


def test_which_layout() -> None:
    assert is_old_layout(["", f"a/{OLD}", "b"])
    assert not is_old_layout(["", "layers", f"layers/x{OLD}"])


def test_orders() -> None:
    inner = {"config": {"name": "inner", "layers": [{"config": {"name": "c"}}, {"config": {}}, 3]}}
    assert orders_of({"config": {"name": "outer", "layers": [{"config": {"name": "b"}}, inner]}}) == {
        "outer": ["b", "inner"],
        "inner": ["c", "None"],
    }
    assert orders_of([None, {"config": {"layers": 3}}]) == {}


def two_layers() -> Any:
    """Layers of one class and one shape, and one that is a layer of the inner model too."""
    shared = keras.layers.LSTM(2, return_sequences=True, name="shared")
    i = keras.Input((3, 2))
    inner = keras.Model(i, shared(i), name="inner")
    x = keras.Input((3, 2))
    y = keras.layers.LSTM(2, return_sequences=True, name="own")(shared(inner(x)))
    return keras.Model(x, y)


def written(path: Path, model: Any, paths: dict[str, str]) -> dict[str, list[np.ndarray]]:
    """Write the weights of a model's objects under other paths; returns them."""
    rng, kept = np.random.default_rng(7), {}
    with h5py.File(path, "w") as file:
        for place, layer in places(model).items():
            kept[place] = [rng.normal(size=w.shape).astype("float32") for w in own_weights(layer)]
            for n, array in enumerate(kept[place]):
                file[f"{paths.get(place, place)}/vars/{n}"] = array
    return kept


INSIDE = "layers/functional/layers/lstm/cell"
KINDS = {
    "2.13": {INSIDE: f"{OLD}/functional/{OLD}/lstm/cell", "layers/lstm_1/cell": f"{OLD}/lstm_2/cell"},
    "2.14": {INSIDE: f"{OLD}/functional/{OLD}/lstm/cell", "layers/lstm_1/cell": f"{OLD}/lstm/cell"},
    "2.15": {"layers/lstm_1/cell": "layers/lstm/cell"},
    "3": {},
}


@pytest.mark.parametrize("paths", KINDS.values(), ids=KINDS)
def test_weights_alone_say_which_layout_they_have(paths: dict[str, str], tmp_path: Path) -> None:
    model = two_layers()
    kept = written(tmp_path / "m.weights.h5", model, paths)
    assert sum(map(bool, kept.values())) == 2
    load_weights(model, tmp_path / "m.weights.h5")
    for place, layer in places(model).items():
        for weight, array in zip(own_weights(layer), kept[place], strict=True):
            np.testing.assert_array_equal(weight.value, array)


def test_what_is_left_over_is_told(tmp_path: Path) -> None:
    model = two_layers()
    written(tmp_path / "m.weights.h5", model, KINDS["2.13"])
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        file[f"{OLD}/lstm_4/cell/vars/0"] = np.zeros((2, 8))
    with pytest.raises(ModelFileError, match="no place for: layers/lstm_1/cell/vars/0"):
        load_weights(model, tmp_path / "m.weights.h5")
