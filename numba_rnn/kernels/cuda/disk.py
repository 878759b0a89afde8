"""CUDA kernels on disk, in the files that the CPU's lie in: compiled once a machine, not once a process.

numba's own cache finds none of them again: it goes by what a kernel captures, and these capture device functions, which have
another name in every process. Here a kernel goes by the key that tells it from others in a process, and by the library's source.

What is taken from numba's inside: a dispatcher asks its `_cache` before it compiles for arguments of some types, hands it what it
compiled, linked for the current GPU, and that can be pickled. A numba that is made otherwise compiles in every process.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from numba_rnn.config import settings
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.disk import KernelPlace, warn_uncached
from numba_rnn.kernels.fingerprint import fingerprint

__all__ = ["keep"]


@cache
def source() -> int:
    """The fingerprint of all that the kernels are made from."""
    return fingerprint("cells", "kernels", "kernels/cuda")


def keep(dispatcher: Any, key: Any) -> None:
    """Keep on disk, if setting and disk allow, what this dispatcher of numba's will compile, and take it from there.

    Args:
        dispatcher: of a kernel that has not been launched.
        key: all that its function was made from, besides the library's source; its `repr` is the same in every process.
    """
    if settings.cache and (versions := toolkit.versions()) is not None:
        try:
            place = KernelPlace(dispatcher.py_func)
        except RuntimeError as error:  # numba found no folder to write to
            warn_uncached(error)
        else:
            options = sorted(dispatcher.targetoptions.items())
            dispatcher._cache = _Cache(place, (source(), versions, options, key))


class _Cache:
    """A dispatcher's cache, as numba calls it.

    Args:
        place: of its files.
        key: of the kernel, whatever its arguments and the GPU.
    """

    def __init__(self, place: KernelPlace, key: Any) -> None:
        self._place, self._files, self._key = place, place.files(), key

    @property
    def cache_path(self) -> str:
        """The folder."""
        path: str = self._place.locator.get_cache_path()
        return path

    def load_overload(self, types: Any, _: Any) -> Any:
        """The kernel for arguments of such types on the current GPU, None where there is none on disk."""
        with suppress(Exception):  # whole as it is: another numba's
            return self._files.load(self._whole(types))
        return None

    def save_overload(self, types: Any, kernel: Any) -> None:
        """Keep one, if it can be."""
        if getattr(kernel, "launch_config_sensitive", False):
            return  # numba compiled it for one grid, which no name here tells
        try:
            self._place.locator.ensure_cache_path()
            self._files.save(self._whole(types), kernel)
        except OSError as error:
            warn_uncached(error)
        except Exception:  # numba says in many ways that it cannot be pickled, and goes on with what it has compiled
            return

    def flush(self) -> None:
        """Forget all of the function's kernels."""
        self._files.flush()

    def _whole(self, types: Any) -> Any:
        return self._key, toolkit.capability(), types
