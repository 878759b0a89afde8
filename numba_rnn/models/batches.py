"""Many rows through a function that takes batches, with a progress bar where someone waits for it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["batched"]

PATIENCE = 1.0  # seconds after which "auto" shows a bar (a guess)


def batched(function: Callable[[Any], Any], x: Any, batch_size: int, verbose: Any, steps: int | None = None) -> Any:
    """`function` over batches of `x`, the results joined along the first axis.

    Raises:
        ShapeError: no rows' axis, or arrays with different numbers of rows.
        DTypeError: something that is not made of real numbers.
        ValueError: `batch_size` or `steps` is not a positive whole number.
    """
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is None and name == "steps":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
            raise ValueError(f"`{name}` must be a positive whole number. Received: {value!r}.")
    x = _array(x) if _is_numbers(x) else map_structure(_array, x)
    arrays = flatten(x)
    if any(a.ndim == 0 for a in arrays) or len({len(a) for a in arrays}) != 1:
        raise ShapeError(
            "Every input is an array whose first axis counts the rows, the same number of rows in each. Received: "
            f"{', '.join(f'shape {a.shape}' for a in arrays) or 'no arrays'}."
        )
    rows = len(arrays[0])
    starts = list(range(0, rows, batch_size))[:steps] or [0]
    if len(starts) == 1:
        return function(map_structure(lambda a: a[:batch_size], x))
    parts = []
    with _bar(len(starts), verbose) as advance:
        for start in starts:
            parts.append(function(map_structure(lambda a, s=start: a[s : s + batch_size], x)))
            advance()
    return map_structure(lambda *ys: np.concatenate(ys), *parts)


def _array(x: Any) -> Any:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError(
            "A list of numbers must be as long in every row. Received: rows of different lengths. Fill the short ones up (and mask "
            "them); several inputs are a list of arrays, not of lists."
        ) from error
    if array.dtype.kind not in "biuf":
        what = f"an array of dtype {array.dtype}" if array.ndim else f"{x!r:.100} of type {type(x).__name__}"
        raise DTypeError(f"A model takes arrays of real numbers, or a list or dict of them. Received: {what}.")
    return array


def _is_numbers(x: Any) -> bool:
    # A list of arrays is several inputs; a list of numbers, however nested, is one.
    return isinstance(x, (list, tuple)) and not any(hasattr(leaf, "shape") for leaf in flatten(x))


@contextlib.contextmanager
def _bar(total: int, verbose: Any) -> Iterator[Callable[[], None]]:
    auto = verbose == "auto"
    if not verbose or (auto and not sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    start, done = time.monotonic(), 0
    progress = Progress(console=Console(stderr=True), transient=auto)
    task = progress.add_task("predict", total=total)

    def advance() -> None:
        nonlocal done
        done += 1
        progress.update(task, completed=done)
        if not progress.live.is_started and auto and time.monotonic() - start > PATIENCE:
            progress.start()

    if not auto:
        progress.start()
    try:
        yield advance
    finally:
        if progress.live.is_started:
            progress.stop()
