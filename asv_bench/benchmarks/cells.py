"""The suite by families: a call's time, the ratio to the best peer, the fraction of the limit, the error.

`NUMBA_RNN_BENCH_QUICK=1 asv run --quick -E existing` takes one case a family. asv gives every case a process of its own, which
peers that read their threads once a process need. For the README's tables the report measures the same in two processes.
"""

from __future__ import annotations

import os
from typing import Any

from . import limits
from .common import largest_difference, oracle, ours
from .compare import OURS, compare, ratio
from .shapes import FAMILIES, QUICK, THREADS, named
from .timing import best

SECONDS = 0.05 if os.environ.get(QUICK) else 0.5  # a side

Rates = dict[int, dict[str, float]]


class _Family:
    """Subclasses name the family; `setup` pays for compiling."""

    family: str
    param_names = ("case", "threads")
    timeout = 600

    def __init_subclass__(cls) -> None:
        cls.params = ([case.name for case in FAMILIES[cls.family]], THREADS)

    def setup_cache(self) -> Rates:
        """The machine's limits, measured once a run."""
        return {threads: limits.measure(threads) for threads in THREADS}

    def setup(self, rates: Rates, name: str, threads: int) -> None:
        self.case = named(self.family, name)
        self.call = ours(self.case, threads)
        self.call()

    def time_call(self, *_: Any) -> None:
        self.call()

    def track_ratio(self, rates: Rates, name: str, threads: int) -> float:
        """The best peer's time over ours; NaN, which asv shows as n/a, without any."""
        row = compare(self.case, threads, SECONDS, rates[threads])
        if row["failed"]:
            raise AssertionError(row["failed"])
        return ratio(row)

    def track_fraction(self, rates: Rates, name: str, threads: int) -> float:
        """The limit over our time."""
        return limits.limit(self.case, rates[threads])[0] / best([self.call], SECONDS)[0]

    def track_error(self, *_: Any) -> float:
        """The largest absolute difference from float64."""
        y = self.call()
        return largest_difference(self.case, y, oracle(self.case))

    track_ratio.unit = f"times the best peer's speed ({OURS} above 1)"  # type: ignore[attr-defined]
    track_fraction.unit = "of the limit"  # type: ignore[attr-defined]
    track_error.unit = "absolute"  # type: ignore[attr-defined]


class Stream(_Family):
    family = "stream"


class DeepBench(_Family):
    family = "deepbench"


class Batches(_Family):
    family = "batches"


class Tiny(_Family):
    family = "tiny"


class Bidirectional(_Family):
    family = "bidirectional"


class Stacks(_Family):
    family = "stacks"


class Masked(_Family):
    family = "masked"
