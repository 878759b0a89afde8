"""`load_model(..., weights=...)`: every way to it, what the model then gives and saves, what is refused and when."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import numba_rnn
from numba_rnn import Input, Sequential, layers, loaders, models, saving
from numba_rnn.compressed import STORAGES, compress, expand
from numba_rnn.config import device
from numba_rnn.errors import DTypeError

GOLDEN = Path(__file__).parents[1] / "golden" / "3.15.1"
LSTM = GOLDEN / "sequential_lstm.keras"


@pytest.fixture(autouse=True)
def _reference() -> Iterator[None]:
    with device("reference"):
        yield


@pytest.fixture
def x() -> np.ndarray:
    with np.load(f"{LSTM}.npz") as stored:
        return stored["x"]


def expected(path: Path, storage: str, x: np.ndarray) -> np.ndarray:
    """What the file's model predicts with rounded weights."""
    model = loaders.load_model(path)
    for weight in model.weights:
        if weight.name in {"kernel", "recurrent_kernel"}:
            weight.assign(expand(compress(weight.value, storage)))
    return np.asarray(model(x))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("storage", STORAGES)
def test_every_way_to_load(storage: str, suffix: str, x: np.ndarray) -> None:
    path = LSTM.with_suffix(suffix)
    want = expected(path, storage, x)
    assert np.abs(want - loaders.load_model(path)(x)).max() > 1e-6
    for load in (loaders.load_model, models.load_model, saving.load_model, numba_rnn.load_model):
        np.testing.assert_array_equal(load(path, weights=storage)(x), want)
        assert inspect.signature(load).parameters["weights"].kind is inspect.Parameter.KEYWORD_ONLY


def test_weights_are_those_of_the_file_and_are_saved_so(tmp_path: Path, x: np.ndarray) -> None:
    plain, model = loaders.load_model(LSTM), loaders.load_model(LSTM, weights="int8")
    model.save(tmp_path / "m.keras")
    saved = loaders.load_model(tmp_path / "m.keras")
    for a, b, c in zip(plain.get_weights(), model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(saved(x), plain(x))


def test_weights_loaded_later_are_compressed_too(x: np.ndarray, rng: np.random.Generator) -> None:
    model = loaders.load_model(LSTM, weights="bfloat16")
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    model.load_weights(LSTM)
    np.testing.assert_array_equal(model(x), expected(LSTM, "bfloat16", x))


def test_an_unknown_storage_is_told_of_before_the_file_is_read() -> None:
    for load in (loaders.load_model, numba_rnn.load_model):
        with pytest.raises(ValueError, match=r"Weights are kept as 'bfloat16', .* Received: weights='int4'"):
            load("none.keras", weights="int4")


def test_what_cannot_be_kept_so(tmp_path: Path) -> None:
    for name in ("float64", "mixed_dtypes"):
        with pytest.raises(
            DTypeError, match=r"computes in float32 can keep its weights as float16\. Received: float64"
        ):
            loaders.load_model(GOLDEN / f"{name}.keras", weights="float16")
    model = Sequential([Input((3,)), layers.Dense(2, name="wide")], name="m")
    model.set_weights([np.full((3, 2), 1e5), np.zeros(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(
        ValueError, match=r"Layer 'm/wide': `kernel` does not fit float16\. .*65504\. Received: 100000\."
    ):
        loaders.load_model(tmp_path / "m.keras", weights="float16")
