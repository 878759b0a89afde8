"""One case measured: our time, every peer's, the limit, and how far all are from one another and from the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from .common import largest_difference, oracle, ours
from .limits import limit
from .peers import PEERS, compared
from .shapes import Case
from .timing import best

__all__ = ["OURS", "best_peer", "compare", "ratio"]

OURS = "numba_rnn"


def compare(
    case: Case,
    threads: int,
    seconds: float,
    rates: dict[str, float],
    excluded: Mapping[str, str] = {},
    announce: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """The row of a case.

    Args:
        case: what to run.
        threads: the same for all.
        seconds: to spend on each side, about.
        rates: what `limits.measure` found for so many threads.
        excluded: peers not to try, and why.
        announce: called with a side's name before it is made ready, and with an empty name before all are timed.

    Returns:
        The case's fields, its `name`, `threads`, and: `seconds`, the shortest call of each side; `differences`, of each peer's
        outputs from ours; `error`, of ours from the float64 oracle; `limit`, in seconds, and `held_by`; `skipped`, peers that
        cannot, and `failed`, those that gave something else or raised, each with the reason.
    """
    announce(OURS)
    call = ours(case, threads)
    want = np.array(call())
    calls, differences, skipped, failed = {OURS: call}, {}, dict(excluded), {}
    error = largest_difference(case, want, oracle(case))
    call = calls[OURS] = ours(case, threads)  # the oracle's settings were its own
    for name, peer in PEERS.items():
        if name in skipped:
            continue
        announce(name)
        try:
            calls[name], differences[name] = compared(peer, case, threads, want)
        except NotImplementedError as reason:
            skipped[name] = str(reason)
        except Exception as reason:  # another's code: whatever it raises is the finding
            failed[name] = f"{type(reason).__name__}: {reason}"[:500]
    announce("")
    minima = best(list(calls.values()), seconds)
    bound, held_by = limit(case, rates)
    return asdict(case) | {
        "name": case.name,
        "threads": threads,
        "seconds": dict(zip(calls, minima, strict=True)),
        "differences": differences,
        "error": error,
        "limit": bound,
        "held_by": held_by,
        "skipped": skipped,
        "failed": failed,
    }


def best_peer(row: Mapping[str, Any]) -> tuple[str, float] | None:
    """The fastest peer and its seconds, or None if there was none."""
    peers = {name: seconds for name, seconds in row["seconds"].items() if name != OURS}
    return min(peers.items(), key=lambda item: item[1]) if peers else None


def ratio(row: Mapping[str, Any]) -> float:
    """The best peer's time over ours, above 1 where ours is the faster; NaN without a peer."""
    peer = best_peer(row)
    return peer[1] / row["seconds"][OURS] if peer else float("nan")
