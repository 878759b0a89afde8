"""Which backend runs a recurrence: an explicit device obeys or raises, "auto" asks each in turn and can say why."""

from __future__ import annotations

from functools import cache

from numba_rnn.config import settings
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import Backend, Recurrence

__all__ = ["choose", "explain", "get"]

ORDER = ("cpu", "reference")  # the first that supports a recurrence runs it


@cache
def get(name: str) -> Backend:
    """The backend of that name, imported on first use: `import numba_rnn` alone must not pay for a compiler."""
    if name == "cpu":
        from numba_rnn.kernels.cpu import CPU

        return CPU()
    if name == "reference":
        from numba_rnn.kernels.reference import Reference

        return Reference()
    raise DeviceError(f"Unknown device. Expected one of {', '.join(ORDER)}. Received: {name!r}.")


def choose(recurrence: Recurrence) -> Backend:
    """The backend that runs this recurrence.

    Raises:
        DeviceError: the device that was asked for cannot run it.
    """
    if settings.device != "auto":
        backend = get(settings.device)
        if (reason := backend.supports(recurrence)) is not None:
            raise DeviceError(f"Device {settings.device!r} cannot run {recurrence.spec.name}: {reason}.")
        return backend
    return next(b for b in map(get, ORDER) if b.supports(recurrence) is None)


def explain(recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
    """The kernel that will run and why not a faster one, in words; for a cell of that size also how many threads share a call."""
    backend = choose(recurrence)
    text = f"{backend.name}: {backend.describe(recurrence, D, H)}"
    if settings.device == "auto":
        refusals = [(name, get(name).supports(recurrence)) for name in ORDER[: ORDER.index(backend.name)]]
        text += "".join(f"; not {name}: {reason}" for name, reason in refusals)
    return text
