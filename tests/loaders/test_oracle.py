"""Models that Keras saves here and now, and those that Keras loads from our files: the golden cases with other weights."""

from __future__ import annotations

import importlib
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers
from numba_rnn.config import device
from numba_rnn.loaders import load_model

from .conftest import with_random_weights

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = sorted(path.name.removesuffix(".keras") for path in (GOLDEN / "3.15.1").glob("*.keras"))

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def maker(keras: Any) -> Any:
    """The script that writes golden files, as a module."""
    sys.path.insert(0, str(GOLDEN))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("make_golden")
    finally:
        sys.path.remove(str(GOLDEN))


def test_every_case_has_its_file(maker: Any) -> None:
    assert sorted(maker.CASES) == NAMES


def plain(config: Any) -> Any:
    """A config as JSON holds it, without what Keras adds when it loads any file.

    That is: masks of None and `training=False` in a graph's calls.
    """
    if isinstance(config, dict):
        added = ("build_config", "compile_config")
        kept = {k: plain(v) for k, v in config.items() if not k.endswith(added)}
        if "kwargs" in kept:
            kept["kwargs"] = {k: v for k, v in kept["kwargs"].items() if set(flatten([v])) - {None, False}}
        return kept
    return [plain(v) for v in config] if isinstance(config, (list, tuple)) else config


def flatten(value: Any) -> list[Any]:
    if isinstance(value, (list, dict)):
        return [leaf for v in (value.values() if isinstance(value, dict) else value) for leaf in flatten(v)]
    return [value]


def assert_close(received: dict[str, Any], expected: dict[str, Any]) -> None:
    assert received.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(received[key], array, rtol=1e-5, atol=2e-5, err_msg=key)


def assert_same_weights(model: Any, weights: list[Any]) -> None:
    for received, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(received, expected)


def read_by_keras(ours: Any, folder: Path, keras: Any) -> Any:
    """Save in each format; Keras finds the same weights in all, and makes this model of the `.keras`."""
    ours.save(folder / "ours.h5")
    ours.save(folder / "ours.keras")
    ours.save_weights(folder / "ours.weights.h5")
    keras.utils.clear_session()
    weights = ours.get_weights()
    assert_same_weights(keras.models.load_model(folder / "ours.h5", compile=False), weights)
    theirs = keras.models.load_model(folder / "ours.keras")
    assert_same_weights(theirs, weights)
    theirs.set_weights([np.zeros_like(w) for w in weights])
    theirs.load_weights(folder / "ours.weights.h5")
    assert_same_weights(theirs, weights)
    return theirs


def called(model: Any, x: Any, maker: Any) -> dict[str, Any]:
    """`maker.predictions` of a model of Keras', without the seconds that a graph takes to compile."""
    calls = ("y", "again") if maker.stateful_layers(model) else ("y",)
    stored: dict[str, Any] = maker.keyed("x", x)
    for key in calls:
        stored |= maker.keyed(key, model(x, training=False))
    return stored


@pytest.mark.parametrize("name", NAMES)
def test_saved_by_keras(name: str, maker: Any, keras: Any, tmp_path: Path) -> None:
    keras.utils.clear_session()
    rng = np.random.default_rng((zlib.crc32(name.encode()), 9))
    theirs, x = maker.CASES[name][0](rng)
    maker.randomise(theirs, rng)
    theirs.save(tmp_path / "m.keras")
    stored = called(theirs, x, maker)
    with device("reference"):
        ours = load_model(tmp_path / "m.keras")
        assert_close(maker.predictions(ours, x), stored)
    # And back: the same weights in the same model, which so predicts the same.
    back = read_by_keras(ours, tmp_path, keras)
    assert_same_weights(back, theirs.get_weights())
    again = keras.models.load_model(tmp_path / "m.keras")  # Keras forgets a Sequential's dtype
    assert plain(back.get_config()) == plain(again.get_config())


@pytest.mark.parametrize("name", sorted({*NAMES} - {"float64"}))
def test_made_here(name: str, cases_here: dict[str, Any], maker: Any, keras: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng((zlib.crc32(name.encode()), 4))
    ours, x = cases_here[name](rng)
    with_random_weights(ours, rng)
    with device("reference"):
        expected = maker.predictions(ours, x)
    theirs = read_by_keras(ours, tmp_path, keras)
    assert plain(theirs.get_config()) == plain(ours.get_config())
    assert_close(called(theirs, x, maker), expected)


def test_float64_made_here(keras: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    options = {"dtype": "float64"}
    ours = Sequential(
        [
            Input((5, 3), **options),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, **options), **options),
            layers.GRU(2, **options),
            layers.Dense(2, **options),
        ]
    )
    with_random_weights(ours, rng)
    x = rng.normal(size=(4, 5, 3))
    with device("reference"):
        expected = ours.predict(x, verbose=0)
    theirs = read_by_keras(ours, tmp_path, keras)
    # `predict`, since a call turns the input into float32 first.
    np.testing.assert_allclose(theirs.predict(x, verbose=0), expected, rtol=1e-12, atol=1e-14)
