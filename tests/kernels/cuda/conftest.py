"""Shared by the tests of the CUDA backend: one whose GPU is the simulator, in place of the real one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from numba_rnn import config, dispatch
from numba_rnn.kernels.cuda import machine
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.plan_exact import plan_general, plan_steps

from .simulator.driver import SimulatedDriver


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
