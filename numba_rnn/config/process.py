"""What a user may set once for the whole process: device, threads, vector width, disk cache, the default float."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = [
    "FLOATS",
    "Settings",
    "device",
    "epsilon",
    "floatx",
    "set_epsilon",
    "set_floatx",
    "set_masks",
    "set_threads",
    "settings",
]

DEVICES = ("auto", "cpu", "cuda", "reference")
PRECISIONS = ("fp32", "tf32", "bf16", "bf16x3")
MASKS = ("auto", "3.15", "3.16")
FLOATS = ("float16", "float32", "float64")


# Of one thread or task: two may use different devices at once.
_chosen_device: ContextVar[str | None] = ContextVar("device", default=None)
_chosen_precision: ContextVar[str | None] = ContextVar("precision", default=None)


@dataclass
class Settings:
    """The process-wide settings, read from the environment once, at import.

    Attributes:
        device: `"auto"`, or one backend by name, which then runs or raises (`NUMBA_RNN_DEVICE`); see `device`.
        threads: the most threads a call may use; 0 for as many as numba has (`NUMBA_RNN_THREADS`).
        precision: what CUDA's products of float32 may be rounded to at most, see `device` (`NUMBA_RNN_PRECISION`).
        lanes: float32 lanes of a SIMD vector, 4, 8 or 16; 0 for the host's own (`NUMBA_RNN_LANES`).
        cache: keep compiled kernels on disk (`NUMBA_RNN_CACHE`, 0 or 1).
        masks: which Keras recurrent layers follow in passing masks on, see `set_masks` (`NUMBA_RNN_MASKS`).
        floatx: the float of arrays, variables and layers that were not told another (`set_floatx`).
        epsilon: the small number that keeps a divisor from zero (`set_epsilon`).
        dtype_policy: what layers compute in that were not told anything, `floatx` if None (`set_dtype_policy`).
    """

    threads: int = 0
    lanes: int = 0
    cache: bool = True
    masks: str = "auto"
    floatx: str = "float32"
    epsilon: float = 1e-7
    dtype_policy: str | None = None
    process_device: str = "auto"
    process_precision: str = "fp32"

    @property
    def device(self) -> str:
        """What `device` says here, otherwise the whole process's."""
        return _chosen_device.get() or self.process_device

    @device.setter
    def device(self, name: str) -> None:
        self.process_device = name

    @property
    def precision(self) -> str:
        """What `device` says here, otherwise the whole process's."""
        return _chosen_precision.get() or self.process_precision

    @precision.setter
    def precision(self, name: str) -> None:
        self.process_precision = name


def _choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(name, default).strip().lower()
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}.")
    return value


def _count(name: str) -> int:
    text = os.environ.get(name, "0").strip()
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, 0 for automatic. Received: {text!r}.")
    return int(text)


settings = Settings(
    process_device=_choice("NUMBA_RNN_DEVICE", "auto", DEVICES),
    process_precision=_choice("NUMBA_RNN_PRECISION", "fp32", PRECISIONS),
    threads=_count("NUMBA_RNN_THREADS"),
    lanes=int(_choice("NUMBA_RNN_LANES", "0", ("0", "4", "8", "16"))),
    cache=_choice("NUMBA_RNN_CACHE", "1", ("0", "1")) == "1",
    masks=_choice("NUMBA_RNN_MASKS", "auto", MASKS),
)


def set_threads(n: int) -> None:
    """Use at most `n` threads a call; 0 for as many as there are.

    Raises:
        ValueError: `n` is negative or not a whole number.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ValueError(f"`n` must be a whole number of threads, 0 for automatic. Received: {n!r}.")
    settings.threads = n


def set_masks(version: str) -> None:
    """Choose whether RNN layers, `Bidirectional` and `TimeDistributed` pass masks on, those that are made from now on.

    They always use the masks that they get. Up to Keras 3.15 the layer after them gets the mask too; from 3.16 it does not, and
    takes every step for one that counts.

    Args:
        version: `"3.15"`, `"3.16"`, or `"auto"`: files as the version that wrote them, models made in code as 3.15.

    Raises:
        ValueError: something else.
    """
    if version not in MASKS:
        raise ValueError(f"`version` must be one of {', '.join(MASKS)}. Received: {version!r}.")
    settings.masks = version


def floatx() -> str:
    """The float of arrays, variables and layers that were not told another: `"float32"`."""
    return settings.floatx


def set_floatx(value: str) -> None:
    """Make another float the default of what is made from now on.

    Raises:
        ValueError: it is none of Keras' floats that NumPy has.
    """
    if value not in FLOATS:
        raise ValueError(f"Unknown `floatx` value: {value}. Expected values are: {', '.join(FLOATS)}.")
    settings.floatx = value


def epsilon() -> float:
    """The small number that keeps a divisor from zero: 1e-7."""
    return settings.epsilon


def set_epsilon(value: float) -> None:
    """Make `epsilon()` another number."""
    settings.epsilon = float(value)


@contextlib.contextmanager
def device(name: str | None, precision: str | None = None) -> Iterator[None]:
    """Run everything that this thread, or task, does inside the `with` block on one device.

    Args:
        name: `"auto"`, or one backend, which then runs or raises `DeviceError`; None leaves it.
        precision: what CUDA's products of float32 may be rounded to: `"fp32"` not at all; `"tf32"` to 10 bits after the point,
            `"bf16"` to 7; `"bf16x3"` to 15, as three products. A kernel that is as fast without may round less. None leaves it.

    Raises:
        ValueError: no such device or precision.
    """
    if name is not None and name not in DEVICES:
        raise ValueError(f"Unknown device. Expected one of {', '.join(DEVICES)}. Received: {name!r}.")
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"Unknown precision. Expected one of {', '.join(PRECISIONS)}. Received: {precision!r}.")
    before = _chosen_device.get(), _chosen_precision.get()
    _chosen_device.set(name or before[0])
    _chosen_precision.set(precision or before[1])
    try:
        yield
    finally:
        _chosen_device.set(before[0])
        _chosen_precision.set(before[1])
