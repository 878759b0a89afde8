"""Named arrays that count how often they change: a program's variables, a layer's weights, and what is made from them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import numpy as np

from numba_rnn import initializers
from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.ops.dtypes import convert, standardize_dtype
from numba_rnn.ops.elementwise import add, equal, subtract
from numba_rnn.ops.naming import unique_name
from numba_rnn.ops.operators import give_operators
from numba_rnn.ops.products import matmul

__all__ = ["Derived", "Variable", "Weight", "as_numbers", "name_scope"]

_scope: ContextVar[tuple[str, ...]] = ContextVar("name_scope", default=())
T = TypeVar("T")


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Weights made inside have `name/` in their path; gives the path so far, `model/lstm` inside those two scopes."""
    names = (*_scope.get(), name)
    token = _scope.set(names)
    try:
        yield "/".join(names)
    finally:
        _scope.reset(token)


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


class Variable:
    """An array that a program gives new numbers now and then, as Keras' `Variable`: read-only in place, replaced by `assign`.

    It works in place of an array: Python's operators and `numba_rnn.ops` in Keras' dtypes, NumPy's functions in NumPy's.

    Args:
        initializer: an array, or an initializer's name, or a callable of the shape and the dtype.
        shape: needed where `initializer` is no array.
        dtype: None is the array's own, else `floatx()`.
        trainable, autocast, aggregation, synchronization, layout: kept for Keras' sake.
        name: made from the class if None.

    Attributes:
        name: `kernel`.
        path: `lstm/lstm_cell/kernel`: the layers being built when it was made, then its name.
        shape: its sizes, fixed.
        dtype: the name of its dtype, fixed.
        trainable: whether training would change it.
        regularizer: what its numbers cost in a model's loss, None for nothing.
        version: how often it was assigned; whoever derives something from the value compares it.

    Raises:
        ValueError: an initializer without a shape, a name with a slash.
        ShapeError: the initializer makes another shape.
        DTypeError: no such dtype; an array of something else than numbers.
    """

    __slots__ = ("_initializer", "_value", "dtype", "name", "path", "regularizer", "shape", "trainable", "version")

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        layout: Any = None,
    ) -> None:
        name = name or unique_name("variable")
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        make = initializers.get(initializer) if isinstance(initializer, str) else initializer
        if not callable(make):
            array = convert(as_numbers(make, f"Variable {name!r}") if hasattr(make, "dtype") else make)
            shape, dtype = array.shape, array.dtype if dtype is None else dtype
            make = lambda *_: array  # noqa: E731 (a value in the place of a recipe)
        elif shape is None:
            raise ValueError(
                "When creating a Variable from an initializer, the `shape` argument should be specified. "
                f"Received: initializer={initializer} and shape={shape}"
            )
        self._describe(name, shape, dtype, make, trainable)
        self._keep(self._made())

    def _describe(self, name: str, shape: Any, dtype: Any, initializer: Callable[..., Any], trainable: bool) -> None:
        self.name, self.path = name, "/".join([*_scope.get(), name])
        self.shape = tuple(int(n) for n in ((shape,) if isinstance(shape, int) else shape))
        self.dtype = standardize_dtype(dtype)
        self.trainable = bool(trainable)
        self.regularizer: Any = None
        self.version = 0
        self._initializer = initializer
        self._value: Array | None = None

    @property
    def value(self) -> Array:
        """The numbers, read-only."""
        if self._value is None:
            self._keep(self._made())
        assert self._value is not None
        return self._value

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def assign(self, value: Any) -> Array:
        """Replace the numbers; returns the new ones, read-only.

        Raises:
            ShapeError: `value` has another shape.
            DTypeError: `value` is not made of real numbers.
        """
        value = as_numbers(value, f"Weight {self.path!r}")
        if value.shape != self.shape:
            raise ShapeError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must match. "
                f"variable.shape={self.shape}, Received: value.shape={value.shape}. Target variable: {self.path}"
            )
        self._keep(np.array(value, self.dtype, order="C"))
        self.version += 1
        return self.value

    def assign_add(self, value: Any) -> Array:
        """Add to the numbers; see `assign`."""
        return self.assign(add(self.value, value))

    def assign_sub(self, value: Any) -> Array:
        """Subtract from the numbers; see `assign`."""
        return self.assign(subtract(self.value, value))

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.value.copy()

    def _made(self) -> Array:
        made = np.array(self._initializer(self.shape, self.dtype), self.dtype)
        if made.shape != self.shape:
            raise ShapeError(
                f"The initializer of weight {self.path!r} made the wrong shape. Expected: {self.shape}. Received: {made.shape}."
            )
        return made

    def _keep(self, value: Array) -> None:
        value.flags.writeable = False
        self._value = value

    def __getstate__(self) -> dict[str, Any]:
        # The numbers, made by now, and not their recipe: a copy must not draw its own.
        return {
            **{slot: getattr(self, slot) for slot in Variable.__slots__},
            "_value": self.value,
            "_initializer": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for slot, value in state.items():
            setattr(self, slot, value)
        # A dtype that was copied is no longer the one that calls know at a glance.
        self._keep(state["_value"].view(np.dtype(self.dtype)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Variable) for x in kwargs.get("out", ())):
            raise TypeError(f"NumPy cannot write into variable {self.path!r}. Give it the result with `assign`.")
        if ufunc is np.matmul and method == "__call__" and not kwargs:
            return matmul(*inputs)  # an array of NumPy's own on the left: no BLAS here either
        return getattr(ufunc, method)(*(x.value if isinstance(x, Variable) else x for x in inputs), **kwargs)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __int__(self) -> int:
        return int(self._scalar())

    def __float__(self) -> float:
        return float(self._scalar())

    def _scalar(self) -> Array:
        if self.shape:
            raise TypeError(f"Only scalar arrays can be converted to Python scalars. Got: shape={self.shape}")
        return self.value

    def __bool__(self) -> bool:
        raise TypeError("A variable cannot be used as a condition: compare its numbers, or ask whether it `is None`.")

    def __eq__(self, other: object) -> Any:
        return equal(self, other)

    __hash__ = object.__hash__  # by identity, though `==` compares the numbers

    def __repr__(self) -> str:
        value = "" if self._value is None else f", value={self._value}"
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}{value}>"


give_operators(Variable)


class Weight(Variable):
    """A layer's variable, whose first numbers are made when they are first asked for: a model from a file never needs them."""

    __slots__ = ()

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: Any, initializer: Callable[..., Any], trainable: bool = True
    ) -> None:
        self._describe(name, shape, dtype, initializer, trainable)


class Derived(Generic[T]):
    """Something made from weights' numbers, kept until one of them is assigned: `derived()` is `make(*arrays)`.

    A weight may be None; `make` then gets None in its place. It gets the options as well.
    """

    __slots__ = ("_kept", "_make", "_options", "_version", "_weights")

    def __init__(self, make: Callable[..., T], *weights: Variable | None, **options: Any) -> None:
        self._make, self._weights, self._options = make, weights, options
        self._version = -1
        self._kept: T

    def __getstate__(self) -> Any:
        return self._make, self._weights, self._options  # what was made is made again where it is wanted

    def __setstate__(self, state: Any) -> None:
        make, weights, options = state
        self.__init__(make, *weights, **options)  # type: ignore[misc]

    def __call__(self) -> T:
        """What was made, made again if a weight has changed."""
        version = 0
        for weight in self._weights:
            if weight is not None:
                version += weight.version
        if version != self._version:
            self._kept = self._make(*(None if w is None else w.value for w in self._weights), **self._options)
            self._version = version
        return self._kept

    def remade(self, **options: Any) -> Derived[T]:
        """The same with these options in place of its own, made at once: what `make` raises, it raises here."""
        other = Derived(self._make, *self._weights, **options)
        other()
        return other
