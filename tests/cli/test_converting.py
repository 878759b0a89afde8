"""`numba-rnn convert`: what it writes, and that it looks before it works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numba_rnn.loaders import conversion, load_model

from .conftest import DIGITS, GOLDEN, run


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".safetensors"])
def test_convert(suffix: str, tmp_path: Path) -> None:
    result = run("convert", DIGITS, tmp_path / f"m{suffix}")
    assert (result.exit_code, result.output) == (0, f"written: {tmp_path / f'm{suffix}'}\n")
    for a, b in zip(load_model(tmp_path / f"m{suffix}").get_weights(), load_model(DIGITS).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_need_a_model(tmp_path: Path) -> None:
    source = GOLDEN / "stateful.weights.h5"
    result = run("convert", source, tmp_path / "m.keras")
    assert (result.exit_code, "--like MODEL" in result.output) == (1, True)
    assert run("convert", source, tmp_path / "m.keras", "--like", GOLDEN / "stateful.keras").exit_code == 0
    assert load_model(tmp_path / "m.keras").count_params() == load_model(GOLDEN / "stateful.keras").count_params()


def test_overwriting_must_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"precious")
    result = run("convert", DIGITS, tmp_path / "m.keras")
    assert (result.exit_code, "--overwrite replaces it" in " ".join(result.output.split())) == (2, True)
    assert (tmp_path / "m.keras").read_bytes() == b"precious"
    assert run("convert", DIGITS, tmp_path / "m.keras", "--overwrite").exit_code == 0
    assert load_model(tmp_path / "m.keras").count_params() == 8218
    before = (tmp_path / "m.keras").read_bytes()
    result = run("convert", tmp_path / "m.keras", tmp_path / "m.keras", "--overwrite")
    assert (result.exit_code, "never replaced" in " ".join(result.output.split())) == (2, True)
    assert (tmp_path / "m.keras").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"), [("m.onnx", "Expected: .keras"), ("none/m.keras", "no folder"), ("f.keras", "it is a folder")]
)
def test_bad_output_is_found_before_any_work(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.keras").mkdir()
    monkeypatch.setattr(conversion, "kind_of", lambda path: pytest.fail("worked before it looked"))
    result = run("convert", DIGITS, tmp_path / name)
    assert (result.exit_code, words in " ".join(result.output.split())) == (2, True), result.output


def test_damaged_source_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(DIGITS.read_bytes()[:5000])
    result = run("convert", tmp_path / "a.keras", tmp_path / "b.keras")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.keras"]
