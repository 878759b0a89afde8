"""Helper threads: whoever comes, and whoever does not, the numbers are the same and nobody waits for a sleeper."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from numba_rnn import config, functional
from numba_rnn.cells import CELLS
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu import team
from numba_rnn.kernels.cpu.plan import Plan

SEQUENCES = ScanOptions(return_sequences=True)


def make(rng, name, D, H):
    G = len(CELLS[name].gates)
    return functional.prepare(
        CELLS[name], *(rng.standard_normal(s).astype("float32") for s in ((D, G * H), (H, G * H)))
    )


def forced(cell, plan, *args):
    """A scan by that plan."""
    prepared = cell.prepared()[1]
    key = (*args[0].shape[:2], config.settings.threads)
    prepared.plans[key] = prepared, plan
    prepared.calls.clear()  # or one that was kept would be made
    try:
        y, last = functional.scan(cell, *args)
    finally:
        del prepared.plans[key]
    return y, last


@pytest.mark.parametrize("name", ["gru", "gru_reset_before", "lstm", "simple_rnn"])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_no_plan_changes_a_bit(rng, monkeypatch, name, lanes):
    monkeypatch.setattr(config.settings, "lanes", lanes)
    for B, T, D, H in ((1, 9, 5, 37), (2, 7, 3, 70), (5, 6, 9, 33), (13, 4, 40, 20)):
        cell = make(rng, name, D, H)
        x, mask = rng.standard_normal((B, T, D)).astype("float32"), rng.random((B, T)) < 0.6
        state = tuple(rng.standard_normal((B, H)).astype("float32") for _ in CELLS[name].states)
        want, want_last = forced(cell, Plan(T, B, 1, 1), x, mask, state, SEQUENCES)
        for _ in range(10):
            for plan in (
                Plan(3, B, 2, 2),
                Plan(1, B, 3, 5),
                Plan(T, -(-B // 2), 1, 2),
                Plan(2, 1, 1, 4),
                Plan(2, B, 5, 1),
            ):
                y, last = forced(cell, plan, x, mask, state, SEQUENCES)
                np.testing.assert_array_equal(y, want)
                np.testing.assert_array_equal(last, want_last)


def test_helpers_that_do_not_come_are_not_missed(rng, monkeypatch):
    monkeypatch.setattr(team.Team, "call", lambda self, seats: None)
    team._forget()
    cell, x = make(rng, "lstm", 8, 40), rng.standard_normal((6, 5, 8)).astype("float32")
    want = forced(cell, Plan(5, 6, 1, 1), x)[0]
    for plan in (Plan(5, 2, 1, 3), Plan(5, 6, 2, 2)):
        np.testing.assert_array_equal(forced(cell, plan, x)[0], want)


def test_helpers_take_part_and_then_sleep(rng):
    cell, x = make(rng, "lstm", 64, 64), rng.standard_normal((64, 50, 64)).astype("float32")
    end = time.monotonic() + 30
    helped = False
    while not helped and time.monotonic() < end:
        forced(cell, Plan(5, 4, 1, 2), x)
        joined = team._team.words[16:19]  # CALL: how helpers call the kernel
        helped = bool(joined.all()) and team._team.awake[0].is_set()
    assert helped
    while team._team.awake[0].is_set() and time.monotonic() < end:
        time.sleep(0.01)
    assert not team._team.awake[0].is_set()


def test_a_second_caller_does_its_work_alone(rng):
    cell, x = make(rng, "gru", 6, 24), rng.standard_normal((9, 4, 6)).astype("float32")
    want = forced(cell, Plan(4, 9, 1, 1), x)[0]
    held = team.enter(2)
    try:
        assert held is not None
        assert team.enter(2) is None
        np.testing.assert_array_equal(forced(cell, Plan(4, 3, 1, 2), x)[0], want)
        np.testing.assert_array_equal(forced(cell, Plan(4, 9, 2, 2), x)[0], want)
    finally:
        held.leave()


def test_many_python_threads_at_once(rng):
    x, w, u = (rng.standard_normal(s).astype("float32") for s in ((64, 40, 4), (4, 256), (64, 256)))
    want, _ = functional.lstm(x, w, u)
    results = [None] * 8

    def run(i):
        for _ in range(5):
            results[i] = functional.lstm(x, w, u)[0]

    workers = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    for r in results:
        np.testing.assert_array_equal(r, want)


SETTING = """
import atexit, os, sys, threading
def look():
    if any(t.name.startswith("numba_rnn-") for t in threading.enumerate()):
        os._exit(5)
if "watched" in sys.argv:
    atexit.register(look)  # before the team's own, so that it runs after
import numpy as np
from numba_rnn import config, functional
from numba_rnn.cells import SIMPLE_RNN
from numba_rnn.kernels.cpu import plan
plan.TEAM = plan.STEP = 0
config.set_threads(2)
rng = np.random.default_rng(0)
x, w, u = (rng.standard_normal(s).astype("float32") for s in ((40, 3, 4), (4, 5), (5, 5)))
cell = functional.prepare(SIMPLE_RNN, w, u)
assert cell.prepared()[1].plan(40, 3)[1].seats == 2
"""
FORK = """
functional.scan(cell, x)
if sys.argv[1] == "inside":
    long = x.repeat(2000, 1)
    worker = threading.Thread(target=lambda: [functional.scan(cell, long) for _ in range(30)])
    worker.start()
pid = os.fork()
if pid == 0:
    y, _ = functional.scan(cell, x)
    config.set_threads(1)
    same = np.array_equal(y, functional.scan(cell, x)[0])
    from numba_rnn.kernels.cpu import team
    helpers = team._team.helpers  # its own: those of the parent are not alive here
    os._exit(0 if same and helpers and all(h.is_alive() for h in helpers) else 3)
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


FORK_WHILE_STARTING = """
from numba_rnn.kernels.cpu import team
team._starting.acquire()  # as another thread has it that starts the team
if (pid := os.fork()) == 0:
    import signal
    signal.alarm(60)
    functional.scan(cell, x)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def run_alone(code, *args):
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SETTING + code, *args],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - start


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("when", ["after", "inside"])
def test_a_forked_child_has_a_team_of_its_own(when):
    run_alone(FORK, when)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_a_team_is_started_starts_its_own():
    run_alone(FORK_WHILE_STARTING)


@pytest.mark.parametrize("last", ["functional.scan(cell, x)", "functional.scan(cell, x); import time; time.sleep(0.3)"])
def test_a_process_ends_with_helpers_awake_or_asleep(last):
    run_alone(last, "watched")


def test_where_no_thread_can_be_started_the_caller_does_it_all(rng, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    cell, x = make(rng, "gru", 6, 24), rng.standard_normal((9, 4, 6)).astype("float32")
    want = forced(cell, Plan(4, 9, 1, 1), x)[0]
    team._forget()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        np.testing.assert_array_equal(forced(cell, Plan(4, 3, 1, 2), x)[0], want)
    np.testing.assert_array_equal(forced(cell, Plan(4, 9, 2, 2), x)[0], want)
    assert len(team._team.helpers) == 1
