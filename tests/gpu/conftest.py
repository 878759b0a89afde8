"""Shared by the tests that need a GPU: `pytest -m gpu`.

With NUMBA_RNN_GPU_TESTS=simulated, those that can run on the simulated GPU.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numba_rnn import config, dispatch
from numba_rnn.kernels.cuda.presence import why_not

SIMULATED = os.environ.get("NUMBA_RNN_GPU_TESTS", "") == "simulated"
counts_memory = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="counts the whole GPU's memory: run it without -n"
)
sys.path.insert(0, str(Path(__file__).parents[2]))  # asv_bench: it has the cases and the forcing of kernels


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs a GPU, or what stands for one; what others' packages warn of is not what is tested."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip where there is no GPU, and say why."""
    if Path(__file__).parent not in item.path.parents:
        return
    if SIMULATED:
        pytest.importorskip("greenlet", reason="the simulated GPU needs greenlet")
    elif (reason := why_not()) is not None:
        pytest.skip(f"no GPU: {reason}")


@pytest.fixture(scope="session")
def bench() -> Any:
    """The GPU as the measurements have it, and their modules beside it."""
    from asv_bench.gpu import __main__, correctness, data, kinds, section, soak

    made = section.Bench(__main__.simulated() if SIMULATED else dispatch.get("cuda"), SIMULATED, quick=SIMULATED)
    made.notes["modules"] = SimpleNamespace(correctness=correctness, data=data, kinds=kinds, soak=soak)
    return made


@pytest.fixture
def m(bench: Any) -> Any:
    """The modules."""
    return bench.notes["modules"]


@pytest.fixture
def cuda(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The backend, and device "cuda" for this test."""
    if SIMULATED:
        get = dispatch.get
        monkeypatch.setattr(dispatch, "get", lambda name: bench.backend if name == "cuda" else get(name))
        monkeypatch.setattr(dispatch, "no_gpu", lambda: None)
    monkeypatch.setattr(config.settings, "device", "cuda")
    return bench.backend


@pytest.fixture
def hardware() -> None:
    """Only where the GPU is real."""
    if SIMULATED:
        pytest.skip("asks what a simulated GPU does not know")


@pytest.fixture
def torch(hardware: None) -> Any:
    """PyTorch that finds the GPU."""
    found = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not found.cuda.is_available():
        pytest.skip("this PyTorch finds no GPU")
    return found


class Library:
    """Arrays of one library, from NumPy and back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = pytest.importorskip("numba" if name == "numba" else name, reason=f"{name} is not installed")
        if name == "torch" and not self.module.cuda.is_available():
            pytest.skip("this PyTorch finds no GPU")
        if name == "jax":
            self.module.config.update("jax_enable_x64", True)
            if not any(device.platform == "gpu" for device in self.module.devices()):
                pytest.skip("this JAX finds no GPU")

    def put(self, array: np.ndarray) -> Any:
        """On the GPU."""
        if self.name == "torch":
            return self.module.from_numpy(array).cuda()
        if self.name == "cupy":
            return self.module.asarray(array)
        if self.name == "jax":
            return self.module.device_put(array, next(d for d in self.module.devices() if d.platform == "gpu"))
        from numba_rnn.kernels.cuda.toolkit import cuda

        return cuda.to_device(array)

    def get(self, array: Any) -> np.ndarray:
        """On the host."""
        if self.name == "torch":
            return array.cpu().numpy()
        if self.name == "cupy":
            return self.module.asnumpy(array)
        return np.asarray(array) if self.name == "jax" else array.copy_to_host()

    def pointer(self, array: Any) -> int:
        """Where it lies."""
        if self.name == "jax":
            return array.unsafe_buffer_pointer()
        return array.__cuda_array_interface__["data"][0]


@pytest.fixture(params=["torch", "cupy", "jax", "numba"])
def library(request: pytest.FixtureRequest, hardware: None) -> Library:
    """Each that is installed."""
    return Library(request.param)
