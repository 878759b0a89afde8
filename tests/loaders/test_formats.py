"""What a file is: every kind by its content, who wrote it, what it holds, and what stops it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import Input, ModelFileError, Sequential, layers
from numba_rnn.loaders import convert, describe, save_model
from numba_rnn.loaders.formats import kind_of

GOLDEN = Path(__file__).parents[1] / "golden"
LSTM = GOLDEN / "3.15.1" / "sequential_lstm.keras"


@pytest.mark.parametrize(
    ("name", "kind", "written_by", "holds"),
    [
        ("3.15.1/sequential_lstm.keras", "Keras model (.keras)", "Keras 3.15.1", {"LSTM": 2, "Dense": 1}),
        ("3.15.1/sequential_lstm.h5", "Keras model (whole-model .h5)", "Keras 3.15.1", {"LSTM": 2, "Dense": 1}),
        ("3.15.1/bidirectional_last.keras", "Keras model (.keras)", "Keras 3.15.1", {"Bidirectional": 5}),
        ("3.15.1/sequential_lstm.weights.h5", "Keras weights (.weights.h5)", "Keras 3, or Keras 2.15", {}),
        ("torch/lstm.safetensors", "weights (safetensors)", "PyTorch", {}),
        ("onnx/lstm_stack.onnx", "ONNX model", "pytorch", {"LSTM": 2}),
    ],
)
def test_kinds(name: str, kind: str, written_by: str, holds: dict[str, int]) -> None:
    if kind.startswith("ONNX"):
        pytest.importorskip("onnx", reason="ONNX files are read with the [onnx] extra")
    report = describe(GOLDEN / name)
    assert report.kind == kind
    assert report.written_by.startswith(written_by)
    assert report.problem is None
    assert {name: report.classes.get(name) for name in holds} == holds
    assert report.parameters > 20
    assert (report.model is None) == ("Keras weights" in kind)


def test_by_content_not_by_name(tmp_path: Path) -> None:
    for n, source in enumerate(("3.15.1/sequential_lstm.keras", "3.15.1/sequential_lstm.h5", "onnx/rnn_relu.onnx")):
        shutil.copy(GOLDEN / source, tmp_path / f"{n}.bin")
        assert kind_of(tmp_path / f"{n}.bin") == kind_of(GOLDEN / source)


def test_weights_and_parameters() -> None:
    report = describe(GOLDEN / "3.15.1" / "sequential_lstm.weights.h5")
    assert {(w.name, w.shape, w.dtype) for w in report.weights} >= {
        ("layers/lstm/cell/vars/0", (3, 12), "float32"),
        ("layers/dense/vars/1", (3,), "float32"),
    }
    assert report.parameters == describe(LSTM).model.count_params() == 141
    assert "load_weights" in report.remedy


def test_old_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"lstm_1"]
        file.create_group("lstm_1").attrs["weight_names"] = [b"lstm_1/kernel:0"]
        file["lstm_1/lstm_1/kernel:0"] = np.ones((2, 3), "f4")
    report = describe(path)
    assert (report.kind, report.written_by) == ("Keras weights (.h5, by layer)", "Keras 1 or older")
    assert report.weights[0].name == "lstm_1/lstm_1/kernel:0"
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.4.0"
    assert describe(path).written_by == "Keras 2.4.0 (TensorFlow or tf-keras)"


def test_our_own(tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), layers.GRU(2)])
    for name in ("m.keras", "m.safetensors"):
        save_model(model, tmp_path / name)
        report = describe(tmp_path / name)
        assert report.written_by.startswith("numba_rnn ")
        assert report.written_by.endswith(", as Keras 3.15.1")
        assert report.classes["GRU"] == 1
        assert report.model.count_params() == report.parameters == model.count_params()


def lambda_file(path: Path) -> Path:
    with zipfile.ZipFile(LSTM) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"].append({"module": "keras.layers", "class_name": "Lambda", "config": {"name": "f"}})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, data)
    return path


def test_what_stops_a_model(tmp_path: Path) -> None:
    report = describe(lambda_file(tmp_path / "m.keras"))
    assert report.problem is not None
    assert report.problem.startswith("The file holds a Lambda layer")
    assert report.model is None
    assert report.classes["Lambda"] == 1
    assert len(report.weights) == 8


def test_pickles_are_not_opened_by_us(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02c__builtin__\neval\n.")
        archive.writestr("archive/constants.pkl", b"")
    (tmp_path / "m.pt").write_bytes(memory.getvalue())
    assert describe(tmp_path / "m.pt").kind == "TorchScript"
    assert "program" in str(describe(tmp_path / "m.pt").problem)
    (tmp_path / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    assert kind_of(tmp_path / "old.pt") == "PyTorch (.pt or .pth)"


@pytest.mark.parametrize("data", [b"", b"hello there", b"PK\3\4 but no more", b"\x89HDF\r\n\x1a\n and no more"])
def test_unknown_and_damaged(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"Cannot load '.*m\.keras'\."):
        describe(tmp_path / "m.keras")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        describe(tmp_path / "none")
    with pytest.raises(ModelFileError, match="directory"):
        describe(tmp_path)


def test_converted_weights(tmp_path: Path) -> None:
    convert(GOLDEN / "3.15.1" / "stateful.weights.h5", tmp_path / "w.safetensors")
    report = describe(tmp_path / "w.safetensors")
    assert report.problem is None
    assert report.model is None
    assert "--like" in report.remedy


def test_reports_are_data(tmp_path: Path) -> None:
    one: Any = describe(LSTM)
    assert one == describe(LSTM)
    with pytest.raises(AttributeError):
        one.kind = "another"
