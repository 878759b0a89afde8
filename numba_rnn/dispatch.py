"""Which backend runs a recurrence: an explicit device obeys or raises, "auto" asks each in turn and can say why."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba_rnn.config import settings
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import Backend, Recurrence
from numba_rnn.kernels.strided import on_gpu

__all__ = ["choose", "explain", "get", "on_gpu", "place"]

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
    if name == "cuda":
        from numba_rnn.kernels.cuda import CUDA

        return CUDA()
    raise DeviceError(f"Unknown device. Expected one of {', '.join(ORDER)}. Received: {name!r}.")


def choose(recurrence: Recurrence, device: str | None = None) -> Backend:
    """The backend that runs this recurrence, on a device or on that of the moment.

    Raises:
        DeviceError: the device that was asked for cannot run it.
    """
    device = device or settings.device
    if device != "auto":
        backend = get(device)
        if (reason := backend.supports(recurrence)) is not None:
            raise DeviceError(f"Device {device!r} cannot run {recurrence.spec.name}: {reason}.")
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


def place(like: Any) -> Any:
    """Where a call computes whose arrays lie on a GPU: a `kernels.cuda.place.Place`; `like` is one of them.

    Raises:
        DeviceError: another device was asked for, or the GPU cannot be used.
    """
    if settings.device not in ("auto", "cuda"):
        raise DeviceError(
            f"The data lies on a GPU, and device {settings.device!r} was asked for. Copy it to the host first: `x.cpu().numpy()` with "
            "PyTorch, `x.get()` with CuPy, `numpy.asarray(x)` with JAX, `x.copy_to_host()` with numba."
        )
    backend: Any = get("cuda")
    if (reason := backend.missing()) is not None:
        raise DeviceError(f"The data lies on a GPU, which cannot be used: {reason}.")
    from numba_rnn.kernels.cuda.place import Place

    return Place(backend, like)
