"""Who runs what: how many workers share the rows of a batch, and where the parallel kernel may run at all."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from numba_rnn.config import settings

__all__ = ["parallel_region", "split"]

# Multiply-adds that pay for one more thread. On two free cores threads win from 1.5 million on (35 us); on two busy ones the
# second worker may wait a scheduler's slice (4 ms seen) for its turn, so smaller work than about 2 ms stays on one thread.
WORTH_A_THREAD = 100_000_000

_region = threading.Lock()
_orphaned = False  # whether this process was forked from one whose numba had threads, which a fork leaves behind


def _after_fork() -> None:
    global _orphaned, _region
    _orphaned, _region = _numba_has_threads(), threading.Lock()


def _numba_has_threads() -> bool:
    """Numba starts them with the first parallel kernel that anyone loads, or with the first question how many they are."""
    if "numba" not in sys.modules:
        return False
    from numba.np.ufunc.parallel import threading_layer

    try:
        threading_layer()
    except ValueError:
        return False
    return True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def split(B: int, madds: int, rows: int) -> tuple[int, int]:
    """How to share B rows: rows a worker takes, a multiple of the tile's `rows` unless one worker takes all, and workers."""
    if settings.threads == 1 or rows >= B or madds < WORTH_A_THREAD:
        return max(1, B), 1
    import numba

    most = min(settings.threads or numba.get_num_threads(), numba.get_num_threads(), madds // WORTH_A_THREAD + 1)
    tiles = math.ceil(B / rows)
    block = math.ceil(tiles / most) * rows
    return block, -(-B // block)


@contextmanager
def parallel_region() -> Iterator[bool]:
    """Whether the parallel kernel may be entered here and now, for the time of a `with` block.

    Numba's `workqueue` layer aborts the process when two threads enter, and OpenMP's when a forked child does; both get the
    serial kernel instead, as does a thread that finds another one inside.
    """
    region = _region
    allowed = not _orphaned and region.acquire(blocking=False)
    try:
        yield allowed
    finally:
        if allowed:
            region.release()
