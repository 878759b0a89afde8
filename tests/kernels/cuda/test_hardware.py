"""The driver of real GPUs, as far as it gets without one: with a CUDA driver whose kernels do nothing (`no_gpu.c`)."""

from __future__ import annotations

from typing import Any

import pytest


def test_driver(ran: Any) -> None:
    found = ran("driver")
    assert found["device"] == ["No GPU", [9, 0], 132]
    assert found["copied"] == [[0, 1, 2], [3, 4, 5]]
    assert found["sliced"] == [[1, 2], [4, 5]]
    assert found["filled"]
    assert found["flag"] == 7
    assert found["launches"] == [[3, 2, 64, 0, 1, found["stream"]]] * 2
    assert found["announced"] == ["CUDA kernel kernel"]


@pytest.mark.parametrize("kind", ["block", "cluster", "general", "grid", "steps", "tensor"])
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
        assert call["ours"] == [True] * len(call["again"]["launches"]), f"{name}: it takes arrays apart for a launch"
    if kind == "steps":
        # The input, then at each step the gates of h, and the candidate, by columns of U into columns of `work`.
        B, T, D, H = 3, 5, 8, 20
        assert (
            found["lstm 8 20 3 5 fp32"]["products"] == [[80, B * T, D, 80, D, 80, 1]] + [[80, B, H, 80, H, 80, 1]] * T
        )
        two = [[40, B, H, 60, H, 80, 1], [20, B, H, 60, 80, 80, 1]]
        assert found["gru_reset_before 8 20 3 5 fp32"]["products"] == [[60, B * T, D, 60, D, 60, 1], *two * T]


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
    assert found["ours"] == [True] * len(found["launches"]), "arrays were taken apart for a launch"
