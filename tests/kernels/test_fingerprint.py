"""A cached kernel never outlives the source it was compiled from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba_rnn
from numba_rnn.kernels.fingerprint import fingerprint

RUN = """
import numpy as np
from numba_rnn import functional
from numba_rnn.cells import SIMPLE_RNN
from numba_rnn.kernels.cpu.machine import _scan_kernel
x = np.full((1, 1, 1), 0.5, "float32")
w = np.ones((1, 1), "float32")
cell = functional.prepare(SIMPLE_RNN, w, w)
y, _ = functional.scan(cell, x)
print(float(y[0, 0]), sum(_scan_kernel(*cell.prepared()[1].key).stats.cache_hits.values()))
"""


def run_copy(folder):
    env = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=True
    )
    value, hits = done.stdout.split()
    return float(value), int(hits)


def test_edited_cell_is_recompiled_and_an_unedited_one_is_not(tmp_path):
    package = tmp_path / "numba_rnn"
    shutil.copytree(Path(numba_rnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    first, hits = run_copy(tmp_path)
    assert hits == 0
    again, hits = run_copy(tmp_path)
    assert again == first
    assert hits == 1
    cell = package / "cells" / "simple_rnn.py"
    text = cell.read_text()
    assert "act(x[0] + r[0])" in text
    cell.write_text(text.replace("act(x[0] + r[0])", "act(x[0] + r[0] + x[0])"))
    edited, hits = run_copy(tmp_path)
    assert hits == 0
    assert abs(edited - 0.7615942) < 1e-6
    assert abs(first - 0.4621172) < 1e-6


def test_it_depends_on_the_folder():
    assert fingerprint("cells") != fingerprint("kernels")
    assert fingerprint("cells") == fingerprint("cells")
