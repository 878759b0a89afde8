"""The helper threads: started when first wanted, one job at a time, asleep when there is nothing to do for a while."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.config import settings
from numba_rnn.kernels.fingerprint import source

__all__ = ["ALONE", "Team", "allowed_threads", "enter", "serve"]

# How long a helper looks for the next job before it sleeps, in pauses of the processor: about a millisecond. To wake it costs the
# caller 5 us and comes too late for a job of 50.
PAUSES = 20_000

MOST = 256  # threads of a job
ALONE = np.zeros(64, np.int64)  # what a kernel gets that runs on the caller's thread alone


class Team:
    """A caller's seat and helpers; `words` is what they share (`sharing`)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # who holds it is the caller
        self.words = self._words()
        self.serve = serve()
        self.core = -1  # where the caller last ran when a helper had to be woken
        self.helpers: list[threading.Thread] = []
        self.awake: list[threading.Event] = []

    @staticmethod
    def _words() -> Array:
        from numba_rnn.kernels.cpu.pack import aligned
        from numba_rnn.kernels.cpu.sharing import words

        return aligned((words(MOST),), np.dtype(np.int64))

    def call(self, seats: int) -> None:
        """Have helpers for so many seats looking for a job, the caller's own seat among them."""
        while len(self.helpers) < seats - 1:
            who, event = len(self.helpers) + 1, threading.Event()
            helper = threading.Thread(target=self._help, args=(who, event), name=f"numba_rnn-{who}", daemon=True)
            try:
                helper.start()
            except RuntimeError:  # no more threads, or the interpreter is about to end: nobody is waited for
                break
            self.helpers.append(helper)
            self.awake.append(event)
        for event in self.awake[: seats - 1]:
            if not event.is_set():
                self.core = _core()
                event.set()

    def _help(self, who: int, awake: threading.Event) -> None:
        last = 0
        while last >= 0:
            _leave(self.core)
            last = self.serve(self.words, who, last, PAUSES)
            if last >= 0:
                awake.clear()
                awake.wait()

    def leave(self) -> None:
        """Let others have the team."""
        self.lock.release()

    def end(self) -> None:
        """Send the helpers home."""
        from numba_rnn.kernels.cpu.sharing import OPEN

        if not self.lock.acquire(timeout=1.0):  # a call that is not going to end
            return
        self.words[OPEN] = -1
        for event, helper in zip(self.awake, self.helpers, strict=True):
            event.set()
            helper.join(1.0)
        self.lock.release()


@cache
def serve() -> Callable[..., int]:
    """What helpers run while they look for jobs, compiled or from the disk cache."""
    from numba_rnn.kernels.cpu.jit import compile_for
    from numba_rnn.kernels.cpu.sharing import build_serve

    compiled: Callable[..., int] = compile_for(build_serve(source()), "threads", ALONE, 0, 0, 0)
    return compiled


_team: Team | None = None
_starting = threading.Lock()


def _forget() -> None:
    """A forked child has no threads but its own."""
    global _team, _starting
    _team, _starting = None, threading.Lock()


def _started() -> Team:
    global _team  # noqa: PLW0603 (one a process)
    with _starting:
        if _team is None:
            _team = Team()
        return _team


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@atexit.register
def _end() -> None:
    if _team is not None:
        _team.end()


def allowed_threads() -> int:
    """The most threads that a call may use: what the settings say, or as many as this process has cores."""
    return min(settings.threads or len(_allowed()) or os.cpu_count() or 1, MOST)


def _allowed() -> set[int]:
    """The cores that this process may run on, none where the system does not say."""
    return os.sched_getaffinity(os.getpid()) if hasattr(os, "sched_getaffinity") else set()


@cache
def _getcpu() -> Callable[[], int]:
    import ctypes

    try:
        getcpu: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # not on Linux
        return lambda: -1
    return getcpu


def _core() -> int:
    """The core that this thread runs on, -1 where the system does not say."""
    return _getcpu()()


def _leave(core: int) -> None:
    """Have this thread run on any other core: a scheduler may wake it where the caller is, which keeps it from running."""
    if core >= 0 and hasattr(os, "sched_setaffinity"):
        allowed = _allowed()
        if others := allowed - {core}:
            os.sched_setaffinity(0, others)
            os.sched_setaffinity(0, allowed)


def enter(seats: int) -> Team | None:
    """The team, its helpers awake for a job of so many seats; None if another thread has it. Whoever gets it must `leave` it."""
    team = _team or _started()
    if not team.lock.acquire(blocking=False):
        return None
    team.call(seats)
    return team
