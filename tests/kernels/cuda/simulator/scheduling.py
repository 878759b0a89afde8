"""Which thread of the GPU runs next: one of them runs at a time, chosen by a seeded generator."""

from __future__ import annotations

import heapq
import random
import types
from collections.abc import Callable, Iterable
from typing import Any

from .workers import Crew

__all__ = [
    "SCHEDULES",
    "Barrier",
    "Block",
    "DeadlockError",
    "DivergenceError",
    "Scheduler",
    "Thread",
    "Warp",
    "line_of",
    "name_of",
]

SCHEDULES = ("random", "priority")
FRUITLESS = 64  # so many rounds in which all that polls was woken, and nothing but polls happened, are a deadlock


class DeadlockError(RuntimeError):
    """Threads wait for what no thread is going to do."""


class DivergenceError(RuntimeError):
    """Threads that have to execute one instruction together execute different ones."""


class Thread:
    """One thread of the GPU, with where it is: `position` in the block, `lane` in the warp, `number` in the grid."""

    worker: Any = None  # the greenlet that runs it, from its begin to its end
    seen: set[Any] | None = None  # what it polled since memory was of `seen_version`
    seen_version = -1
    arrived: int | None = None  # the phase of the cluster's barrier that it has to wait for
    clock: Any = None  # where races are looked for

    def __init__(self, number: int, block: Block, warp: Warp, lane: int, position: Any) -> None:
        self.number, self.block, self.warp, self.lane, self.position = number, block, warp, lane, position


class Barrier:
    """Who waits until all of `expected` threads have come. Serves again and again."""

    __slots__ = ("arrivals", "arrived", "expected", "known", "name", "phase", "places", "waiting")

    def __init__(self, name: str, expected: int) -> None:
        self.name, self.expected = name, expected
        self.arrived = self.phase = 0
        self.waiting: list[Thread] = []
        self.arrivals: list[Any] = []  # what they know, where races are looked for
        self.known: Any = None
        self.places: dict[Any, Any] = {}  # warp -> where in the source its first thread came


class Warp:
    """Up to 32 threads; `groups` are the exchanges that wait for lanes."""

    __slots__ = ("block", "groups", "lanes", "live", "priority")

    def __init__(self, block: Block, lanes: int) -> None:
        self.block = block
        self.lanes = self.live = lanes  # a bit for each lane; for each that has not ended
        self.groups: dict[int, Any] = {}
        self.priority = 0.0


class Block:
    """The threads of a block, and the shared memory that they see."""

    __slots__ = ("barrier", "cluster", "index", "live", "memory", "rank", "started")

    def __init__(self, index: Any, threads: int) -> None:
        self.index = index
        self.barrier = Barrier("syncthreads", threads)
        self.live, self.started = threads, 0
        self.cluster: Any = None
        self.rank = 0
        self.memory: Any = None


class Scheduler:
    """Runs threads until all have ended.

    `random` picks any of the threads that can run. `priority` gives every warp a random priority, drawn anew at each barrier of its
    block, and runs the best warp that can run: one warp may lag far behind, which uniform choice hardly ever shows.
    A thread that polls a word which has not changed sleeps until memory changes.
    """

    def __init__(self, schedule: str, seed: int, give_up: bool) -> None:
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}. Received: {schedule!r}.")
        self.uniform = random.Random(seed).random
        self.give_up = give_up
        self.by_priority = schedule == "priority"
        self.ready: list[Any] = []
        self.pushed = 0
        self.sleeping: list[Thread] = []
        self.version = 0  # of all memory, as far as threads poll it
        self.slept_at = 0
        self.fruitless = 0
        self.live = 0
        self.switches = 0
        self.current: Any = None  # the thread that runs
        self.crew: Any = None
        self.races: Any = None

    def start(self, threads: list[Thread], body: Callable[[Thread], None]) -> None:
        """Run them all; what one of them raises ends all, and is raised here."""
        self.live = len(threads)
        for warp in dict.fromkeys(thread.warp for thread in threads):
            warp.priority = self.uniform()
        self.wake(threads)
        self.crew = Crew(self, body)
        self.crew.run(threads)

    def ended(self, thread: Thread, barriers: Iterable[Barrier]) -> None:
        """The current thread has ended: nobody waits for it any more."""
        self.live -= 1
        self.fruitless = 0
        for barrier in barriers:
            barrier.expected -= 1
            if barrier.arrived and barrier.arrived >= barrier.expected:
                self.release(barrier)

    def wake(self, threads: list[Thread]) -> None:
        """They can run."""
        if not self.by_priority:
            self.ready.extend(threads)
            return
        ready, uniform = self.ready, self.uniform
        for thread in threads:
            self.pushed += 1
            heapq.heappush(ready, (thread.warp.priority, uniform(), self.pushed, thread))

    def pick(self) -> Thread:
        """The next to run; in the hub or in a thread that waits."""
        if self.sleeping and (self.version != self.slept_at or not self.ready):
            self.rouse()
        ready = self.ready
        if not ready:
            raise DeadlockError(self.describe("nobody can run"))
        self.switches += 1
        if self.by_priority:
            return heapq.heappop(ready)[3]
        chosen = int(self.uniform() * len(ready))
        thread = ready[chosen]
        ready[chosen] = ready[-1]
        ready.pop()
        return thread

    def rouse(self) -> None:
        """Let the pollers look again."""
        if self.version == self.slept_at and not self.give_up:
            self.fruitless += 1
            if self.fruitless > FRUITLESS:
                raise DeadlockError(
                    self.describe(f"{len(self.sleeping)} threads poll memory that nobody is going to write")
                )
        else:
            self.fruitless = 0
        self.slept_at = self.version
        woken, self.sleeping = self.sleeping, []
        self.wake(woken)

    def describe(self, what: str) -> str:
        """A deadlock in words."""
        return f"{what}; {self.live} threads have not ended, the last to wait was {name_of(self.current)}"

    def pause(self) -> None:
        """Let others run before this thread goes on; it stands in some queue."""
        ready = self.ready
        if ready and not self.sleeping and not self.by_priority:  # what `pick` does, where there is no more to it
            self.switches += 1
            chosen = int(self.uniform() * len(ready))
            thread = ready[chosen]
            last = ready.pop()
            if last is not thread:
                ready[chosen] = last
        else:
            thread = self.pick()
        if thread is not self.current:
            self.crew.go_on(thread)

    def wait(self, barrier: Barrier, frame: Any = None) -> None:
        """Come to a barrier and wait for the others; `frame` is the caller's, whose place must be one for all threads of a warp."""
        thread = self.current
        if frame is not None:
            place = frame.f_code, frame.f_lasti
            first = barrier.places.setdefault(thread.warp, place)
            if first != place and line_of(first) != line_of(place):
                raise DivergenceError(
                    f"{name_of(thread)} comes to {barrier.name} at {line_of(place)}, another thread of its warp "
                    f"at {line_of(first)}: all threads of a warp have to come to the same one."
                )
        self.fruitless = 0
        barrier.waiting.append(thread)
        barrier.arrived += 1
        if self.races is not None:
            self.races.arrive(barrier.arrivals, thread)
        if barrier.arrived >= barrier.expected:
            self.release(barrier)
        self.pause()

    def arrive(self, barrier: Barrier) -> int:
        """Come to a barrier without waiting; returns the phase to wait for."""
        self.fruitless = 0
        phase = barrier.phase
        barrier.arrived += 1
        if self.races is not None:
            self.races.arrive(barrier.arrivals, self.current)
        if barrier.arrived >= barrier.expected:
            self.release(barrier)
        return phase

    def wait_phase(self, barrier: Barrier, phase: int) -> None:
        """Wait until the phase that `arrive` told is over."""
        self.fruitless = 0
        if barrier.phase == phase:
            barrier.waiting.append(self.current)
        else:
            if self.races is not None:
                self.races.learn(self.current, barrier.known)
            self.wake([self.current])
        self.pause()

    def release(self, barrier: Barrier) -> None:
        """All have come."""
        waiting = barrier.waiting
        barrier.waiting, barrier.arrived = [], 0
        barrier.phase += 1
        barrier.places.clear()
        if self.races is not None:
            barrier.known = self.races.join(barrier.arrivals)
            barrier.arrivals = []
            for thread in waiting:
                self.races.learn(thread, barrier.known)
        if self.by_priority:
            for warp in dict.fromkeys(thread.warp for thread in waiting):
                warp.priority = self.uniform()
        self.wake(waiting)

    def poll(self, key: Any) -> None:
        """Before a load of what others write: others may run first; whoever looks again in vain sleeps until memory changes."""
        thread = self.current
        if thread.seen is None or thread.seen_version != self.version:
            thread.seen, thread.seen_version = set(), self.version
        if key in thread.seen:
            self.sleeping.append(thread)
        else:
            thread.seen.add(key)
            self.wake([thread])
        self.pause()


def line_of(place: tuple[types.CodeType, int]) -> str:
    """A place in the source, for errors."""
    code, instruction = place
    line = next((line for start, end, line in code.co_lines() if start <= instruction < end), None)
    return f"line {line} of {code.co_name}"


def name_of(thread: Any) -> str:
    """For errors."""
    if not isinstance(thread, Thread):
        return "none"
    return f"thread {tuple(thread.position)} of block {tuple(thread.block.index)}"
