"""Launches by the library give the driver what numba's own give it, to the byte: with a driver whose kernels do nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest


@pytest.fixture
def seen(ran: Any) -> Any:
    """A function of `no_gpu_launching.py`, in a process of its own."""
    return partial(ran, script="no_gpu_launching.py")


def test_the_driver_is_given_the_same(seen: Any) -> None:
    found = seen("launches")
    assert found.keys() >= {"steps", "backwards", "empty", "pooled again", "steps, waiting"}
    for name, launch in found.items():
        assert launch["given"] == launch["numba"], name
        assert launch["cooperative"] == name.endswith("waiting"), name
        if name != "unsigned":  # which only numba knows
            assert launch["ours"][-2:] == [True] * 2, f"{name}: with this numba-cuda, each launch takes arrays apart"
    assert found["unsigned"]["ours"] == []
    start, x = 6 + 5, found["steps"]["given"]  # where the parameters begin, x's the first
    assert [*x[start : start + 4], *x[start + 5 : start + 9]] == [0, 0, 4, 4, 2, 2, 48, 12]
    assert found["pooled again"]["given"] == found["pooled"]["given"]
    functions = [found[name]["given"][6] for name in ("contiguous", "steps", "Fortran's", "contiguous, waiting")]
    assert len(set(functions)) == len(functions)


def test_threads_do_not_mix_their_launches(seen: Any) -> None:
    found = seen("threads")
    assert found["good"] == [True, True]
    taken, refused = found["ours"]
    assert taken + refused == 2 * found["times"]
    assert refused <= 2, "more than a thread's first launch, which has no context yet, was numba's"


def test_numba_launches_what_is_not_known(seen: Any) -> None:
    found = seen("refused")
    assert found["other parameters"] == found["no driver"] == []
    assert found["launches"] == 6
    assert "exceeds the maximum number of blocks" in found["error"]
