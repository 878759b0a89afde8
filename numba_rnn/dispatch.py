"""Which backend runs a recurrence: an explicit device obeys or raises, "auto" asks each in turn and can say why.

Under "auto" the GPU runs what lies in its memory, and of what lies in the host's the calls that are worth the way there and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from numba_rnn._typing import Array
from numba_rnn.compressed import Compressed
from numba_rnn.config import device, settings
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import Backend, CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cuda.presence import why_not as no_gpu
from numba_rnn.kernels.cuda.strided import on_gpu

__all__ = ["check_device", "choose", "explain", "get", "on_gpu", "place"]

ORDER = ("cpu", "reference")  # the first that supports a recurrence runs it
NAMES = ("cpu", "cuda", "reference")


@cache
def get(name: str) -> Any:
    """The backend of that name, imported on first use: `import numba_rnn` alone must not pay for a compiler.

    Raises:
        DeviceError: there is no such backend, or what it needs is missing here.
    """
    if name == "cpu":
        from numba_rnn.kernels.cpu import CPU

        return CPU()
    if name == "reference":
        from numba_rnn.kernels.reference import Reference

        return Reference()
    if name == "cuda":
        if (reason := no_gpu()) is not None:
            raise DeviceError(f"Device 'cuda' cannot be used: {reason}.")
        from numba_rnn.kernels.cuda.machine import CUDA

        return CUDA()
    raise DeviceError(f"Unknown device. Expected one of {', '.join(NAMES)}. Received: {name!r}.")


def check_device(name: str) -> None:
    """Raise what using that device would.

    Raises:
        ValueError: no such device.
        DeviceError: what it needs is missing here.
    """
    with device(name):
        if name != "auto":
            get(name)


def choose(recurrence: Recurrence, device: str | None = None) -> Backend:
    """The backend that runs this recurrence, on that device or on the one of the moment.

    Raises:
        DeviceError: the device that was asked for cannot run it.
    """
    device = device or settings.device
    if device != "auto":
        backend: Backend = get(device)
        if (reason := backend.supports(recurrence)) is not None:
            raise DeviceError(f"Device {device!r} cannot run {recurrence.spec.name}: {reason}.")
        return backend
    host: Backend = next(b for b in map(get, ORDER) if b.supports(recurrence) is None)
    if no_gpu() is None and get("cuda").supports(recurrence) is None:
        return Either(host, get("cuda"))
    return host


def place(like: Any = None) -> Any:
    """Where a call computes on the GPU: a `kernels.cuda.place.Place`.

    Args:
        like: one of its arrays, which lie there; None where they are the host's.

    Raises:
        DeviceError: another device was asked for, or the GPU cannot be used.
    """
    backend = get("cuda") if like is None else _where_it_lies()
    from numba_rnn.kernels.cuda.place import Place

    return Place(backend, like)


def _where_it_lies() -> Any:
    """CUDA, for data that lies on a GPU."""
    remedy = (
        "Copy it to the host first: `x.cpu().numpy()` with PyTorch, `x.get()` with CuPy, `numpy.asarray(x)` with JAX, "
        "`x.copy_to_host()` with numba."
    )
    if settings.device not in ("auto", "cuda"):
        raise DeviceError(f"The data lies on a GPU, and device {settings.device!r} was asked for. {remedy}")
    try:
        return get("cuda")
    except DeviceError as error:
        raise DeviceError(f"The data lies on a GPU. {error} {remedy}") from None


def explain(recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
    """The kernel that will run and why not a faster one, in words; for a cell of that size also how a few calls are cut."""
    backend = choose(recurrence)
    text = f"{backend.name}: {backend.describe(recurrence, D, H)}"
    if settings.device == "auto":
        refusals = [(name, get(name).supports(recurrence)) for name in ORDER if name != backend.name]
        text += "".join(f"; not {name}: {reason}" for name, reason in refusals if reason is not None)
        if (reason := no_gpu()) is not None:
            text += f"; not cuda: {reason}"
    return text


@dataclass
class Halves:
    """A cell made ready for the host and for the GPU, each when it is first wanted."""

    host: Backend
    gpu: Any
    recurrence: Recurrence
    weights: tuple[CellWeights, ...]

    @cached_property
    def on_host(self) -> Any:
        """What the host's backend has ready."""
        return self.host.prepare(self.recurrence, *self.weights)

    @cached_property
    def on_gpu(self) -> Any:
        """What CUDA has ready."""
        return self.gpu.prepare(self.recurrence, *self.weights)


class Either:
    """The host's backend and CUDA: every call goes where it is estimated to be done sooner."""

    name = "auto"

    def __init__(self, host: Backend, gpu: Any) -> None:
        self.host, self.gpu = host, gpu

    def supports(self, recurrence: Recurrence) -> str | None:
        """None, or why neither runs it."""
        return self.host.supports(recurrence)

    def describe(self, recurrence: Recurrence, D: int | None = None, H: int | None = None) -> str:
        """Both in words, and from which size of batch on the GPU is estimated to be worth while."""
        text = f"{self.host.describe(recurrence, D, H)}; or cuda: {self.gpu.describe(recurrence, D, H)}"
        return text if D is None or H is None else f"{text}; {self.gpu.describe_worth(recurrence, D, H)}"

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Halves:
        """Nothing yet: whichever a call needs."""
        return Halves(self.host, self.gpu, recurrence, weights)

    def warm(self, prepared: Halves) -> None:
        """Both."""
        self.host.warm(prepared.on_host)
        self.gpu.warm(prepared.on_gpu)

    def scan(
        self,
        prepared: Halves,
        x: Array,
        mask: Array | None,
        initial_state: tuple[Array, ...] | None,
        options: ScanOptions,
    ) -> tuple[Array, Array]:
        """Where it is estimated to be done sooner; see `Backend.scan`."""
        r, w = prepared.recurrence, prepared.weights
        D, H = w[0].kernel.shape[0], w[0].recurrent_kernel.shape[0]
        if self.gpu.is_worth(r, len(w), D, H, x.shape[0], x.shape[1], options.return_sequences):
            result: tuple[Array, Array] = self.gpu.scan(prepared.on_gpu, x, mask, initial_state, options)
            return result
        return self.host.scan(prepared.on_host, x, mask, initial_state, options)

    def bind(
        self, prepared: Halves, x: Array, mask: Array | None, states: Array, y: Array, options: ScanOptions
    ) -> Callable[[], object]:
        """On the host: what is bound is a step or a few."""
        return self.host.bind(prepared.on_host, x, mask, states, y, options)

    def prepare_linear(self, kernel: Array | Compressed, bias: Array) -> Any:
        """On the host."""
        return self.host.prepare_linear(kernel, bias)

    def linear(self, prepared: Any, x: Array) -> Array:
        """On the host."""
        return self.host.linear(prepared, x)
