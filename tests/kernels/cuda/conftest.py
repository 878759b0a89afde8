"""Shared by the tests of the CUDA backend: one whose GPU is the simulator, and processes whose CUDA driver is a stand-in."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from numba_rnn import config, dispatch
from numba_rnn.kernels.cuda import machine
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.plan_exact import plan_general, plan_steps

from .sass import why_not
from .simulator.driver import SimulatedDriver

HERE = Path(__file__).parent


@pytest.fixture
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimulatedDriver:
    """A GPU without cuBLAS: the library's own products are summed in one order, however many rows there are.

    Races are errors, but for slow tests, which looking for them would make slower still.
    """
    monkeypatch.setattr(machine, "TILE_THREADS", 32)  # for idle threads take time here
    return SimulatedDriver(blas=False, races=request.node.get_closest_marker("slow") is None)


@pytest.fixture
def cuda(driver: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> CUDA:
    """The backend with that GPU, as everything that runs on device "cuda" finds it, and the device of this test."""
    backend, get = CUDA(driver), dispatch.get

    def found(name: str) -> Any:
        return backend if name == "cuda" else get(name)

    monkeypatch.setattr(dispatch, "get", found)
    monkeypatch.setattr(dispatch, "no_gpu", lambda: None)
    monkeypatch.setattr(config.settings, "device", "cuda")
    return backend


@pytest.fixture(params=["general", "chosen", "steps"])
def kernel(request: pytest.FixtureRequest, driver: SimulatedDriver, cuda: CUDA, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which kernel runs: the general one for all calls, that of single steps, or the one that each call's shape chooses."""
    kind: str = request.param
    if kind == "general":
        monkeypatch.setattr(machine, "plan", plan_general)
    if kind == "steps":
        driver.device = dataclasses.replace(driver.device, blas=True)
        monkeypatch.setattr(machine, "plan", plan_steps)
    return kind


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CUDA driver whose kernels do nothing, `no_gpu.c`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    if compiler is None:
        pytest.skip("needs a C compiler")
    if not sys.platform.startswith("linux"):
        pytest.skip("the stand-in for the CUDA driver is Linux's")
    out = tmp_path_factory.mktemp("driver")
    target = ("-Wl,-soname,libcuda.so.1", "-o", str(out / "libcuda.so.1"), str(HERE / "no_gpu.c"), "-ldl")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", *target], check=True, capture_output=True)
    return out


@pytest.fixture
def ran(library: Path) -> Any:
    """A function of `no_gpu.py`, or of another such script, in a process of its own with such an environment."""

    def run(*arguments: str, script: str = "no_gpu.py", **given: str) -> Any:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("CUDA_VISIBLE", "NUMBA_RNN"))
        }
        environment |= {
            "LD_LIBRARY_PATH": str(library),
            "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[2], *sys.path))),
        } | given
        command = [sys.executable, "-W", "error", str(HERE / script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
