"""One kind of file to another: the same model comes out, Keras reads it, and no file is lost on the way."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import ModelFileError, from_torch
from numba_rnn.config import device
from numba_rnn.loaders import convert, load_model, load_weights

GOLDEN = Path(__file__).parents[1] / "golden"
KERAS = GOLDEN / "3.15.1"
CASES = [
    "sequential_lstm",
    "encoder_decoder_masked",
    "stacked_cells",
    "nested_functional",
    "bidirectional_options",
    "core_layers",
]


def same(a: Any, b: Any) -> bool:
    """Whether two models are one model."""
    weights = [np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True)]
    return bool(weights) and all(weights) and a.get_config() == b.get_config()


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    source, model = KERAS / f"{name}.keras", load_model(KERAS / f"{name}.keras")
    convert(source, tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "b.keras")
    convert(tmp_path / "b.keras", tmp_path / "c.h5")
    for path in ("a.safetensors", "b.keras", "c.h5"):
        assert same(load_model(tmp_path / path), model), path
    convert(tmp_path / "c.h5", tmp_path / "d.weights.h5")
    empty = load_model(source)
    empty.set_weights([np.zeros_like(w) for w in empty.get_weights()])
    load_weights(empty, tmp_path / "d.weights.h5")
    assert same(empty, model)


@pytest.mark.parametrize("name", CASES)
def test_the_arrays_have_the_names_of_weights(name: str, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    convert(KERAS / f"{name}.keras", tmp_path / "a.safetensors")
    arrays, model = load_file(tmp_path / "a.safetensors"), load_model(tmp_path / "a.safetensors")
    assert len(arrays) == len(model.weights)
    for weight in model.weights:
        assert any(key.startswith(weight.path) and np.array_equal(a, weight.numpy()) for key, a in arrays.items())


def test_weights_alone(tmp_path: Path) -> None:
    source, like = KERAS / "stateful.weights.h5", KERAS / "stateful.keras"
    expected = load_model(like)
    load_weights(expected, source)
    with pytest.raises(ModelFileError, match="weights alone"):
        convert(source, tmp_path / "a.keras")
    assert list(tmp_path.iterdir()) == []
    convert(source, tmp_path / "a.keras", like=like)
    assert same(load_model(tmp_path / "a.keras"), expected)
    convert(source, tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="weights alone"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.keras")
    convert(tmp_path / "a.safetensors", tmp_path / "b.keras", like=like)
    assert same(load_model(tmp_path / "b.keras"), expected)
    with pytest.raises(ModelFileError, match="not the model's weights"):
        convert(tmp_path / "a.safetensors", tmp_path / "c.keras", like=KERAS / "stacked_cells.keras")


def test_pytorch(tmp_path: Path) -> None:
    source = GOLDEN / "torch" / "lstm.safetensors"
    convert(source, tmp_path / "a.keras")
    x = np.random.default_rng(1).normal(size=(2, 4, from_torch(source).input_shape[-1])).astype("float32")
    with device("reference"):
        np.testing.assert_array_equal(load_model(tmp_path / "a.keras")(x), from_torch(source)(x))


def test_onnx_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"it is ONNX model.*load_onnx"):
        convert(GOLDEN / "onnx" / "rnn_relu.onnx", tmp_path / "a.keras")


# Nothing is lost


def test_the_source_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(before := (KERAS / "sequential_lstm.keras").read_bytes())
    os.link(path, tmp_path / "same.keras")
    (tmp_path / "link.keras").symlink_to(path)
    for target in ("m.keras", "same.keras", "link.keras"):
        with pytest.raises(ValueError, match="never replaced"):
            convert(path, tmp_path / target, overwrite=True)
    with pytest.raises(ValueError, match="never replaced"):
        convert(KERAS / "sequential_lstm.weights.h5", path, like=path, overwrite=True)
    assert path.read_bytes() == before


def test_what_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    target = tmp_path / "m.h5"
    target.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        convert(KERAS / "sequential_lstm.keras", target)
    assert target.read_bytes() == b"precious"
    with pytest.raises(ModelFileError):
        convert(KERAS / "sequential_lstm.weights.h5", target, overwrite=True)
    assert target.read_bytes() == b"precious"
    convert(KERAS / "sequential_lstm.keras", target, overwrite=True)
    assert same(load_model(target), load_model(KERAS / "sequential_lstm.keras"))
    assert [p.name for p in tmp_path.iterdir()] == ["m.h5"]


@pytest.mark.parametrize(
    ("target", "error"), [("m.onnx", ValueError), ("m", ValueError), ("none/m.keras", FileNotFoundError)]
)
def test_bad_targets(target: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        convert(KERAS / "sequential_lstm.keras", tmp_path / target)
    with pytest.raises(FileNotFoundError):
        convert(tmp_path / "none.keras", tmp_path / "m.keras")


# With Keras


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_keras_reads_them(name: str, keras: Any, tmp_path: Path) -> None:
    convert(KERAS / f"{name}.keras", tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "b.keras")
    convert(tmp_path / "a.safetensors", tmp_path / "b.weights.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = keras.models.load_model(tmp_path / "b.keras")
    expected = load_model(KERAS / f"{name}.keras").get_weights()
    for a, b in zip(theirs.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    theirs.set_weights([np.zeros_like(w) for w in expected])
    theirs.load_weights(tmp_path / "b.weights.h5")
    for a, b in zip(theirs.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(a, b)


OLD = sorted(p for f in ("2.*", "tf-keras-*") for p in GOLDEN.glob(f"{f}/*.h5") if ".weights" not in p.name)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", OLD[::8], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_keras_reads_what_it_refused(path: Path, keras: Any, tmp_path: Path) -> None:
    """Files of Keras 2 become files of Keras 3, with the same weights, and the same outputs where they can be called alike."""
    try:
        ours = load_model(path)
    except ModelFileError as error:
        pytest.skip(f"not loaded: {error}")
    convert(path, tmp_path / "new.keras")
    theirs = keras.models.load_model(tmp_path / "new.keras", compile=False)
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
