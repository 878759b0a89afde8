"""`numba-rnn warmup`."""

from __future__ import annotations

import re

import pytest

from .conftest import GOLDEN, run


@pytest.mark.parametrize(
    "name", ["several_inputs_and_outputs", "embedding_masks", "stateful", "sequential_gru_any_length", "float64"]
)
def test_warmup(name: str) -> None:
    result = run("warmup", GOLDEN / f"{name}.keras")
    assert result.exit_code == 0, result.output
    assert re.search(r"^Ready in \d+\.\d s\.$", result.output, re.MULTILINE)
