"""The command line in this process, and the example that it is tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from numba_rnn.cli import main

ROOT = Path(__file__).parents[2]
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
