"""The whole-model `.h5` of Keras 3: layers in their order, weights in the order of the file's own list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import load_model, load_weights

GOLDEN = Path(__file__).parents[1] / "golden" / "3.15.1"
H5 = GOLDEN / "sequential_lstm.h5"


def changed(folder: Path, change: Callable[[h5py.File], Any]) -> Path:
    path = Path(shutil.copy(H5, folder / "m.h5"))
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def attribute(name: str, value: Any, group: str = "/") -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if value is None:
            del file[group].attrs[name]
        else:
            file[group].attrs[name] = value

    return change


def test_weights_into_another_model() -> None:
    model = load_model(GOLDEN / "sequential_lstm.keras")
    load_weights(model, H5)
    with np.load(f"{H5}.npz") as stored:
        np.testing.assert_allclose(model.predict(stored["x"], verbose=0), stored["y"], rtol=1e-5, atol=1e-5)


def test_names_in_bytes_and_in_pieces(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        root = file["model_weights"]
        names = [n.encode() for n in root.attrs["layer_names"]]
        del root.attrs["layer_names"]
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:1], names[1:]
        file.attrs["model_config"] = np.bytes_(file.attrs["model_config"])

    for a, b in zip(load_model(changed(tmp_path, change)).get_weights(), load_model(H5).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


WRONG = {
    "a later keras": (attribute("keras_version", "4.0.0"), "saved by Keras 1, 2 or 3.*'4.0.0'"),
    "version is a number": (attribute("keras_version", 3), "must be text"),
    "no config": (attribute("model_config", None), "without `model_config`"),
    "config is no json": (attribute("model_config", "{"), "no JSON"),
    "config is a number": (attribute("model_config", 3), "must be text"),
    "no weights": (lambda f: f.pop("model_weights"), "no group 'model_weights'"),
    "weights are a dataset": (
        lambda f: (f.pop("model_weights"), f.create_dataset("model_weights", data=1.0)),
        "model_weights",
    ),
    "no layer names": (attribute("layer_names", None, "model_weights"), "no attribute 'layer_names'"),
    "layer names are a number": (attribute("layer_names", 3, "model_weights"), "list of names"),
    "unknown layer": (attribute("layer_names", ["lstm", "nope"], "model_weights"), "no group for layer 'nope'"),
    "layer left out": (
        attribute("layer_names", ["lstm", "dense"], "model_weights"),
        "lstm, lstm_1, dense. Received: lstm, dense",
    ),
    "other order": (attribute("layer_names", ["lstm_1", "lstm", "dense"], "model_weights"), "do not match"),
    "path upwards": (attribute("weight_names", ["../../x"], "model_weights/dense"), "no dataset"),
    "weight left out": (attribute("weight_names", ["sequential/dense/kernel"], "model_weights/dense"), "'dense'"),
    "soft link": (lambda f: f.__setitem__("model_weights/x", h5py.SoftLink("/")), "link"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit(change: Callable[[h5py.File], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=words):
        load_model(changed(tmp_path, change))


def test_wrong_shape_is_seen_before_it_is_read(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["units"] = 1_000_000
        file.attrs["model_config"] = json.dumps(config)

    with pytest.raises(ModelFileError, match=r"kernel \(3, 4000000\)"):
        load_model(changed(tmp_path, change))


def test_truncated(tmp_path: Path) -> None:
    data, path = H5.read_bytes(), tmp_path / "m.h5"
    for cut in [*range(16), *range(16, len(data), len(data) // 60), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.raises(ModelFileError):
            load_model(path)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes(seed: int, tmp_path: Path) -> None:
    """HDF5 has no checksums by default: numbers may change, but nothing else than this error may come of it."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "m.h5"
    for _ in range(50):
        data = bytearray(H5.read_bytes())
        for position in rng.integers(0, len(data), 3):
            data[position] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        with suppress(ModelFileError):
            load_model(path)


def test_written_as_keras_writes(tmp_path: Path) -> None:
    source = GOLDEN / "sequential_lstm.h5"
    load_model(source).save(tmp_path / "m.h5")
    with h5py.File(source) as theirs, h5py.File(tmp_path / "m.h5") as ours:
        assert set(ours.attrs) == {"backend", "keras_version", "model_config"}
        assert set(ours["model_weights"]) == set(theirs["model_weights"])
        for name, group in theirs["model_weights"].items():
            own = ours["model_weights"][name]
            kept = [group[n][()] for n in group.attrs["weight_names"]]
            assert len(kept) == len(own.attrs["weight_names"])
            for a, b in zip(kept, [own[n][()] for n in own.attrs["weight_names"]], strict=True):
                np.testing.assert_array_equal(a, b)


def test_text_longer_than_an_attribute(tmp_path: Path) -> None:
    names = [f"{n}_{'x' * 1500}" for n in range(50)]
    model = Sequential([Input((2,)), *(layers.Dense(2, name=name) for name in names)])
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5")
    assert [layer.name for layer in loaded.layers] == names
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
