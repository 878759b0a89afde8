"""Where weights lie in a file: counted by class, walked by attribute, all or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import layers
from numba_rnn.errors import ModelFileError
from numba_rnn.layers import Input
from numba_rnn.loaders import load_model, load_weights
from numba_rnn.loaders.weights import places
from numba_rnn.models import Model, Sequential

GOLDEN = Path(__file__).parents[1] / "golden" / "3.15.1"
WEIGHTS = GOLDEN / "sequential_lstm.weights.h5"


def by_hand() -> Any:
    """The model of `sequential_lstm`, under other names."""
    return Sequential(
        [
            Input((5, 3)),
            layers.LSTM(3, return_sequences=True, name="first"),
            layers.LSTM(2, name="second"),
            layers.Dense(3, activation="softmax", name="third"),
        ]
    )


def changed(folder: Path, change: Callable[[h5py.File], Any]) -> Path:
    path = Path(shutil.copy(WEIGHTS, folder / "w.weights.h5"))
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(name: str, data: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = data

    return change


def test_places() -> None:
    i = Input((5, 3))
    h = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2), layers.LSTMCell(2)], return_sequences=True)(i)
    h = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="a")(h)
    h = layers.Dense(2, name="x")(layers.Dense(2, name="y")(h))
    inner = Sequential([Input((5, 2)), layers.GRU(2, return_sequences=True), layers.TimeDistributed(layers.Dense(1))])
    found = {
        path: type(layer).__name__ for path, layer in places(Model(i, inner(h))).items() if "_functional" not in path
    }
    assert found.pop("") == "Functional"
    assert found == {
        "layers/input_layer": "InputLayer",
        "layers/rnn": "RNN",
        "layers/rnn/cell": "StackedRNNCells",
        "layers/rnn/cell/cells/lstm_cell": "LSTMCell",
        "layers/rnn/cell/cells/gru_cell": "GRUCell",
        "layers/rnn/cell/cells/lstm_cell_1": "LSTMCell",
        "layers/bidirectional": "Bidirectional",
        "layers/bidirectional/backward_layer": "LSTM",
        "layers/bidirectional/backward_layer/cell": "LSTMCell",
        "layers/bidirectional/forward_layer": "LSTM",
        "layers/bidirectional/forward_layer/cell": "LSTMCell",
        "layers/dense": "Dense",
        "layers/dense_1": "Dense",
        "layers/sequential": "Sequential",
        "layers/sequential/layers/gru": "GRU",
        "layers/sequential/layers/gru/cell": "GRUCell",
        "layers/sequential/layers/time_distributed": "TimeDistributed",
        "layers/sequential/layers/time_distributed/layer": "Dense",
    }


def test_places_in_a_model_of_ones_own() -> None:
    """Keras visits attributes by name, and `layers` is one of them: what comes after it lies there."""

    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.zlast, self.first, self._hidden = layers.Dense(2), layers.Dense(2), layers.Dense(2)
            self.blocks = [layers.GRU(2), [layers.LSTM(2)], {"a": layers.GRU(2)}, layers.GRU(2)]

        @property
        def also(self) -> Any:
            return self.first

        @property
        def failing(self) -> Any:
            raise RuntimeError

    own = Own()
    found = {path: layer.name for path, layer in places(own).items() if not path.endswith("/cell")}
    names = [own.zlast, own._hidden, own.first, own.blocks[0], own.blocks[1][0], own.blocks[2]["a"], own.blocks[3]]
    z, hidden, first, *blocks = (layer.name for layer in names)
    assert found == {
        "": own.name,
        "also": first,
        "blocks/gru": blocks[0],
        "blocks/container/lstm": blocks[1],
        "blocks/container_1/gru": blocks[2],
        "blocks/gru_1": blocks[3],
        "layers/dense": z,
        "layers/dense_2": hidden,
    }


def test_model_built_by_hand() -> None:
    model = by_hand()
    load_weights(model, WEIGHTS)
    with np.load(f"{WEIGHTS}.npz") as stored:
        np.testing.assert_allclose(model.predict(stored["x"], verbose=0), stored["y"], rtol=1e-5, atol=1e-5)


def test_method_of_the_model() -> None:
    one, other = by_hand(), by_hand()
    one.load_weights(str(WEIGHTS))
    load_weights(other, WEIGHTS)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unbuilt_model() -> None:
    with pytest.raises(ValueError, match="not yet been built"):
        load_weights(Sequential([layers.LSTM(2)]), WEIGHTS)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.weights\.h5"):
        load_weights(by_hand(), tmp_path / "none.weights.h5")


WRONG = {
    "shape": (replaced("layers/lstm/cell/vars/1", np.ones((4, 12), "f4")), r"recurrent_kernel \(3, 12\).*\(4, 12\)"),
    "rank": (replaced("layers/lstm/cell/vars/2", np.ones((1, 12), "f4")), r"bias \(12,\).*\(1, 12\)"),
    "missing": (lambda f: f["layers/lstm_1/cell/vars"].pop("2"), r"'second|lstm_cell'.*bias \(8,\)"),
    "layer missing": (lambda f: f["layers"].pop("dense"), r"layer 'third'.*Received: none"),
    "extra": (
        lambda f: f.create_dataset("layers/lstm/cell/vars/3", data=np.ones(2)),
        "no place for: layers/lstm/cell/vars/3",
    ),
    "extra layer": (lambda f: f.create_dataset("layers/gru/cell/vars/0", data=np.ones(2)), "no place for: layers/gru"),
    "integers": (replaced("layers/dense/vars/1", np.ones(3, "i1")), "Quantised"),
    "soft link": (replaced("layers/dense/vars/1", h5py.SoftLink("/layers/lstm/cell/vars/2")), "link"),
    "external link": (replaced("layers/dense/vars/1", h5py.ExternalLink("other.h5", "/x")), "link"),
    "group": (lambda f: (f["layers/dense/vars"].pop("1"), f.create_group("layers/dense/vars/1")), "third"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_changes_nothing(change: Callable[[h5py.File], Any], words: str, tmp_path: Path) -> None:
    model = by_hand()
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=words):
        load_weights(model, changed(tmp_path, change))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_optimizer_and_seeds_are_left_alone(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["optimizer/vars/0"] = np.ones(3)
        file["layers/lstm/cell/seed_generator/vars/0"] = np.ones(2, "u4")

    model, plain = by_hand(), by_hand()
    load_weights(model, changed(tmp_path, change))
    load_weights(plain, WEIGHTS)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_bfloat16(tmp_path: Path) -> None:
    with h5py.File(WEIGHTS) as file:
        exact = (file["layers/dense/vars/0"][()].view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    def change(file: h5py.File) -> None:
        replaced("layers/dense/vars/0", (exact.view(np.uint32) >> 16).astype(np.uint16).view("V2"))(file)
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"

    model = by_hand()
    load_weights(model, changed(tmp_path, change))
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], exact)


def test_float64_and_float16_files_are_cast(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        for name, dtype in (("layers/dense/vars/0", "f8"), ("layers/dense/vars/1", "f2")):
            replaced(name, file[name][()].astype(dtype))(file)

    model, plain = by_hand(), by_hand()
    load_weights(model, changed(tmp_path, change))
    load_weights(plain, WEIGHTS)
    kernel, bias = model.layers[-1].get_weights()
    assert kernel.dtype == bias.dtype == np.float32
    np.testing.assert_array_equal(kernel, plain.layers[-1].get_weights()[0])
    np.testing.assert_allclose(bias, plain.layers[-1].get_weights()[1], rtol=1e-3)


def test_weights_alone_are_no_model() -> None:
    with pytest.raises(ModelFileError, match=r"without `model_config`.*load_weights"):
        load_model(WEIGHTS)


def test_truncated(tmp_path: Path) -> None:
    data, model, path = WEIGHTS.read_bytes(), by_hand(), tmp_path / "w.weights.h5"
    for cut in [*range(16), *range(16, len(data), len(data) // 60), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.raises(ModelFileError):
            load_weights(model, path)
