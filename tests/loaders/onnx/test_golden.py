"""What PyTorch's exporters wrote computes what the modules computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.config import device
from numba_rnn.loaders.onnx import describe_onnx, load_onnx

GOLDEN = Path(__file__).parents[2] / "golden" / "onnx"
FILES = sorted(GOLDEN.glob("*.onnx"))


@pytest.mark.parametrize("name", ["auto", "reference"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_outputs(path: Path, name: str, onnx: Any) -> None:
    stored = dict(np.load(path.with_suffix(".npz")))
    model = load_onnx(path)
    names = [value.name for value in model.inputs]
    for feed, key in (("", "y"), ("again:", "again")):
        if not any(k.startswith(f"{key}.") for k in stored):
            continue
        with device(name):
            results = model(*[stored[f"{feed}{k}"] for k in names])
        for n, y in enumerate(results if isinstance(results, tuple) else (results,)):
            expected = stored[f"{key}.{n}"]
            assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
            assert y.flags.c_contiguous
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_nothing_is_left_out() -> None:
    assert {path.stem for path in FILES} == {path.stem for path in GOLDEN.glob("*.npz")}
    assert len(FILES) >= 11


def test_description(onnx: Any) -> None:
    found = describe_onnx(GOLDEN / "lstm_stack.onnx")
    assert found.producer.startswith("pytorch 2.")
    assert (found.opset, found.operators["LSTM"], found.problems) == (17, 2, ())
    assert [str(value) for value in found.inputs] == ["words (rows, steps) int64"]
    assert found.numbers > 9 * 4 + 2 * 4 * 5 * (4 + 5 + 2) + 2 * 4 * 5 * (10 + 5 + 2)
