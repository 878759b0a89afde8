"""Compiled kernels on disk: a file each, named after all that it depends on and sealed, so that no damage and no race is ever run.

Numba's own cache numbers the kernels of a function and keeps an index of the numbers. Of two processes that fill it at once one may
leave its code under the other's number, an index cut short ends every process that reads it, and damaged code is run as it is.
"""

import hashlib
import os
from pathlib import Path

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps, loads

__all__ = ["KernelCache", "KernelFiles"]

SEAL = hashlib.sha256().digest_size  # bytes that end a file


def _seal(name, data):
    """What tells that a file of this name was written whole, and is neither damaged nor another one's."""
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


class KernelFiles(IndexDataCacheFile):
    """The files of one function's kernels. Whatever is missing, damaged, or cannot be read is as if it never was."""

    def load(self, key):
        """What was saved under this key, None if nothing sound is there."""
        name = self._name_of(key)
        try:
            sealed = Path(self._data_path(name)).read_bytes()
        except OSError:
            return None
        data, seal = sealed[:-SEAL], sealed[-SEAL:]
        return loads(data) if seal == _seal(name, data) else None

    def save(self, key, data):
        """Keep `data`: it appears whole or not at all, in place of what was there."""
        name, data = self._name_of(key), dumps(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(data + _seal(name, data))

    def flush(self):
        """Forget all of the function's kernels."""
        for path in Path(self._cache_path).glob(self._name_with("*")):
            path.unlink(missing_ok=True)

    def _name_of(self, key):
        """A file's name: by the versions of numba and of the source, the types, the machine, and what the function captures."""
        whole = repr((self._version, self._source_stamp, key))
        return self._name_with(hashlib.sha256(whole.encode()).hexdigest()[:32])

    def _name_with(self, middle):
        return self._data_name_pattern.replace("{number:d}", middle)


class _GivenFolder(UserProvidedCacheLocator):
    """`NUMBA_CACHE_DIR`. Numba passes over one that it cannot write to, though kernels lie there, as in a container's image."""

    def ensure_cache_path(self):
        try:
            super().ensure_cache_path()
        except OSError:
            if not os.path.isdir(self.get_cache_path()):
                raise


class _Kernels(CompileResultCacheImpl):
    _locator_classes = [_GivenFolder, *CompileResultCacheImpl._locator_classes]  # noqa: RUF012 (numba's attribute)


class KernelCache(FunctionCache):
    """Numba's disk cache in files of its own kind, which opens no more of numba than machine code from the disk needs.

    That is the runtime that allocates. Numba's own first loads all that a kernel could be compiled from, `scipy.linalg` included
    where it is installed: a third of a second. Whatever is compiled later still has numba load that before.
    """

    _impl_class = _Kernels

    def __init__(self, function):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = KernelFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig, target_context):
        """The compiled function for a signature, None where there is none on disk."""
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)
