"""Arrays on the device that calls borrow: allocating waits for the whole device, so what a call gives back the next one takes."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from numba_rnn.kernels.cuda.driver import Driver

__all__ = ["Pool", "part_of"]

MOST = 1 << 30  # bytes that a pool keeps: a choice


class Pool:
    """Arrays of one stream: what is given back may still be in use there, by work that comes before whatever takes it next."""

    def __init__(self, driver: Driver) -> None:
        self._driver, self._lock = (
            driver,
            threading.RLock(),
        )  # an array may come back while the garbage collector runs in here
        self._free: dict[tuple[tuple[int, ...], np.dtype[Any]], list[Any]] = {}
        self._kept = 0

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of any content."""
        key = shape, np.dtype(dtype)
        with self._lock:
            if free := self._free.get(key):
                self._kept -= _bytes(key)
                return free.pop()
        return self._driver.empty(*key)

    def give(self, *arrays: Any) -> None:
        """Let the next call have them."""
        with self._lock:
            for array in arrays:
                key = tuple(array.shape), np.dtype(array.dtype)
                if self._kept + _bytes(key) > MOST:
                    self._free.clear()
                    self._kept = 0
                self._free.setdefault(key, []).append(array)
                self._kept += _bytes(key)


def part_of(array: Any, index: int) -> Any:
    """array[index] of an array on the device, made once and kept with it: to index one takes longer than to launch a kernel."""
    parts: dict[int, Any] = vars(array).setdefault("_parts", {})
    if index not in parts:
        parts[index] = array[index]
    return parts[index]


def _bytes(key: tuple[tuple[int, ...], np.dtype[Any]]) -> int:
    return math.prod(key[0]) * key[1].itemsize
