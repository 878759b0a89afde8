"""What is saved here and loaded here is the same model, to the last bit: of every layer, in every format."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers, ops
from numba_rnn.config import device
from numba_rnn.layers.registry import LAYERS
from numba_rnn.loaders import load_model, load_weights, save_model, save_weights

from .conftest import GOLDEN, with_random_weights
from .test_golden import inputs_in, keyed

NEWEST = sorted((GOLDEN / "3.15.1").glob("*.keras"))
NAMES = [path.name.removesuffix(".keras") for path in NEWEST]
NOT_HERE = {"float64"}  # set a global dtype policy, which this library does not have; `test_float64` is its twin


@pytest.fixture(autouse=True)
def _reference() -> Iterator[None]:
    with device("reference"):
        yield


def predictions(model: Any, x: Any) -> dict[str, Any]:
    rows = len(next(iter(keyed("x", x).values())))
    with np.errstate(over="ignore", invalid="ignore"):  # an exponential activation in a loop
        return keyed("y", model.predict(x, batch_size=rows, verbose=0))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, array in one.items():
        np.testing.assert_array_equal(array, other[key], err_msg=key)


def config_of(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def without(config: Any, *keys: str) -> Any:
    if isinstance(config, dict):
        return {k: without(v, *keys) for k, v in config.items() if k not in keys}
    return [without(v, *keys) for v in config] if isinstance(config, list) else config


def weights_of(path: Path) -> dict[str, Any]:
    """Everything in a file's weights: attributes, arrays, empty groups."""
    found: dict[str, Any] = {}

    def see(name: str, item: Any) -> None:
        found[name] = dict(item.attrs), item[()].tolist() if isinstance(item, h5py.Dataset) else None

    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as member, h5py.File(member) as file:
        file.visititems(see)
    return found


def test_every_layer_has_a_golden_file() -> None:
    def classes(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from [value["class_name"]] if isinstance(value.get("class_name"), str) else []
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from classes(part)

    assert set(LAYERS) <= {name for path in NEWEST for name in classes(config_of(path))}


@pytest.mark.parametrize("path", NEWEST, ids=NAMES)
def test_of_a_file_by_keras(path: Path, tmp_path: Path) -> None:
    with np.load(f"{path}.npz", allow_pickle=False) as archive:
        x = inputs_in(dict(archive))
    model = load_model(path)
    expected = predictions(model, x)
    for name in ("m.keras", "m.h5"):
        save_model(model, tmp_path / name)
        assert_same(predictions(load_model(tmp_path / name), x), expected)
    assert weights_of(tmp_path / "m.keras") == weights_of(path)
    noise = ("build_config", "compile_config", "shared_object_id", "training", "dtype")
    assert without(config_of(tmp_path / "m.keras"), *noise) == without(config_of(path), *noise)


@pytest.mark.parametrize("name", sorted({*NAMES} - NOT_HERE))
def test_of_a_model_made_here(name: str, cases_here: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng((zlib.crc32(name.encode()), 3))
    model, x = cases_here[name](rng)
    expected = predictions(with_random_weights(model, rng), x)
    for suffix in ("keras", "h5"):
        model.save(tmp_path / f"m.{suffix}")
        loaded = load_model(tmp_path / f"m.{suffix}")
        assert_same(predictions(loaded, x), expected)
        assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())
    model.save_weights(tmp_path / "m.weights.h5")
    with_random_weights(loaded, rng).load_weights(tmp_path / "m.weights.h5")
    for layer in loaded.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    assert_same(predictions(loaded, x), expected)


def test_float64(rng: np.random.Generator, tmp_path: Path) -> None:
    model = Sequential(
        [Input((5, 3), dtype="float64"), layers.LSTM(4, dtype="float64"), layers.Dense(2, dtype="float64")]
    )
    x = rng.normal(size=(3, 5, 3))
    expected = with_random_weights(model, rng).predict(x, verbose=0)
    assert expected.dtype == np.float64
    save_model(model, tmp_path / "m.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(x, verbose=0), expected)


def test_layer_in_two_models_is_one_layer_again(rng: np.random.Generator, tmp_path: Path) -> None:
    shared, j, k = layers.Dense(3, name="shared"), Input((5, 3), name="j"), Input((5, 3), name="k")
    one, two = Model(j, layers.Dense(2)(shared(j)), name="one"), Model(k, layers.GRU(2)(shared(k)), name="two")
    i = Input((5, 3), name="i")
    model = with_random_weights(Model(i, [one(i), two(i), shared(i), Sequential([Input((5, 3)), shared])(i)]), rng)
    save_model(model, tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.count_params() == model.count_params()
    assert loaded.get_layer("one").get_layer("shared") is loaded.get_layer("two").get_layer("shared")
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    assert_same(predictions(loaded, x), predictions(model, x))


def test_operations_with_arrays_slices_and_numbers(rng: np.random.Generator, tmp_path: Path) -> None:
    i = Input((5, 3))
    h = layers.LSTM(4, return_sequences=True)(i)
    y = ops.tanh(h[:, -1, 1:3] * 2.0 + 1) - 0.5 / ops.exp(h[:, 0, ::2])
    model = with_random_weights(Model(i, y), rng)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    for name in ("m.keras", "m.h5"):
        save_model(model, tmp_path / name)
        assert_same(predictions(load_model(tmp_path / name), x), predictions(model, x))


def test_weights_of_a_model_of_ones_own(rng: np.random.Generator, tmp_path: Path) -> None:
    class Own(Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.recurrent = [layers.GRU(units, return_sequences=True), layers.GRU(units)]
            self.out = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.out(self.recurrent[1](self.recurrent[0](x)))

    x = rng.normal(size=(2, 5, 3)).astype("float32")
    one, other, third = Own(4), Own(4), Own(5)
    for model in (one, other, third):
        model(x)
        with_random_weights(model, rng)
    save_weights(one, tmp_path / "m.weights.h5")
    load_weights(other, tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other(x), one(x))
    before = third.get_weights()
    with pytest.raises(ValueError, match=r"layers/gru.*do not fit"):
        load_weights(third, tmp_path / "m.weights.h5")
    for a, b in zip(before, third.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
