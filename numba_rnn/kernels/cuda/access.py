"""Loads and stores by the type of the number."""

from typing import Any, NamedTuple

from numba_rnn.kernels.cuda import ptx
from numba_rnn.kernels.cuda.toolkit import float32, float64

__all__ = ["ACCESS", "Access"]


class Access(NamedTuple):
    """Device functions for numbers of one type.

    Attributes:
        item: bytes of a number.
        load, read, store: one number of global memory; `load`, of what nobody writes while the kernel runs.
        load_vector_shared: 16 bytes of shared memory, a tuple.
        store_shared: one number.
    """

    item: int
    load: Any
    read: Any
    store: Any
    load_vector_shared: Any
    store_shared: Any


ACCESS = {
    float32: Access(
        4, ptx.load_float32, ptx.read_float32, ptx.store_float32, ptx.load4_shared, ptx.store_float32_shared
    ),
    float64: Access(
        8, ptx.load_float64, ptx.read_float64, ptx.store_float64, ptx.load2_float64_shared, ptx.store_float64_shared
    ),
}
