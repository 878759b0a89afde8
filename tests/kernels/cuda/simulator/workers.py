"""Greenlets that run threads of the GPU: one for each thread that waits, kept for the next run, for they are dear to make."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from greenlet import GreenletExit, getcurrent, greenlet

__all__ = ["Crew"]

STAFF = threading.local()  # the idle greenlets of each thread of this process


class AbandonedError(BaseException):
    """The run is over; whoever still waits leaves the kernel."""


class Crew:
    """Runs the threads of one launch, as `scheduler` chooses.

    A thread that has not begun needs a greenlet: that of a thread that has just ended, an idle one, or a new one. The hub, who
    started the run, makes the new ones, so that they begin on its stack and not on one another's.
    """

    def __init__(self, scheduler: Any, body: Any) -> None:
        self.scheduler, self.body = scheduler, body
        self.hub = getcurrent()
        self.idle: list[Any] = vars(STAFF).setdefault("idle", [])
        self.error: BaseException | None = None

    def run(self, threads: list[Any]) -> None:
        """Until all have ended, or one has raised."""
        scheduler = self.scheduler
        try:
            scheduler.current = scheduler.pick()
            while scheduler.live and self.error is None:  # one turn for each new greenlet
                self.assign(scheduler.current, self.idle.pop() if self.idle else self.hire()).switch()
        finally:
            for thread in threads:
                if thread.worker is not None:
                    thread.worker.throw(AbandonedError)
        if self.error is not None:
            raise self.error

    def hire(self) -> Any:
        """A new greenlet, which waits for its first task."""
        worker = greenlet(work)
        worker.switch(self.hub)
        return worker

    def assign(self, thread: Any, worker: Any) -> Any:
        """Give an idle greenlet a thread that has not begun."""
        thread.worker, worker.crew = worker, self
        return worker

    def go_on(self, thread: Any) -> None:
        """Let a thread run; the current one stands in some queue."""
        self.scheduler.current = thread
        if thread.worker is not None:
            thread.worker.switch()
        elif self.idle:
            self.assign(thread, self.idle.pop()).switch()
        else:
            self.hub.switch()


def work(home: Any) -> None:
    """The life of a greenlet."""
    np.seterr(all="ignore")  # of this greenlet alone
    me = getcurrent()
    while True:
        home.switch()
        home = serve(me)


def serve(me: Any) -> Any:
    """Run the current thread, and after it others that have not begun; who goes on when there is none."""
    crew, me.crew = me.crew, None
    scheduler = crew.scheduler
    thread = scheduler.current
    following = crew.hub
    try:
        while True:
            crew.body(thread)
            thread.worker = None
            if not scheduler.live:
                break
            chosen = scheduler.current = scheduler.pick()
            if chosen.worker is not None:
                following = chosen.worker
                break
            thread = chosen
            thread.worker = me
    except AbandonedError:
        thread.worker = None
    except GreenletExit:
        raise
    except BaseException as error:  # whoever started the run gets it
        thread.worker = None
        crew.error = error
    crew.idle.append(me)
    return following
