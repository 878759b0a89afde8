"""A process that measures case after case on one number of threads, and is begun anew where a peer takes it down."""

from __future__ import annotations

import multiprocessing
from typing import Any

from .benchmarks.peers import PEERS
from .benchmarks.shapes import Case

__all__ = ["Worker"]

PATIENCE = 180.0  # seconds without a word after which a peer counts as hung; the slowest to compile takes about 15


def _work(pipe: Any, threads: int, seconds: float) -> None:
    """Answer each case with its row, until None comes."""
    from .benchmarks import limits
    from .benchmarks.compare import compare
    from .benchmarks.peers import available, limit_threads, version

    limit_threads(threads)
    rates = limits.measure(threads)  # first: the peers' idle threads would share the cores
    versions = {name: version(peer) for name, peer in PEERS.items() if available(peer) is None}
    pipe.send(("ready", (rates, versions)))
    while (job := pipe.recv()) is not None:
        case, excluded = job
        row = compare(case, threads, seconds, rates, excluded, lambda name: pipe.send(("at", name)))
        pipe.send(("row", row))


class Worker:
    """The process, and what it found when it began.

    Attributes:
        rates: what `limits.measure` gave.
        versions: of the peers that are installed.
    """

    rates: dict[str, float]
    versions: dict[str, str]

    def __init__(self, threads: int, seconds: float) -> None:
        self._arguments = threads, seconds
        self._begin()

    def _begin(self) -> None:
        spawn = multiprocessing.get_context("spawn")  # not fork: frameworks may not have begun in this process
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_work, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.rates, self.versions = self._next()[1]

    def _next(self) -> tuple[str, Any]:
        if not self._pipe.poll(PATIENCE):
            raise EOFError("no answer")
        answer: tuple[str, Any] = self._pipe.recv()
        return answer

    def row(self, case: Case) -> dict[str, Any]:
        """`compare`'s row; a peer that hangs or ends the process while it is made ready is left out, and the row says so.

        Raises:
            RuntimeError: the process ended at another point.
        """
        excluded: dict[str, str] = {}
        while True:
            self._pipe.send((case, excluded))
            at = ""
            try:
                while True:
                    kind, value = self._next()
                    if kind == "row":
                        found: dict[str, Any] = value
                        return found
                    at = value
            except (EOFError, ConnectionError) as error:
                self.end()
                if not at or at in excluded or at not in PEERS:
                    message = f"{case.name}: the measuring process ended or hung ({at or 'timing'})"
                    raise RuntimeError(message) from error
                excluded[at] = "hung, or ended the process"
                self._begin()

    def end(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.join()
