"""An array on the GPU, while a call computes with it: a view of memory that is the call's, the caller's or the weights'."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numba_rnn.kernels.cuda.memory import view_of

__all__ = ["DEVICES", "Memory", "Strided", "on_gpu", "packed"]

DEVICES = 2, 13  # DLPack's numbers for memory of NVIDIA's GPUs


class Memory:
    """Memory that strided arrays lie in, for as long as one of them is there.

    Attributes:
        flat: the driver's array, of one dimension.
        foreign: the caller's own array of this memory, made for a result; None for anything else.
        is_ours: whether it may be handed out: it came from a pool or was made for a result, and nobody else has it.
    """

    __slots__ = ("_pool", "flat", "foreign", "is_ours")

    def __init__(self, flat: Any, pool: Any = None, foreign: Any = None) -> None:
        self.flat, self._pool, self.foreign = flat, pool, foreign
        self.is_ours = pool is not None or foreign is not None

    def keep(self) -> None:
        """It never goes back: the caller has it."""
        self._pool = None

    def __del__(self) -> None:
        # What still runs on the stream comes before whatever takes it next.
        if self._pool is not None:
            self._pool.give(self.flat)


class Strided:
    """Elements of a memory, `strides` of them apart. Views share the memory; nothing here computes.

    Attributes:
        place: what computes with it.
        memory: where it lies.
        shape, strides, offset: in elements.
        mask: bool (B, T), also here, true where a step counts; None where all do.
    """

    __slots__ = ("mask", "memory", "offset", "place", "shape", "strides")

    def __init__(
        self,
        place: Any,
        memory: Memory,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
        offset: int = 0,
    ) -> None:
        self.place, self.memory, self.offset = place, memory, offset
        self.shape = shape
        self.strides = packed(shape) if strides is None else strides
        self.mask: Strided | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an element."""
        return np.dtype(self.memory.flat.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_packed(self) -> bool:
        """Whether the elements follow one another, the last axis first."""
        wanted = zip(self.shape, self.strides, packed(self.shape), strict=True)
        return self.size == 0 or all(n == 1 or s == p for n, s, p in wanted)

    @property
    def array(self) -> Any:
        """The driver's array of this shape; packed first, where it is not."""
        if not self.size:
            return self.place.driver.empty(self.shape, self.dtype)
        if not self.is_packed:
            return self.place.packed(self).array
        flat, start, shape = self.memory.flat, self.offset, self.shape
        end = start + self.size
        whole = end - start == flat.shape[0]
        return view_of(flat, (start, shape), lambda: (flat if whole else flat[start:end]).reshape(shape))

    def view(self, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Strided:
        """Other elements of the same memory, from `offset` after this one's first."""
        return Strided(self.place, self.memory, shape, strides, self.offset + offset)

    def reshape(self, *shape: int) -> Strided:
        """The same elements in another shape, copied if they do not follow one another."""
        base = self if self.is_packed else self.place.packed(self)
        return Strided(self.place, base.memory, shape, None, base.offset)

    def transpose(self, axes: tuple[int, ...]) -> Strided:
        """The axes in another order."""
        return self.view(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes))

    def part(self, axis: int, start: int, stop: int) -> Strided:
        """From `start` until before `stop` along an axis."""
        axis %= self.ndim
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        return self.view(shape, self.strides, start * self.strides[axis])

    def sliced(self, axis: int, places: slice) -> Strided:
        """A slice along an axis, of any step."""
        along = range(self.shape[axis])[places]
        strides = tuple(s * along.step if a == axis else s for a, s in enumerate(self.strides))
        shape = (*self.shape[:axis], len(along), *self.shape[axis + 1 :])
        return self.view(shape, strides, along.start * self.strides[axis] if len(along) else 0)

    def at(self, axis: int, index: int) -> Strided:
        """One place of an axis, which is then gone."""
        one = self.part(axis, index, index + 1)
        axis %= self.ndim
        return one.view(
            (*self.shape[:axis], *self.shape[axis + 1 :]), (*self.strides[:axis], *self.strides[axis + 1 :])
        )

    def expanded(self, axis: int) -> Strided:
        """With an axis of size 1 more."""
        axis %= self.ndim + 1
        return self.view((*self.shape[:axis], 1, *self.shape[axis:]), (*self.strides[:axis], 0, *self.strides[axis:]))

    def flipped(self, axis: int) -> Strided:
        """From the other end along an axis."""
        strides = tuple(-s if a == axis % self.ndim else s for a, s in enumerate(self.strides))
        return self.view(self.shape, strides, (self.shape[axis] - 1) * self.strides[axis] if self.size else 0)

    def spread(self, shape: tuple[int, ...]) -> Strided:
        """Repeated along axes of size 1 and new ones in front, as far as `shape` wants it."""
        missing = len(shape) - self.ndim
        pairs = zip(self.shape, self.strides, shape[missing:], strict=True)
        return self.view(shape, (*(0,) * missing, *(0 if n == 1 and m != 1 else s for n, s, m in pairs)))

    def masked(self, mask: Strided | None) -> Strided:
        """The same with this mask."""
        other = self.view(self.shape, self.strides)
        other.mask = mask
        return other


def packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of elements that follow one another."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def on_gpu(x: Any) -> bool:
    """Whether it is some library's array in the memory of an NVIDIA GPU, or one of these.

    TensorFlow's tensors are not counted: they become NumPy arrays by themselves wherever one is wanted.
    """
    if isinstance(x, (np.ndarray, float, int)) or type(x).__module__.startswith("tensorflow."):
        return False
    try:
        device = getattr(x, "__dlpack_device__", None)
        if callable(device):
            return device()[0] in DEVICES
        return isinstance(x, Strided) or hasattr(x, "__cuda_array_interface__")
    except (BufferError, RuntimeError, TypeError, ValueError):  # in parts, or nowhere yet
        return False
