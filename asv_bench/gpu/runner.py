"""Runs a section's jobs in processes of their own: one that crashes, hangs or loses the GPU costs its job, nothing else.

A kernel that reads where it must not ends every later call of its process, so that process is replaced. Rows come back one by one.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from .section import Bench, Job, Row, Section

__all__ = ["Pool", "run_here"]

MOST_DEATHS = 8  # of a section's processes, before the rest of its jobs is given up
START = 90.0  # seconds until a new process must have found the GPU
LAST_WORDS = 700  # characters of an error


def row_of(section: Section, job: Job, bench: Bench) -> Row:
    """The job's row, whatever happens in it."""
    started = time.perf_counter()
    try:
        row = section.run(bench, **job.arguments)
    except Exception:  # whatever it is, the other jobs go on and the table has it
        row = {"failed": traceback.format_exc().strip()[-LAST_WORDS:]}
    return {"name": job.name, **row, "took": round(time.perf_counter() - started, 2)}


def run_here(section: Section, bench: Bench, tell: Callable[[Row], None]) -> None:
    """All jobs in this process: for a simulated GPU."""
    for job in section.jobs(bench):
        tell(row_of(section, job, bench))


def serve(pipe: Connection, name: str, quick: bool) -> None:
    """Answer each job with its row, until None comes or the GPU is lost to this process."""
    from numba_rnn.kernels.cuda import toolkit
    from numba_rnn.kernels.cuda.machine import CUDA

    from .sections import SECTIONS

    @contextlib.contextmanager
    def alone() -> Iterator[None]:
        pipe.send(("wants to be alone", None))
        pipe.recv()
        try:
            yield
        finally:
            pipe.send(("was alone", None))

    bench = Bench(CUDA(), quick=quick, alone=alone)
    _ = bench.backend.driver
    pipe.send(("ready", None))
    while (job := pipe.recv()) is not None:
        row, lost = row_of(SECTIONS[name], job, bench), False
        if "failed" in row:
            try:
                toolkit.cuda.synchronize()
            except Exception as error:  # of whatever kind: this process can do nothing more on the GPU
                row["failed"] += f"\nThe GPU was lost to this process: {error}"
                lost = True
        pipe.send(("row", row))
        if lost:
            pipe.close()
            os._exit(1)  # not by way of CUDA's own clean-up, which may hang


class Member:
    """A process, its job, those of the same group that follow, and when it is to be given up."""

    def __init__(self, section: Section, quick: bool) -> None:
        spawn = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(theirs, section.name, quick), daemon=True)
        self.process.start()
        theirs.close()
        self.at: Job | None = None
        self.jobs: deque[Job] = deque()
        self.until = time.monotonic() + START

    def send(self, word: Any, patience: float) -> None:
        """A pipe that is broken tells itself when it is read."""
        self.until = time.monotonic() + patience
        with contextlib.suppress(OSError):
            self.pipe.send(word)

    def end(self) -> None:
        """At once."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool:
    """The processes of one section.

    Args:
        section, quick: what they do.
        tell: called with every row as it comes.
    """

    def __init__(self, section: Section, quick: bool, tell: Callable[[Row], None]) -> None:
        self.section, self.quick, self.tell = section, quick, tell
        self.groups: deque[deque[Job]] = deque()
        self.members: list[Member] = []
        self.alone: deque[Member] = deque()  # the first has the GPU for itself
        self.deaths = 0

    def run(self, jobs: list[Job], seconds: float) -> None:
        """All jobs, within so many seconds; those that were not reached become rows that say so."""
        deadline = time.monotonic() + seconds
        together: dict[str, deque[Job]] = {}
        for job in jobs:
            together.setdefault(job.group, deque()).append(job)
        self.groups.extend(together.values())
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")  # for the oracles of many processes, each on all cores
        count = max(1, min(self.section.processes, len(self.groups), (os.cpu_count() or 2) - 1))
        self.members = [Member(self.section, self.quick) for _ in range(count)]
        try:
            while self.members and self.deaths <= MOST_DEATHS and (left := deadline - time.monotonic()) > 0:
                ready = wait([m.pipe for m in self.members], timeout=min(1.0, left))
                for member in list(self.members):
                    if member.pipe in ready:
                        self.hear(member)
                    elif time.monotonic() > member.until:
                        self.lose(member, "it hung: nothing was heard from it for too long")
        finally:
            self.finish("too many processes ended" if self.deaths > MOST_DEATHS else "not reached in the time")

    def hear(self, member: Member) -> None:
        """What it said."""
        try:
            word, row = member.pipe.recv()
        except (EOFError, OSError):
            self.lose(member, "its process ended")
            return
        if word == "wants to be alone":
            self.alone.append(member)
            member.until = math.inf
            if self.alone[0] is member:
                member.send("go on", self.section.patience)
        elif word == "was alone":
            self.release(member)
        else:
            if word == "row":
                member.at = None
                self.tell(row)
            self.next(member)

    def release(self, member: Member) -> None:
        """Whoever waits after it may go on."""
        first = self.alone[0] is member
        self.alone.remove(member)
        if first and self.alone:
            self.alone[0].send("go on", self.section.patience)

    def next(self, member: Member) -> None:
        """Its next job; or it ends."""
        if not member.jobs and self.groups:
            member.jobs = self.groups.popleft()
        if member.jobs:
            member.at = member.jobs.popleft()
            member.send(member.at, self.section.patience)
        else:
            self.members.remove(member)
            member.end()

    def lose(self, member: Member, reason: str) -> None:
        """Another takes its place."""
        self.deaths += 1
        self.members.remove(member)
        if member in self.alone:
            self.release(member)
        member.end()
        if member.at is not None:
            self.tell({"name": member.at.name, "failed": reason})
        if member.jobs:
            self.groups.appendleft(member.jobs)
        if self.groups:
            self.members.append(Member(self.section, self.quick))

    def finish(self, reason: str) -> None:
        """End all, and name the jobs that nobody did."""
        for member in self.members:
            member.end()
            self.groups.append(deque([member.at] if member.at else []) + member.jobs)
        for group in self.groups:
            for job in group:
                self.tell({"name": job.name, "skipped": reason})
