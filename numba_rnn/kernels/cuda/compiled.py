"""The kernels of this process: made where they are first needed, and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import Recurrence
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.ops import build_activations
from numba_rnn.kernels.cuda.scan import build_scan
from numba_rnn.kernels.cuda.scan_block import build_scan_block
from numba_rnn.kernels.cuda.scan_cluster import build_scan_cluster
from numba_rnn.kernels.cuda.scan_grid import build_scan_grid
from numba_rnn.kernels.cuda.scan_step import build_scan_step
from numba_rnn.kernels.cuda.scan_tensor import build_scan_tensor

__all__ = ["KERNELS", "Compiled", "activations"]

KERNELS: dict[str, Callable[..., Callable[..., None]]] = {
    "general": build_scan,
    "block": build_scan_block,
    "cluster": build_scan_cluster,
    "tensor": build_scan_tensor,
    "grid": build_scan_grid,
    "steps": build_scan_step,
}

activations = cache(build_activations)
_device_function = cache(toolkit.device_function)


class Compiled:
    """The kernels of one device, by what they depend on.

    Args:
        compile_kernel: `Driver.kernel`.
    """

    def __init__(self, compile_kernel: Callable[..., Any]) -> None:
        self._compile, self._lock = compile_kernel, threading.Lock()
        self._kernels: dict[Any, Any] = {}

    def get(self, key: Any, build: Callable[[], Callable[..., None]], threads: int, *, kept: bool = True) -> Any:
        """The kernel of that key, of at most so many threads a block; `build` makes it where the key is not known.

        Other processes may find it on the disk by its key and the library's source, unless `kept` is false.
        """
        with self._lock:
            if key not in self._kernels:
                self._kernels[key] = self._compile(build(), threads, key if kept else None)
            return self._kernels[key]

    def scan(self, recurrence: Recurrence, launch: Launch) -> Any:
        """The kernel of a launch."""
        r = recurrence

        def build() -> Callable[..., None]:
            spec, functions = CELLS[r.spec.name], activations(r.dtype.str)
            G = len(spec.gates)
            return KERNELS[launch.kernel](
                toolkit.real_type(r.dtype), G, spec.first or G, len(spec.states), len(spec.extra), *launch.parameters,
                _device_function(spec.update), _device_function(spec.gate or spec.update),
                functions[r.activation], functions[r.recurrent_activation],
            )  # fmt: skip

        key = launch.kernel, r.spec.name, r.activation, r.recurrent_activation, r.dtype, launch.parameters
        # Of somebody else's cell a file would know the name only, not the source.
        functions = r.spec.update, r.spec.gate or r.spec.update
        own = all(function.__module__.startswith("numba_rnn.cells.") for function in functions)
        return self.get(key, build, launch.most_threads, kept=own)
