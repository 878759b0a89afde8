"""Hostile files for every reader, some seconds each; `python tests/fuzz/run.py --count 10000 READER` makes more."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
NEEDS = {"safetensors": "safetensors", "onnx": "onnx"}
READERS = ["h5", "keras", "keras2", "keras2_h5", "keras2_weights", "onnx", "safetensors", "weights"]
COUNT, SECONDS = 400, 8.0


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("reader", READERS)
def test_only_refusals(reader: str) -> None:
    needed = NEEDS.get(reader)
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"the library {needed} is missing: pip install 'numba_rnn[{reader}]'")
    done = fuzz(reader, "--count", str(COUNT), "--seconds", str(SECONDS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout


@pytest.mark.parametrize("fault", ["raise", "crash", "hang", "hog"])
def test_faults_are_seen(fault: str) -> None:
    done = fuzz("faulty", "--count", "8", "--fault", fault)
    assert done.returncode == 1, done.stdout + done.stderr
    assert {"raise": "KeyError", "crash": "ended with -", "hang": "ended with -24", "hog": "MB"}[fault] in done.stdout
    assert "8 files" in done.stdout
