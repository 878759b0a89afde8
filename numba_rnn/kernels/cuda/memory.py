"""Arrays on the device that calls borrow: allocating waits for the whole device, so what a call gives back the next one takes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from functools import partial
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # views are asked for where no GPU is, and must not bring numba in
    from numba_rnn.kernels.cuda.driver import Driver

__all__ = ["Pool", "part_of", "view_of"]

MOST = 1 << 30  # bytes that a pool keeps: a choice
MOST_VIEWS = 64  # of one array


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


def view_of(array: Any, key: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` returns, a view of an array on the device; made once and kept with the array under this key.

    numba takes longer for a view than to launch a kernel, and the arrays of a pool come back in the same places.
    """
    views: dict[Hashable, Any] = vars(array).setdefault("_views", {})
    if (view := views.get(key)) is None:
        if len(views) >= MOST_VIEWS:
            views.clear()
        view = views[key] = make()
    return view


def part_of(array: Any, *index: int | slice) -> Any:
    """array[index], made once."""
    key = tuple((i.start, i.stop) if isinstance(i, slice) else i for i in index)
    return view_of(array, key, partial(getitem, array, index))


def _bytes(key: tuple[tuple[int, ...], np.dtype[Any]]) -> int:
    return math.prod(key[0]) * key[1].itemsize
