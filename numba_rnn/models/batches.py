"""Many rows through a function that takes batches, with a progress bar where someone waits for it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["batched"]

PATIENCE = 1.0  # seconds after which "auto" shows a bar (a guess)


def batched(function: Callable[[Any], Any], x: Any, batch_size: int, verbose: Any, steps: int | None = None) -> Any:
    """`function` over batches of `x`, the results joined along the first axis.

    Raises:
        ShapeError: no rows' axis, or arrays with different numbers of rows.
        ValueError: `batch_size` is not a positive whole number.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size <= 0:
        raise ValueError(f"`batch_size` must be a positive whole number. Received: {batch_size!r}.")
    x = map_structure(np.asarray, x) if not _is_numbers(x) else np.asarray(x)
    arrays = flatten(x)
    if any(a.ndim == 0 for a in arrays) or len({len(a) for a in arrays}) != 1:
        raise ShapeError(
            f"Every input needs the same number of rows. Received: arrays of shape {', '.join(str(a.shape) for a in arrays)}."
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
