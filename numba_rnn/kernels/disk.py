"""Compiled kernels on disk: a file each, named after all that it depends on and sealed, so that no damage and no race is ever run.

Numba's own cache numbers the kernels of a function and keeps an index of the numbers. Of two processes that fill it at once one may
leave its code under the other's number, an index cut short ends every process that reads it, and damaged code is run as it is.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, IndexDataCacheFile, UserProvidedCacheLocator
from numba.core.serialize import dumps, loads

__all__ = ["KernelFiles", "KernelPlace", "warn_uncached"]

SEAL = hashlib.sha256().digest_size  # bytes that end a file


def _seal(name: str, data: bytes) -> bytes:
    """What tells that a file of this name was written whole, and is neither damaged nor another one's."""
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


class KernelFiles(IndexDataCacheFile):
    """The files of one function's kernels. Whatever is missing, damaged, or cannot be read is as if it never was."""

    def load(self, key: Any) -> Any:
        """What was saved under this key, None if nothing sound is there."""
        name = self._name_of(key)
        try:
            sealed = Path(self._data_path(name)).read_bytes()
        except OSError:
            return None
        data, seal = sealed[:-SEAL], sealed[-SEAL:]
        return loads(data) if seal == _seal(name, data) else None

    def save(self, key: Any, data: Any) -> None:
        """Keep `data`: it appears whole or not at all, in place of what was there."""
        name, whole = self._name_of(key), dumps(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(whole + _seal(name, whole))

    def flush(self) -> None:
        """Forget all of the function's kernels."""
        for path in Path(self._cache_path).glob(self._name_with("*")):
            path.unlink(missing_ok=True)

    def _name_of(self, key: Any) -> str:
        """A file's name: by the versions of numba and of the source, the types, the machine, and what the function captures."""
        whole = repr((self._version, self._source_stamp, key))
        return self._name_with(hashlib.sha256(whole.encode()).hexdigest()[:32])

    def _name_with(self, middle: str) -> str:
        name: str = self._data_name_pattern.replace("{number:d}", middle)
        return name


class _GivenFolder(UserProvidedCacheLocator):
    """`NUMBA_CACHE_DIR`. Numba passes over one that it cannot write to, though kernels lie there, as in a container's image."""

    def ensure_cache_path(self) -> None:
        try:
            super().ensure_cache_path()
        except OSError:
            if not os.path.isdir(self.get_cache_path()):
                raise


class KernelPlace(CompileResultCacheImpl):
    """Where a function's kernels lie.

    Raises:
        RuntimeError: there is no folder that can be read, or made.
    """

    _locator_classes = [_GivenFolder, *CompileResultCacheImpl._locator_classes]  # noqa: RUF012 (numba's attribute)

    def files(self) -> KernelFiles:
        """They themselves."""
        return KernelFiles(self.locator.get_cache_path(), self.filename_base, self.locator.get_source_stamp())


def warn_uncached(error: Exception) -> None:
    """Say that what was compiled could not be kept."""
    warnings.warn(
        f"Kernels cannot be kept on disk, every process compiles them anew: {error}. Set NUMBA_CACHE_DIR to a folder that can be "
        "written, or NUMBA_RNN_CACHE=0 to silence this.",
        RuntimeWarning,
        stacklevel=3,
    )
