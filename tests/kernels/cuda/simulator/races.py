"""Accesses of one word that nothing orders: two threads, one of which writes.

Every thread has a vector clock (L. Lamport, 1978; F. Mattern, 1989): how much it knows of what every other has done. Barriers of
a block, a cluster or the grid and `syncwarp` join the clocks of those who come, a barrier that counts bytes hands them from those
who store to those who wait, a fence makes the relaxed store after it tell all before. Shuffles and votes order nothing, nor does a
relaxed access by itself; relaxed accesses of one word do not race with one another.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .scheduling import line_of, name_of

__all__ = ["RaceError", "Races"]

HERE = __file__.rsplit("/", 1)[0]


class RaceError(RuntimeError):
    """Nothing orders two accesses of one word, one of which writes."""


class Clock:
    """What a thread knows: its own time, and `base`, that of the others; `base` may be shared and is never changed."""

    __slots__ = ("base", "fenced", "now", "told")

    def __init__(self, base: Any) -> None:
        self.base, self.now = base, 1
        self.fenced = self.told = (
            base  # known before the last fence; told by relaxed words, known from the next fence on
        )


class Word:
    """Who accessed it: each entry is (thread, its time, where, whether relaxed)."""

    __slots__ = ("constant", "reads", "told", "write")

    def __init__(self) -> None:
        self.write: Any = None
        self.reads: dict[int, Any] = {}
        self.constant: Any = None  # who read it through the cache that does not see writes
        self.told: Any = None


class Races:
    """The clocks of all threads and the history of all words."""

    def __init__(self, scheduler: Any, threads: int) -> None:
        self.scheduler = scheduler
        self.zero = np.zeros(threads, np.int64)
        self.words: dict[int, Word] = {}

    def begin(self, thread: Any) -> None:
        """A new thread."""
        thread.clock = Clock(self.zero)

    # Order.

    def arrive(self, arrivals: list[Any], thread: Any) -> None:
        """Leave what the thread knows at a barrier."""
        clock = thread.clock
        arrivals.append((thread.number, clock.now, clock.base))
        clock.now += 1

    def join(self, arrivals: list[Any]) -> Any:
        """What all who came know together."""
        bases = {id(base): base for _, _, base in arrivals}
        known = np.maximum.reduce(list(bases.values()))
        # Not simply set: whoever came late may know more of an early one than that one did when it came.
        np.maximum.at(known, [number for number, _, _ in arrivals], [now for _, now, _ in arrivals])
        return known

    def learn(self, thread: Any, known: Any) -> None:
        """The thread knows this too from now on."""
        clock = thread.clock
        if clock.base is not known:
            clock.base = known if (known >= clock.base).all() else np.maximum(clock.base, known)

    def fence(self) -> None:
        """Of the current thread."""
        thread = self.scheduler.current
        clock = thread.clock
        clock.base = np.maximum(clock.base, clock.told)
        arrivals: list[Any] = []
        self.arrive(arrivals, thread)
        clock.fenced = self.join(arrivals)

    # Accesses.

    def word(self, key: int) -> Word:
        """The history of a word."""
        word = self.words.get(key)
        if word is None:
            word = self.words[key] = Word()
        return word

    def read(self, key: int, relaxed: bool = False, constant: bool = False) -> None:
        """The current thread reads."""
        thread, word, place = self.scheduler.current, self.word(key), caller()
        clock = thread.clock
        access = (thread, clock.now, place, relaxed)
        write = word.write
        if write is not None and not (relaxed and write[3]):
            self.check(write, thread, "wrote", "reads", place)
        if constant:
            if write is not None:
                raise RaceError(told("wrote", write, "reads through the cache of what nobody writes", thread, place))
            word.constant = access
        if relaxed and word.told is not None:
            clock.told = np.maximum(clock.told, word.told)
        word.reads[thread.number] = access

    def write(self, key: int, relaxed: bool = False, same: bool = False) -> None:
        """The current thread writes; `same` is what the word holds already, which another who writes it too cannot disturb."""
        thread, word, place = self.scheduler.current, self.word(key), caller()
        write = word.write
        if write is not None and not (relaxed and write[3]) and not same:
            self.check(write, thread, "wrote", "writes", place)
        if word.constant is not None:
            raise RaceError(
                told("read through the cache of what nobody writes", word.constant, "writes", thread, place)
            )
        for read in word.reads.values():
            if not (relaxed and read[3]):
                self.check(read, thread, "read", "writes", place)
        word.reads.clear()
        word.write = (thread, thread.clock.now, place, relaxed)
        if relaxed:
            word.told = thread.clock.fenced

    def check(self, before: Any, thread: Any, did: str, does: str, place: Any) -> None:
        """Whether the thread knows of an access."""
        other, now, _, _ = before
        if other is not thread and thread.clock.base[other.number] < now:
            raise RaceError(told(did, before, does, thread, place))


def told(did: str, before: Any, does: str, thread: Any, place: Any) -> str:
    """A race in words."""
    other, _, there, _ = before
    first = f"{name_of(other)} {did} a word at {line_of(there)}"
    return f"{first}, {name_of(thread)} {does} it at {line_of(place)}, and nothing orders the two"


def caller() -> Any:
    """Where the kernel's source is, above the simulator's own."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith(HERE) and "/test_" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti
