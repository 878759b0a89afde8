"""Processes of every kind: forked after predicting or while it goes on, spawned, from a pool; `program.py` has what they run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
ROOT = PROGRAM.parents[2]


def run(folder: Path, *arguments: str, **environment: str) -> None:
    """Run the program by itself, so that no thread of the tests' own is there when it forks."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, **environment}
    # Python 3.12 warns of every fork where there are threads, which is what is tried here.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM), *arguments], cwd=folder, env=env,
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "done").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("how", [(), ("while predicting",)], ids=["after", "while predicting"])
def test_workers_forked_from_a_server_that_has_loaded_the_model(tmp_path: Path, how: tuple[str, ...]) -> None:
    run(tmp_path, "prefork", *how)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_worker_forked_while_a_layer_is_built(tmp_path: Path) -> None:
    run(tmp_path, "building", NUMBA_RNN_DEVICE="reference")


def test_threads_under_numbas_workqueue(tmp_path: Path) -> None:
    """It aborts the process when two threads enter: no kernel may have numba's threads."""
    run(tmp_path, "threads", NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2")


def test_no_kernel_asks_for_numbas_threads() -> None:
    """Neither `workqueue`, which aborts when two threads enter, nor libgomp, which does not survive a fork, is ever started."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "numba_rnn").rglob("*.py")}
    assert [
        str(path) for path, text in sources.items() if re.search(r"""\bprange\b|\bparallel["']?\s*[=:]""", text)
    ] == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes(tmp_path: Path, method: str) -> None:
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    run(tmp_path, "futures", method)


@pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="needs joblib: pip install joblib")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib(tmp_path: Path, backend: str) -> None:
    run(tmp_path, "joblib", backend)
