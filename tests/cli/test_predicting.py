"""`numba-rnn predict`: Keras' own numbers, and what is refused before any work."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numba_rnn.cli import predicting
from numba_rnn.models import Model

from .conftest import DIGITS, GOLDEN, KERAS, ROOT, TEST, digits, keras_accuracy, run


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


BAD_OUTPUTS = {"y.csv": "must end in .npy or .npz", "none/y.npy": "there is no folder", "x.npz": "the file is an input"}


@pytest.mark.parametrize(("name", "words"), BAD_OUTPUTS.items())
def test_bad_output_is_found_before_any_work(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "x.npz", x=digits()["x"])
    monkeypatch.setattr(predicting, "load", lambda path: pytest.fail("worked before it looked"))
    result = run("predict", DIGITS, tmp_path / "x.npz", "-o", tmp_path / name)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


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


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "numba_rnn.cli", "predict", str(DIGITS), str(TEST), "-o", str(tmp_path / "y.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert f"accuracy: {keras_accuracy():.4f}\n" in done.stdout
