"""A named array that a layer owns, made when it is first asked for and counted each time it changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError

__all__ = ["Derived", "Weight", "as_numbers", "name_scope"]

_scope: list[str] = []
T = TypeVar("T")


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Weights made inside have `name/` in their path."""
    _scope.append(name)
    try:
        yield
    finally:
        _scope.pop()


def as_numbers(value: Any, what: str) -> Array:
    """`value` as an array of real numbers or booleans; `what` begins the message if it is none.

    Raises:
        ShapeError: lists of different lengths.
        DTypeError: something else than real numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{what} takes arrays. Received: lists of different lengths. Make each an array.") from error
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{what} takes arrays of real numbers. Received: an array of dtype {array.dtype}.")
    return array


class Weight:
    """A layer's array, read-only in place: `assign` replaces it.

    Attributes:
        name: `kernel`.
        path: `lstm/lstm_cell/kernel`: the layers being built when it was made, then its name.
        shape: its sizes, fixed.
        dtype: the name of its dtype, fixed.
        trainable: kept for Keras' sake.
        version: how often it was assigned; whoever derives something from the value compares it.
    """

    __slots__ = ("_initializer", "_value", "dtype", "name", "path", "shape", "trainable", "version")

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: Any, initializer: Callable[..., Any], trainable: bool = True
    ) -> None:
        self.name, self.path = name, "/".join([*_scope, name])
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).name
        self.trainable = trainable
        self.version = 0
        self._initializer = initializer
        # Initial numbers are made on first use: a model that is loaded from a file never needs them.
        self._value: Array | None = None

    @property
    def value(self) -> Array:
        """The numbers, read-only."""
        if self._value is None:
            made = np.array(self._initializer(self.shape, self.dtype), self.dtype)
            if made.shape != self.shape:
                raise ShapeError(
                    f"The initializer of weight {self.path!r} made the wrong shape. Expected: {self.shape}. Received: {made.shape}."
                )
            self._keep(made)
        assert self._value is not None
        return self._value

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def assign(self, value: Any) -> Weight:
        """Replace the numbers.

        Raises:
            ShapeError: `value` has another shape.
            DTypeError: `value` is not made of real numbers.
        """
        value = as_numbers(value, f"Weight {self.path!r}")
        if value.shape != self.shape:
            raise ShapeError(f"Cannot assign to weight {self.path!r}. Expected: {self.shape}. Received: {value.shape}.")
        self._keep(np.array(value, self.dtype, order="C"))
        self.version += 1
        return self

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.value.copy()

    def _keep(self, value: Array) -> None:
        value.flags.writeable = False
        self._value = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<Weight path={self.path}, shape={self.shape}, dtype={self.dtype}>"


class Derived(Generic[T]):
    """Something made from weights' numbers, kept until one of them is assigned: `derived()` is `make(*arrays)`.

    A weight may be None; `make` then gets None in its place.
    """

    __slots__ = ("_kept", "_make", "_version", "_weights")

    def __init__(self, make: Callable[..., T], *weights: Weight | None) -> None:
        self._make, self._weights = make, weights
        self._version = -1
        self._kept: T

    def __call__(self) -> T:
        """What was made, made again if a weight has changed."""
        version = 0
        for weight in self._weights:
            if weight is not None:
                version += weight.version
        if version != self._version:
            self._kept = self._make(*(None if w is None else w.value for w in self._weights))
            self._version = version
        return self._kept
