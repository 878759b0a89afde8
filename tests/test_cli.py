"""The command line: what it prints and writes, and how it fails."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from numba_rnn import cli, progress
from numba_rnn.cli import main
from numba_rnn.config import device
from numba_rnn.models import Model, comparison

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples" / "digits.keras"
TEST = ROOT / "examples" / "digits_test.npz"
KERAS = ROOT / "examples" / "digits_keras_predictions.npy"
GOLDEN = ROOT / "tests" / "golden" / "3.15.1"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def digits() -> dict[str, Any]:
    with np.load(TEST) as archive:
        return dict(archive)


def keras_accuracy() -> float:
    return float(np.mean(np.load(KERAS).argmax(axis=1) == digits()["label"]))


def test_accuracy_is_keras_own() -> None:
    result = run("predict", DIGITS, TEST)
    assert result.exit_code == 0
    assert keras_accuracy() > 0.95
    assert f"accuracy: {keras_accuracy():.4f}\n" in result.output
    assert "output: float32 (450, 10)\n" in result.output
    assert re.search(r"^time: \d+\.\d{3} s for 450 rows", result.output, re.MULTILINE)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_predictions_are_keras_own(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{suffix}"
    result = run("predict", DIGITS, TEST, "-o", out, "--batch-size", 64)
    assert f"written: {out}" in result.output
    with contextlib.ExitStack() as stack:
        loaded = np.load(out) if suffix == ".npy" else stack.enter_context(np.load(out))["output"]
    np.testing.assert_allclose(loaded, np.load(KERAS), rtol=1e-5, atol=1e-5)


def test_npy_input(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", digits()["x"][:7])
    result = run("predict", DIGITS, tmp_path / "x.npy")
    assert "output: float32 (7, 10)" in result.output
    assert "accuracy" not in result.output


def test_several_inputs_by_name_and_several_outputs(tmp_path: Path) -> None:
    with np.load(GOLDEN / "several_inputs_and_outputs.keras.npz") as stored:
        np.savez(tmp_path / "x.npz", b=stored["x.1"], a=stored["x.0"])
        expected = [stored["y.0"], stored["y.1"]]
    model, out = GOLDEN / "several_inputs_and_outputs.keras", tmp_path / "y.npz"
    result = run("predict", model, tmp_path / "x.npz", "-o", out)
    assert result.exit_code == 0, result.output
    with np.load(out) as written:
        for n, array in enumerate(expected):
            np.testing.assert_allclose(written[f"output_{n}"], array, rtol=1e-5, atol=1e-5)
    result = run("predict", model, tmp_path / "x.npz", "-o", tmp_path / "y.npy")
    assert (result.exit_code, "2 outputs" in result.output) == (2, True)
    np.savez(tmp_path / "x.npz", a=expected[0])
    result = run("predict", model, tmp_path / "x.npz")
    assert result.exit_code == 1
    assert "No array for the model's input 'b'. Expected: a, b. Received: a." in result.output


def test_named_outputs(tmp_path: Path) -> None:
    with np.load(GOLDEN / "dict_inputs.keras.npz") as stored:
        np.savez(tmp_path / "x.npz", words=stored["x:words"], extra=stored["x:extra"])
    result = run("predict", GOLDEN / "dict_inputs.keras", tmp_path / "x.npz")
    assert "class: float32 (4, 2)" in result.output
    assert "steps: float32 (4, 5, 3)" in result.output


def test_stateful_model_runs_in_its_own_batches(tmp_path: Path) -> None:
    with np.load(GOLDEN / "stateful.keras.npz") as stored:
        np.savez(tmp_path / "x.npz", x=stored["x"])
        expected = stored["y"]
    assert run("predict", GOLDEN / "stateful.keras", tmp_path / "x.npz", "-o", tmp_path / "y.npy").exit_code == 0
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("y", "label", "share"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], [1, 1], 0.5),
        ([[0.1, 0.9], [0.8, 0.2]], [[1], [0]], 1.0),
        ([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]], 0.5),
        ([[0.6], [0.4], [0.5], [0.2]], [1, 1, 0, 0], 0.75),
        ([[0.6], [0.4], [0.5], [0.2]], [[1], [0], [0], [0]], 1.0),
        ([[[0.1, 0.9], [0.8, 0.2]]], [[1, 0]], 1.0),
    ],
)
def test_accuracy(y: Any, label: Any, share: float) -> None:
    assert cli._accuracy(np.array(y), np.array(label)) == share


BAD_LABELS = {
    "shape": (np.zeros((3, 4)), "`label` does not fit. Expected: (3,) or (3, 10). Received: (3, 4)."),
    "text": (np.array(["a", "b", "c"]), "`label` must hold numbers, such as the classes 0, 1, 2. Received: dtype <U1."),
    "from one": (np.array([1, 2, 10]), "`label` must hold the classes 0 to 9. Received: 1 to 10."),
    "nan": (np.array([1.0, np.nan, 2.0]), "`label` must hold the classes 0 to 9."),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_labels_that_do_not_fit_are_found_before_predicting(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label, words = BAD_LABELS[kind]
    np.savez(tmp_path / "x.npz", x=digits()["x"][:3], label=label)
    monkeypatch.setattr(Model, "predict", lambda *args, **kwargs: pytest.fail("predicted before it looked"))
    result = run("predict", DIGITS, tmp_path / "x.npz", "-o", tmp_path / "y.npy")
    assert result.exit_code == 1
    assert words in result.output
    assert not (tmp_path / "y.npy").exists()


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, array: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    np.save(tmp_path / "x.npy", digits()["x"][:3])
    monkeypatch.setattr(np, "save", full)
    result = run("predict", DIGITS, tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    assert result.exit_code == 1
    assert "Error: Cannot write" in result.output
    assert "No space left on device" in result.output
    assert not (tmp_path / "y.npy").exists()


BAD_OUTPUTS = {"y.csv": "must end in .npy or .npz", "none/y.npy": "there is no folder", "x.npz": "the file is an input"}


@pytest.mark.parametrize(("name", "words"), BAD_OUTPUTS.items())
def test_bad_output_is_found_before_any_work(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "x.npz", x=digits()["x"])
    monkeypatch.setattr(cli, "_load", lambda path: pytest.fail("worked before it looked"))
    result = run("predict", DIGITS, tmp_path / "x.npz", "-o", tmp_path / name)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments", [["predict", "none.keras", TEST], ["predict", DIGITS, "none.npz"], ["info", "none.keras"]]
)
def test_missing_files(arguments: list[Any]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


def inputs_file(path: Path, kind: str) -> Path:
    x = digits()["x"]
    if kind == "text":
        path.write_text("1,2,3")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickled":
        np.save(path.with_suffix(".npy"), np.array([{"a": 1}]), allow_pickle=True)
        return path.with_suffix(".npy")
    elif kind == "truncated":
        path.write_bytes(TEST.read_bytes()[:2000])
    elif kind == "rows":
        np.savez(path, x=x, label=np.zeros(3))
    elif kind == "no rows":
        np.savez(path, x=x[:0])
    elif kind == "only labels":
        np.savez(path, label=np.zeros(3))
    elif kind == "two arrays":
        np.savez(path, a=x, b=x)
    elif kind == "features":
        np.savez(path, x=x[:, :, :5])
    elif kind == "words":
        np.savez(path, x=np.full(x.shape, "a"))
    return path


@pytest.mark.parametrize(
    "kind",
    ["text", "empty", "pickled", "truncated", "rows", "no rows", "only labels", "two arrays", "features", "words"],
)
def test_bad_inputs_end_in_one_line(kind: str, tmp_path: Path) -> None:
    result = run("predict", DIGITS, inputs_file(tmp_path / "x.npz", kind))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("command", ["info", "warmup", "predict"])
def test_bad_model_ends_in_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(DIGITS.read_bytes()[:5000])
    result = run(command, tmp_path / "m.keras", *([TEST] if command == "predict" else []))
    assert result.exit_code == 1
    assert result.output.startswith("Error: Cannot load ")
    assert result.output.count("\n") == 1


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


def cells(output: str) -> dict[str, list[str]]:
    """The rows of the table of weights by their first column."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows if len(row) == 5}


def test_info_compares_weights_of_fewer_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SECONDS", 0.0)
    result = run("info", "--compare", DIGITS)
    assert result.exit_code == 0, result.output
    rows = cells(result.output)
    assert list(rows) == ["float32", "bfloat16", "float16", "int8"]
    assert [row[0] for row in rows.values()] == ["32,872", "17,032", "17,032", "10,688"]
    assert rows["float32"][1:3] == ["0", "0"]
    largest, mean = ({k: float(row[n]) for k, row in rows.items()} for n in (1, 2))
    assert 0 < largest["float16"] < largest["bfloat16"] < 0.02
    assert all(0 < mean[k] < largest[k] < 0.02 for k in ("bfloat16", "float16", "int8"))
    assert all(re.fullmatch(r"[\d,]+\.\d us", row[3]) for row in rows.values())


def test_info_says_which_weights_cannot_be_kept_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SECONDS", 0.0)
    result = run("info", GOLDEN / "float64.keras", "--compare")
    assert result.exit_code == 0, result.output
    rows = cells(result.output)
    assert [row[0] for row in rows.values()][1:] == ["-"] * 3
    assert "float64" in rows
    assert (
        "int8: Layer 'sequential/dense': Only what computes in float32 can keep its weights as int8." in result.output
    )


@pytest.mark.parametrize("name", ["merging_broadcast", "sequential_embedding", "stateful", "dict_inputs"])
def test_info_compares_any_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SECONDS", 0.0)
    with device("reference"):
        result = run("info", GOLDEN / f"{name}.keras", "--compare")
    assert (result.exit_code, len(cells(result.output))) == (0, 4), result.output


@pytest.mark.parametrize(
    "name", ["several_inputs_and_outputs", "embedding_masks", "stateful", "sequential_gru_any_length", "float64"]
)
def test_warmup(name: str) -> None:
    result = run("warmup", GOLDEN / f"{name}.keras")
    assert result.exit_code == 0, result.output
    assert re.search(r"^Ready in \d+\.\d s\.$", result.output, re.MULTILINE)


def test_long_compilations_are_announced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "PATIENCE", 0.05)
    with cli._compilations() as spent:
        with progress.compiling("a quick one"):
            pass
        with progress.compiling("LSTM"):
            time.sleep(0.3)
    assert spent[0] >= 0.3
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("Compiling LSTM for this machine. This happens once")
    assert isinstance(progress.compiling("after"), contextlib.nullcontext)


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "numba_rnn.cli", "predict", str(DIGITS), str(TEST), "-o", str(tmp_path / "y.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert f"accuracy: {keras_accuracy():.4f}\n" in done.stdout


def test_help_brings_in_neither_numba_nor_h5py() -> None:
    code = (
        "import sys\nfrom numba_rnn.cli import main\ntry:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'numba', 'h5py', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "warmup" in done.stdout
    assert done.stdout.endswith("[]\n")
