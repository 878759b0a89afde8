"""PyTorch where it is installed, and the oracle backend: what kernels compute has tests of its own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.config import settings

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch; the test skips where it is not installed."""
    return pytest.importorskip("torch", reason="compares with PyTorch itself: pip install torch")


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "device", "reference")


def golden_cases() -> dict[str, Any]:
    """The table of the script that wrote the golden files."""
    sys.path.insert(0, str(GOLDEN))
    try:
        return importlib.import_module("make_torch").CASES
    finally:
        sys.path.remove(str(GOLDEN))


def lstm_tensors(
    rng: np.random.Generator, D: int = 3, H: int = 4, layers: int = 1, both: bool = False, dtype: Any = "float32"
) -> dict[str, Any]:
    """The state dict of an LSTM, as arrays."""
    tensors = {}
    for k in range(layers):
        width = D if k == 0 else H * (1 + both)
        for way in ("", "_reverse")[: 1 + both]:
            shapes = {"weight_ih": (4 * H, width), "weight_hh": (4 * H, H), "bias_ih": (4 * H,), "bias_hh": (4 * H,)}
            tensors.update({f"{part}_l{k}{way}": rng.normal(0, 0.5, s).astype(dtype) for part, s in shapes.items()})
    return tensors
