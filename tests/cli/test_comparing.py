"""`numba-rnn info --compare`."""

from __future__ import annotations

import re

import pytest

from numba_rnn.config import device
from numba_rnn.models import comparison

from .conftest import DIGITS, GOLDEN, run


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
