"""The disk cache of the CPU's kernels, which loads no more of numba than it needs."""

from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from numba_rnn.kernels.disk import KernelPlace

__all__ = ["KernelCache"]


class KernelCache(FunctionCache):
    """Numba's disk cache in files of its own kind, which opens no more of numba than machine code from the disk needs.

    That is the runtime that allocates. Numba's own first loads all that a kernel could be compiled from, `scipy.linalg` included
    where it is installed: a third of a second. Whatever is compiled later still has numba load that before.
    """

    _impl_class = KernelPlace

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = self._impl.files()

    def load_overload(self, sig, target_context):
        """The compiled function for a signature, None where there is none on disk."""
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)
