"""Who runs what, and where the parallel kernel must not run."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.kernels.cpu import threads


def test_small_work_is_serial(monkeypatch):
    monkeypatch.setattr(config.settings, "threads", 2)
    assert threads.split(64, 1000, 6) == (64, 1)
    assert threads.split(0, 0, 6) == (1, 1)


def test_one_thread_means_one_worker(monkeypatch):
    monkeypatch.setattr(config.settings, "threads", 1)
    assert threads.split(64, 10**9, 6) == (64, 1)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
@pytest.mark.parametrize("B", [7, 12, 13, 64, 65])
def test_workers_cover_every_row(monkeypatch, B):
    monkeypatch.setattr(config.settings, "threads", 2)
    block, workers = threads.split(B, 10**9, 6)
    assert block % 6 == 0
    assert (workers - 1) * block < B <= workers * block
    assert workers == 2


def test_a_second_thread_runs_the_serial_kernel():
    seen = []

    def enter():
        with threads.parallel_region() as allowed:
            seen.append(allowed)

    with threads.parallel_region() as allowed:
        assert allowed
        other = threading.Thread(target=enter)
        other.start()
        other.join()
    with threads.parallel_region() as allowed:
        assert allowed
    assert seen == [False]


SETTING = """
import os, sys, threading, numpy as np
from numba_rnn import config, functional
from numba_rnn.cells import SIMPLE_RNN
from numba_rnn.kernels.cpu import threads
threads.WORTH_A_THREAD = 1
config.set_threads(2)
rng = np.random.default_rng(0)
x, w, u = (rng.standard_normal(s).astype("float32") for s in ((40, 3, 4), (4, 5), (5, 5)))
def make():
    return functional.prepare(SIMPLE_RNN, w, u)
"""
FORK = """
cell = make()
if sys.argv[1] == "scanned":
    functional.scan(cell, x)
if sys.argv[1] == "warmed":
    cell.warm()
pid = os.fork()
if pid == 0:
    make().warm()
    y, _ = functional.scan(make(), x)
    config.set_threads(1)
    os._exit(0 if np.array_equal(y, functional.scan(cell, x)[0]) else 3)
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
CROWD = """
cell = make()
cell.warm()
long = x.repeat(2000, 1)
def warm():
    for _ in range(300):
        make().warm()
workers = [threading.Thread(target=functional.scan, args=(cell, long)), *(threading.Thread(target=warm) for _ in range(2))]
for t in workers: t.start()
for t in workers: t.join()
"""


def run_alone(code, *args, **environment):
    env = {**os.environ, **environment}
    command = [sys.executable, "-c", SETTING + code, *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("before", ["nothing", "scanned", "warmed"])
def test_a_forked_child_still_predicts(before):
    """OpenMP aborts a child whose parent had threads, be it only that it loaded a parallel kernel."""
    run_alone(FORK, before, NUMBA_THREADING_LAYER="omp")


def test_workqueue_is_never_entered_by_two_threads():
    run_alone(CROWD, NUMBA_THREADING_LAYER="workqueue")


def test_many_python_threads_at_once(rng):
    from numba_rnn import functional

    x, w, u = (rng.standard_normal(s).astype("float32") for s in ((64, 5, 4), (4, 64), (16, 64)))
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


def test_the_parallel_kernel_is_not_the_serial_one_from_the_cache(rng):
    from numba_rnn import functional
    from numba_rnn.cells import SIMPLE_RNN
    from numba_rnn.kernels.backend import ScanOptions

    cell = functional.prepare(SIMPLE_RNN, *(rng.standard_normal(s).astype("float32") for s in ((4, 5), (5, 5))))
    _, prepared = cell.prepared()
    x, y, last = (np.zeros(s, "float32") for s in ((1, 1, 4), (1, 5), (1, 1, 5)))
    args = (x, prepared.no_mask, prepared.no_state, *prepared.packed, y, last, ScanOptions().flags, 1, 1, 1)
    assert prepared.parallel(*args) == prepared.serial(*args) + 1
