"""`numba-rnn info`: what it says of any file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from numba_rnn import Input, Sequential
from numba_rnn.config import device
from numba_rnn.layers import GRU

from .conftest import DIGITS, GOLDEN, run


def test_info() -> None:
    result = run("info", DIGITS)
    assert result.exit_code == 0
    assert "8,218" in result.output
    text = " ".join(result.output.split())
    assert "bidirectional (Bidirectional)" in text
    assert "lstm (LSTM)" in text


def test_info_finds_layers_in_nested_models() -> None:
    assert "inner/gru (GRU)" in run("info", GOLDEN / "nested_sequential.keras").output


def test_info_without_recurrent_layers() -> None:
    assert "No recurrent layers." in run("info", GOLDEN / "merging_broadcast.keras").output


KERAS_3 = "Written by: Keras 3.15.1"
SAID = {
    "3.15.1/sequential_lstm.keras": (
        "Keras model (.keras)",
        KERAS_3,
        "Holds: LSTM x 2",
        "Weights: 8 arrays, 141 numbers",
        "lstm_1 (LSTM)",
    ),
    "3.15.1/sequential_lstm.h5": ("Keras model (whole-model .h5)", KERAS_3, "lstm_1 (LSTM)"),
    "3.15.1/sequential_lstm.weights.h5": (
        "Keras weights (.weights.h5)",
        "layers/lstm/cell/vars/0",
        "(3, 12)",
        "Use: build its model",
    ),
    "torch/lstm.safetensors": ("weights (safetensors)", "Written by: PyTorch", "Kernels"),
    "onnx/lstm_stack.onnx": ("ONNX model", "Written by: pytorch", "LSTM x 2", "Use: numba_rnn.load_onnx("),
}


@pytest.mark.parametrize("name", SAID)
def test_info_says_what_a_file_is(name: str) -> None:
    if name.startswith("onnx/"):
        pytest.importorskip("onnx", reason="ONNX files are read with the [onnx] extra")
    with device("reference"):
        result = run("info", GOLDEN.parent / name)
    assert result.exit_code == 0, result.output
    for words in SAID[name]:
        assert words in result.output


def with_config(path: Path, change: Any) -> Path:
    with zipfile.ZipFile(GOLDEN / "sequential_lstm.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, data)
    return path


def test_info_says_what_stops_a_file(tmp_path: Path) -> None:
    trap = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "f"}}
    result = run("info", with_config(tmp_path / "m.keras", lambda layers: layers.append(trap)))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].endswith("m.keras: Keras model (.keras)")
    assert "Holds: " in result.output
    assert "Error: It does not run here. The file holds a Lambda layer" in result.output
    assert sum(line.startswith("Error") for line in lines) == 1


def test_info_writes_no_more_than_text(tmp_path: Path) -> None:
    """What a file brings along neither steers the terminal nor reads as markup."""

    def rename(layers: Any) -> None:
        layers[1]["config"]["name"] = "[bold]x\x1b[31m"
        layers.append({"module": "keras.layers", "class_name": "L\x1b[2J", "config": {}})

    result = run("info", with_config(tmp_path / "m.keras", rename))
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    Sequential([Input((3, 2)), GRU(2, name="[red]x\x1b[31my")]).save(tmp_path / "m.h5")
    with device("reference"):
        result = run("info", tmp_path / "m.h5")
    assert result.exit_code == 0
    assert "[red]x?[31my (GRU)" in result.output
    assert "\x1b" not in result.output


def test_info_compares_only_models() -> None:
    result = run("info", GOLDEN / "sequential_lstm.weights.h5", "--compare")
    assert (result.exit_code, "needs a model" in result.output) == (1, True)
