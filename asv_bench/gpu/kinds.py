"""The kernels by kind, and running a call by the kind that one names instead of the one that suits its shape."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from inspect import isfunction
from typing import Any

from numba_rnn.kernels import cuda
from numba_rnn.kernels.cuda import machine
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Launch, Size

__all__ = ["RefusedError", "forced", "kinds", "launch_of"]

PREFIX = "plan_"  # of the planners: each returns a launch, or None for a call that its kernel cannot take
Planner = Callable[[Size, Call, Device], Launch | None]


class RefusedError(Exception):
    """A kernel does not take a call, and says so beforehand."""


def kinds() -> dict[str, Planner]:
    """The planners by the kind of kernel that they plan for; the general one, which takes all, last."""
    found: dict[str, Planner] = {}
    for module in pkgutil.iter_modules(cuda.__path__):
        if module.name.startswith("plan"):
            names = vars(importlib.import_module(f"{cuda.__name__}.{module.name}"))
            found |= {
                name.removeprefix(PREFIX): f for name, f in names.items() if name.startswith(PREFIX) and isfunction(f)
            }
    return dict(sorted(found.items(), key=lambda item: (item[0] == "general", item[0])))


def launch_of(kind: str, size: Size, call: Call, device: Device) -> Launch:
    """How that kind of kernel would run a call.

    Raises:
        RefusedError: it cannot.
    """
    if (launch := kinds()[kind](size, call, device)) is None:
        raise RefusedError(f"the {kind} kernel does not take {call}")
    return launch


@contextlib.contextmanager
def forced(kind: str | None, steps: int | None = None) -> Iterator[None]:
    """Run every call by one kind of kernel, None for the one that suits; at most `steps` at once: long calls come in pieces."""
    before: Any = machine.plan

    def plan(size: Size, call: Call, device: Device) -> Launch:
        launch = before(size, call, device) if kind is None else launch_of(kind, size, call, device)
        return launch if steps is None else launch._replace(steps=min(steps, launch.steps))

    machine.plan = plan
    try:
        yield
    finally:
        machine.plan = before
