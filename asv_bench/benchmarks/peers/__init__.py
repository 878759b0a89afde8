"""The peers, each in a module of its own, and the comparison that comes before any timing.

A peer is a module with
- `NAME`, and `MODULES`, what has to be installed;
- `prepare(case, threads) -> (call, read)`: `call()` predicts, and is what is timed; `read(result)` makes of its result an array
  (B, T, directions*H), in the order of the input's steps, and is not timed. It holds our weights and gets its input in the order
  of axes that it likes best, converted beforehand. It raises `NotImplementedError` for what it cannot do;
- `TOLERANCE`, how far it may be from us: `EXACT`, unless one approximated its activations; none does.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..common import largest_difference
from ..shapes import Case
from . import jax_scan, keras_tensorflow, onnx_runtime, open_vino, pytorch

__all__ = ["PEERS", "Peer", "available", "compared", "limit_threads", "version"]

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
_told: set[int] = set()  # the numbers of threads that this process was told

Prepared = tuple[Callable[[], Any], Callable[[Any], np.ndarray]]


class Peer(Protocol):
    """What such a module has."""

    NAME: str
    MODULES: tuple[str, ...]
    TOLERANCE: float

    def prepare(self, case: Case, threads: int) -> Prepared: ...


PEERS: dict[str, Peer] = {
    module.NAME: module  # type: ignore[misc]  # a module
    for module in (onnx_runtime, pytorch, open_vino, jax_scan, keras_tensorflow)
}


def available(peer: Peer) -> str | None:
    """None, or why it cannot run."""
    missing = [name for name in peer.MODULES if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)}: not installed" if missing else None


def version(peer: Peer) -> str:
    """The versions of what does the work."""
    modules = [importlib.import_module(name) for name in peer.MODULES if name != "onnx"]
    return " on ".join(module.__version__.partition("-")[0] for module in reversed(modules))


def limit_threads(threads: int) -> None:
    """What JAX and TensorFlow read once a process, before they are imported; the others are told each time.

    Raises:
        RuntimeError: this process has been told another number.
    """
    _told.add(threads)
    if len(_told) > 1:
        raise RuntimeError(f"JAX and TensorFlow read their threads once a process. Use a new one for {threads}.")
    os.environ.update(
        KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES=""
    )
    os.environ["NPROC"] = str(threads)  # XLA's pool
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "").replace(ONE_THREAD, "")
        os.environ["XLA_FLAGS"] = f"{flags} {ONE_THREAD}".strip()


def compared(peer: Peer, case: Case, threads: int, want: np.ndarray) -> tuple[Callable[[], Any], float]:
    """A peer's call, once it has given what we give (`want`), and how far apart the two are.

    Raises:
        NotImplementedError: it is not installed, or cannot do this.
        AssertionError: the outputs differ by more than its tolerance.
    """
    if reason := available(peer):
        raise NotImplementedError(reason)
    limit_threads(threads)
    call, read = peer.prepare(case, threads)
    got = np.asarray(read(call()))
    if got.shape != want.shape:
        raise AssertionError(f"{peer.NAME}, {case.name}: expected {want.shape}, received {got.shape}.")
    difference = largest_difference(case, got, want)
    if not difference <= peer.TOLERANCE:
        raise AssertionError(
            f"{peer.NAME}, {case.name}: the outputs differ by {difference:.1e}, expected at most {peer.TOLERANCE}"
        )
    return call, difference
