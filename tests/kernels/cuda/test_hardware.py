"""The driver of real GPUs, as far as it gets without one: with a CUDA driver whose kernels do nothing (`no_gpu.c`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .sass import needs_compiler

HERE = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = [
    needs_compiler,
    pytest.mark.skipif(COMPILER is None, reason="needs a C compiler"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in for the CUDA driver is Linux's"),
]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the driver."""
    out = tmp_path_factory.mktemp("driver")
    source = HERE / "no_gpu.c"
    command = [
        str(COMPILER),
        "-shared",
        "-fPIC",
        "-O1",
        "-Wl,-soname,libcuda.so.1",
        "-o",
        str(out / "libcuda.so.1"),
        str(source),
        "-ldl",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture
def ran(library: Path) -> Any:
    """A function of `no_gpu.py`, in a process of its own."""

    def run(*arguments: str) -> Any:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("CUDA_VISIBLE", "NUMBA_RNN"))
        }
        environment |= {
            "LD_LIBRARY_PATH": str(library),
            "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[2], *sys.path))),
        }
        command = [sys.executable, "-W", "error", str(HERE / "no_gpu.py"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_driver(ran: Any) -> None:
    found = ran("driver")
    assert found["device"] == ["No GPU", [9, 0], 132]
    assert found["copied"] == [[0, 1, 2], [3, 4, 5]]
    assert found["sliced"] == [[1, 2], [4, 5]]
    assert found["filled"]
    assert found["flag"] == 7
    assert found["launches"] == [[3, 2, 64, 0, 1, found["stream"]]]


@pytest.mark.parametrize("kind", ["block", "cluster", "general", "grid", "tensor"])
def test_scans(ran: Any, kind: str) -> None:
    found = ran("scans", kind)
    if found is None:
        pytest.skip(f"there is no {kind} kernel")
    assert found
    for name, call in found.items():
        scans = [launch for launch in call["launches"] if [*launch[:3], launch[3]] == call["planned"]]
        assert len(scans) >= 2, (name, call)
        assert {launch[5] for launch in call["launches"]} == {call["stream"]}, name
        assert call["again"]["allocations"] == 0, f"{name}: a call like the one before allocates"


def test_arrays(ran: Any) -> None:
    found = ran("arrays")
    assert found["type"] == "DeviceNDArray"
    assert found["shape"] == [2, 3]
    assert found["waits"] == 0, "an array that is on the GPU was waited for"
    assert found["allocations"] <= 1, "more than the result was allocated"
    assert found["launches"]


@pytest.mark.slow
def test_models(ran: Any) -> None:
    """All that layers do is compiled, linked and launched on the caller's stream; nobody waits, and results alone are allocated."""
    found = ran("models")
    assert found["outputs"] == [["DeviceNDArray", shape, 1] for shape in ([2, 3], [2, 2, 3], [2, 5])]
    assert found["waits"] == 0
    assert found["allocations"] == 3, "more than the results was allocated"
    assert {launch[5] for launch in found["launches"]} == {1}
