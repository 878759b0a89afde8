"""The CUDA backend: uploads weights once, projects the input, launches the kernel that suits the shape."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.cells import CELLS
from numba_rnn.compressed import Compressed, expand
from numba_rnn.config import settings
from numba_rnn.errors import DeviceError
from numba_rnn.kernels.backend import CellWeights, Recurrence, ScanOptions
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.cuda.driver import Driver, Hardware
from numba_rnn.kernels.cuda.memory import Pool
from numba_rnn.kernels.cuda.ops import ACTIVATIONS, build_activations
from numba_rnn.kernels.cuda.plan import Call, Launch, Size, plan
from numba_rnn.kernels.cuda.project import build_finish, build_multiply
from numba_rnn.kernels.cuda.scan import build_scan

__all__ = ["CUDA", "KERNELS"]

KERNELS: dict[str, Callable[..., Callable[..., None]]] = {"general": build_scan}
TILE = 256, (32, 128)  # threads and most blocks of kernels that go over rows and columns

_activations = cache(build_activations)
_device_function = cache(toolkit.device_function)


@dataclass(frozen=True)
class Prepared:
    """A cell, or two, ready to run: the weights on the device, in Keras' layout.

    Attributes:
        recurrence, size: what they are.
        kernels: the input's, N arrays (D, G*H).
        recurrent, biases, extra: as `scan` has them.
    """

    recurrence: Recurrence
    size: Size
    kernels: tuple[Any, ...]
    recurrent: Any
    biases: Any
    extra: Any


@dataclass(frozen=True)
class PreparedLinear:
    """A matrix (D, H) and a bias (H,) on the device."""

    kernel: Any
    bias: Any


class CUDA:
    """Runs every cell whose activations act unit by unit, on an NVIDIA GPU.

    Args:
        driver: the GPU; None for the current one, which is then looked for at the first call.
    """

    name = "cuda"

    def __init__(self, driver: Driver | None = None) -> None:
        self._given, self._lock = driver, threading.Lock()
        self._compiled: dict[Any, Any] = {}
        self._pools: dict[Any, Pool] = {}

    def missing(self) -> str | None:
        """None, or why there is no device."""
        return None if self._given is not None else toolkit.why_not()

    @property
    def driver(self) -> Driver:
        """The device.

        Raises:
            DeviceError: there is none.
        """
        if self._given is None:
            if (reason := toolkit.why_not()) is not None:
                raise DeviceError(f"Device 'cuda' cannot be used: {reason}.")
            with self._lock:
                self._given = self._given or Hardware()
        return self._given

    @property
    def stream(self) -> Any:
        """The stream of calls whose arrays come from the host."""
        if not hasattr(self, "_stream"):
            with self._lock:
                self._stream = getattr(self, "_stream", None) or self.driver.stream()
        return self._stream

    def pool(self, stream: Any) -> Pool:
        """The arrays that calls on this stream borrow."""
        return self._pools.setdefault(getattr(stream, "handle", stream), Pool(self.driver))

    def supports(self, recurrence: Recurrence) -> str | None:
        """None, or why another backend has to run it."""
        if (reason := self.missing()) is not None:
            return reason
        for name in (recurrence.activation, recurrence.recurrent_activation):
            if name is None:
                return "an activation is a Python function"
            if name not in ACTIVATIONS:
                return f"activation {name!r} mixes the units of a row"
        return None

    def prepare(self, recurrence: Recurrence, *weights: CellWeights) -> Prepared:
        """Upload the weights."""
        spec, plain = recurrence.spec, [w.expanded() for w in weights]
        up = self._upload
        D, H = plain[0].kernel.shape[0], plain[0].recurrent_kernel.shape[0]
        return Prepared(
            recurrence=recurrence,
            size=size_of(recurrence, len(weights), D, H),
            kernels=tuple(up(w.kernel) for w in plain),
            recurrent=up(np.stack([w.recurrent_kernel for w in plain])),
            biases=up(np.stack([np.stack([w.bias, w.recurrent_bias]) for w in plain])),
            extra=up(np.stack([w.extra for w in plain]).reshape(len(plain), len(spec.extra), H)),
        )

    def _upload(self, array: Array) -> Any:
        return self.driver.upload(np.ascontiguousarray(array), self.stream)

    def _kernel(self, key: Any, build: Callable[[], Callable[..., None]], threads: int) -> Any:
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self.driver.kernel(build(), threads)
            return self._compiled[key]

    def _scan_kernel(self, recurrence: Recurrence, launch: Launch) -> Any:
        r = recurrence

        def build() -> Callable[..., None]:
            spec, functions = CELLS[r.spec.name], _activations(r.dtype.str)
            G = len(spec.gates)
            return KERNELS[launch.kernel](
                toolkit.real_type(r.dtype), G, spec.first or G, len(spec.states), len(spec.extra), *launch.parameters,
                _device_function(spec.update), _device_function(spec.gate or spec.update),
                functions[r.activation], functions[r.recurrent_activation],
            )  # fmt: skip

        key = launch.kernel, r.spec.name, r.activation, r.recurrent_activation, r.dtype, launch.parameters
        return self._kernel(key, build, launch.threads)
