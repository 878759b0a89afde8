"""How the kernels are compiled: kept on disk where there is a place for them, announced, and not run for it."""

from numba import njit, typeof
from numba.extending import overload

from numba_rnn.config import settings
from numba_rnn.kernels.cpu.disk import KernelCache
from numba_rnn.kernels.disk import warn_uncached
from numba_rnn.progress import compiling

__all__ = ["compile_for", "kernel", "literal_jitable"]


def kernel(**options):
    """`njit` as every kernel has it: without the GIL, dividing as NumPy does, kept on disk if setting and disk allow."""
    options = {"nogil": True, "error_model": "numpy"} | options

    def decorate(function):
        compiled = njit(**options)(function)
        if settings.cache:
            try:
                compiled._cache = KernelCache(function)  # what `njit(cache=True)` sets to a cache of numba's
            except RuntimeError as error:  # numba found no folder to write to
                warn_uncached(error)
        return compiled

    return decorate


def compile_for(compiled, what, *args):
    """Compile a kernel for arguments like these, or take it from the disk cache; `what` it is, for whoever shows progress.

    It is not run. Returns the compiled function itself, which takes arguments of these types alone, unasked: numba's dispatcher
    asks for them at every call, for 0.5 us.
    """
    signature = tuple(map(typeof, args))
    with compiling(what):
        try:
            compiled.compile(signature)
        except OSError as error:  # compiled, but a full disk would not take it
            if not compiled.signatures:
                raise
            warn_uncached(error)
    return compiled.overloads[signature].entry_point


def literal_jitable(fn):
    """`register_jitable` for helpers whose integer arguments must stay compile-time constants."""

    @overload(fn, strict=False, prefer_literal=True)
    def same(*args):
        return fn

    return fn
