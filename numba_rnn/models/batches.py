"""Data as batches: arrays cut into rows, generators, datasets and lists of batches taken as they come, with a progress bar."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["Batch", "Batches", "progress", "to_arrays"]

PATIENCE = 1.0  # seconds after which "auto" shows a bar (a guess)


class Batch(NamedTuple):
    """What a model gets in one call, what it should say, and how much that matters."""

    x: Any
    y: Any = None
    sample_weight: Any = None


class Batches:
    """An iterable of `Batch`.

    `x` is one of: arrays (an array, a list or dict of arrays, lists of numbers), cut into batches together with `y` and
    `sample_weight`; a generator or other iterable of batches; an object with `__getitem__` and a length that gives them, as Keras'
    `PyDataset`; a list of batches. A batch is an array, or a tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    A list that holds as many arrays as the model has inputs is one set of inputs. A longer one is a list of batches, where the
    model has one input, or where its elements are tuples, lists or dicts.

    Args:
        x, y, sample_weight: the data; `y` and `sample_weight` only with arrays.
        batch_size: rows a batch, 32 if None; of no effect where batches are given.
        steps: at most so many batches; arrays without a `batch_size` are cut into just so many.
        inputs: how many inputs the model has, None if unknown.

    Raises:
        ShapeError: no rows' axis, or arrays with different numbers of rows.
        DTypeError: something that is not made of real numbers.
        ValueError: `batch_size` or `steps` is not a positive whole number; `y` or `sample_weight` beside batches; no
            batches at all.
    """

    def __init__(
        self, x: Any, y: Any = None, sample_weight: Any = None, batch_size: int | None = None, steps: int | None = None,
        inputs: int | None = None,
    ) -> None:  # fmt: skip
        for name, value in (("batch_size", batch_size), ("steps", steps)):
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0
            ):
                raise ValueError(f"`{name}` must be a positive whole number. Received: {value!r}.")
        self.steps, self.inputs = steps, inputs
        self.total: int | None = None  # how many there will be, where that is known
        self._make: Callable[[], Iterator[Batch]]
        if _gives_batches(x, inputs):
            for name, value in (("y", y), ("sample_weight", sample_weight)):
                if value is not None:
                    raise ValueError(
                        f"When `x` gives batches, `{name}` should not be passed. Instead, each batch is a tuple (x, y) or (x, y, "
                        f"sample_weight). Received: x of type {type(x).__name__} and a `{name}`."
                    )
            length = _length(x)
            self.total = length if steps is None or length is None else min(length, steps)
            self._source = x
            self._make = self._given
        else:
            self._cut(to_arrays(x), _optional(y, "`y`"), _optional(sample_weight, "`sample_weight`"), batch_size)
            self._make = self._slices

    def __iter__(self) -> Iterator[Batch]:
        return self._make()

    def _cut(self, x: Any, y: Any, sample_weight: Any, batch_size: int | None) -> None:
        leaves = flatten(x)
        arrays = [a for a in leaves + flatten(y) + flatten(sample_weight) if a is not None]
        if not leaves or any(a.ndim == 0 for a in arrays) or len({len(a) for a in arrays}) != 1:
            raise ShapeError(
                "Every input, target and weight is an array whose first axis counts the rows, the same number of rows in each. "
                f"Received: {', '.join(f'shape {a.shape}' for a in arrays) or 'no arrays'}."
            )
        rows = len(arrays[0])
        if batch_size is None:
            batch_size = 32 if self.steps is None else max(1, -(-rows // self.steps))
        self._starts = list(range(0, rows, batch_size))[: self.steps] or [0]
        self._batch, self._size = Batch(x, y, sample_weight), batch_size
        self.total = len(self._starts)

    def _slices(self) -> Iterator[Batch]:
        for start in self._starts:
            rows = slice(start, start + self._size)
            yield Batch(*map_structure(lambda a, s=rows: None if a is None else a[s], tuple(self._batch)))

    def _given(self) -> Iterator[Batch]:
        self._tell("on_epoch_begin")
        count = 0
        for batch in self._raw():
            yield self._one(batch)
            count += 1
            if count == self.steps:
                break
        if not count:
            raise ValueError(f"At least one batch is needed. Received: none from {type(self._source).__name__}.")
        if self.steps is not None and count < self.steps:
            warnings.warn(
                f"Your input ran out of data: {self.steps} steps were asked for, {count} batches were there.",
                stacklevel=4,
            )
        self._tell("on_epoch_end")

    def _raw(self) -> Iterable[Any]:
        source = self._source
        if isinstance(source, list) or not hasattr(source, "__getitem__"):
            return iter(source)
        # An object with places: its length says where it ends; without one, `steps` does or its IndexError.
        return iter(source) if self.total is None else (source[i] for i in range(self.total))

    def _tell(self, what: str) -> None:
        listener = getattr(self._source, what, None)
        if callable(listener):
            listener()

    def _one(self, batch: Any) -> Batch:
        if isinstance(batch, list) and not (self.inputs != 1 and len(flatten(batch)) == self.inputs):
            batch = tuple(batch)
        if not isinstance(batch, tuple):
            batch = (batch,)
        if not 1 <= len(batch) <= 3:
            raise ValueError(
                "A batch is an array, or a tuple (x,), (x, y) or (x, y, sample_weight). Received: a tuple of "
                f"{len(batch)}."
            )
        made = Batch(*batch)
        return Batch(to_arrays(made.x), _optional(made.y, "`y`"), _optional(made.sample_weight, "`sample_weight`"))


def _length(x: Any) -> int | None:
    """How many batches there are, None where that is unknown or endless."""
    try:
        return x.num_batches if hasattr(x, "num_batches") else len(x)
    except TypeError:  # no length
        return None


def _gives_batches(x: Any, inputs: int | None) -> bool:
    if isinstance(x, list):
        if _is_numbers(x) or len(flatten(x)) == inputs:
            return False
        if inputs == 1:
            return len(x) > 1 or isinstance(x[0], tuple)
        kinds = (tuple,) if inputs is None else (tuple, list, dict)
        enough = inputs is None or len(flatten(x)) > inputs
        return bool(x) and enough and all(isinstance(element, kinds) for element in x)
    if isinstance(x, (str, bytes, dict, tuple)) or hasattr(x, "__array__") or hasattr(x, "shape"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__getitem__")


def _is_numbers(x: Any) -> bool:
    # A list of arrays is several inputs; a list of numbers, however nested, is one.
    return isinstance(x, (list, tuple)) and not any(hasattr(leaf, "shape") for leaf in flatten(x))


def to_arrays(x: Any, what: str = "A model") -> Any:
    """The structure `x` with arrays for leaves; nested lists of numbers are one array.

    Raises:
        ShapeError: rows of different lengths.
        DTypeError: something that is not made of real numbers.
    """
    if isinstance(x, dict):
        return {key: to_arrays(value, what) for key, value in x.items()}
    return _array(x, what) if _is_numbers(x) else map_structure(lambda leaf: _array(leaf, what), x)


def _optional(x: Any, what: str) -> Any:
    if x is None or (_is_numbers(x) and all(leaf is None for leaf in flatten(x))):
        return x
    if isinstance(x, dict):
        return {key: _optional(value, what) for key, value in x.items()}
    if _is_numbers(x):
        return _array(x, what)
    return map_structure(lambda leaf: None if leaf is None else _array(leaf, what), x)


def _array(x: Any, what: str) -> Any:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError(
            "A list of numbers must be as long in every row. Received: rows of different lengths. Fill the short ones up (and mask "
            "them); several inputs are a list of arrays, not of lists."
        ) from error
    if array.dtype.kind not in "biuf":
        kind = f"an array of dtype {array.dtype}" if array.ndim else f"{x!r:.100} of type {type(x).__name__}"
        raise DTypeError(f"{what} takes arrays of real numbers, or a list or dict of them. Received: {kind}.")
    return array


@contextlib.contextmanager
def progress(what: str, total: int | None, verbose: Any) -> Iterator[Callable[[], None]]:
    """Inside, what is yielded counts a batch of `total`; `verbose` as in `Model.predict`."""
    auto = verbose == "auto"
    if not verbose or total == 1 or (auto and not sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    start, done = time.monotonic(), 0
    bar = Progress(console=Console(stderr=True), transient=auto)
    task = bar.add_task(what, total=total)

    def advance() -> None:
        nonlocal done
        done += 1
        bar.update(task, completed=done)
        if not bar.live.is_started and auto and time.monotonic() - start > PATIENCE:
            bar.start()

    if not auto:
        bar.start()
    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
