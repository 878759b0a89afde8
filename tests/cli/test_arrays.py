"""Arrays in files: accuracy, and writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.cli import arrays

from .conftest import DIGITS, digits, run


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
    assert arrays.accuracy(np.array(y), np.array(label)) == share


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
