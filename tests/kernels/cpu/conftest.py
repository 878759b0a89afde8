"""Shared by the tests of the CPU backend: both ways to fill a vector."""

from __future__ import annotations

import sys

import pytest

from numba_rnn.kernels.cpu.cost import Cost


@pytest.fixture(params=["units", "rows"])
def vectors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the vectors of every scan hold, however many rows it has."""
    saved = sys.maxsize if request.param == "rows" else 0
    monkeypatch.setattr(Cost, "saved", lambda *_: saved)
    return request.param
