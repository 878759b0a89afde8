"""What the commands share: errors in one line, compilations announced, a light start."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from numba_rnn import progress
from numba_rnn.cli import common

from .conftest import DIGITS, ROOT, TEST, run


@pytest.mark.parametrize(
    "arguments", [["predict", "none.keras", TEST], ["predict", DIGITS, "none.npz"], ["info", "none.keras"]]
)
def test_missing_files(arguments: list[Any]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


@pytest.mark.parametrize("command", ["info", "warmup", "predict"])
def test_bad_model_ends_in_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(DIGITS.read_bytes()[:5000])
    result = run(command, tmp_path / "m.keras", *([TEST] if command == "predict" else []))
    assert result.exit_code == 1
    assert result.output.startswith("Error: Cannot load ")
    assert result.output.count("\n") == 1


def test_long_compilations_are_announced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(common, "PATIENCE", 0.05)
    with common.compilations() as spent:
        with progress.compiling("a quick one"):
            pass
        with progress.compiling("LSTM"):
            time.sleep(0.3)
    assert spent[0] >= 0.3
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("Compiling LSTM for this machine. This happens once")
    assert isinstance(progress.compiling("after"), contextlib.nullcontext)


def test_help_brings_in_neither_numba_nor_h5py() -> None:
    code = (
        "import sys\nfrom numba_rnn.cli import main\ntry:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'numba', 'h5py', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "warmup" in done.stdout
    assert done.stdout.endswith("[]\n")
