"""A model in several processes, which come about in one of the usual ways: `program.py WAY`; see `test_processes.py`."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import numba_rnn as keras
from numba_rnn import config, layers

WORKERS = 3


def make() -> Any:
    """A model of its own weights."""
    model = keras.Sequential([keras.Input((None, 4)), layers.Masking(), layers.GRU(9), layers.Dense(3)])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def data() -> list[Any]:
    """A batch for each worker and one more."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=(40, 6, 4)).astype("float32") for _ in range(WORKERS + 1)]


def predict(model: Any, x: Any) -> tuple[int, Any]:
    """Who predicted, and what."""
    return os.getpid(), model.predict(x, verbose=0)


def keep_helpers_busy() -> None:
    """Have every call use helper threads, so that this process has some when it forks."""
    from numba_rnn.kernels.cpu import plan

    plan.TEAM = plan.STEP = 0
    config.set_threads(2)


def check(found: list[tuple[int, Any]], want: list[Any]) -> None:
    """All right, and in other processes."""
    assert len(found) == len(want)
    for (who, have), should in zip(found, want, strict=True):
        assert who != os.getpid()
        np.testing.assert_array_equal(have, should)


def by_futures(method: str) -> None:
    """`ProcessPoolExecutor`: each task brings the model along."""
    model, batches = make(), data()
    want = [model.predict(x, verbose=0) for x in batches]
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        check(list(pool.map(partial(predict, model), batches)), want)


def by_joblib(backend: str) -> None:
    """joblib's processes or threads."""
    from joblib import Parallel, delayed

    model, batches = make(), data()
    want = [model.predict(x, verbose=0) for x in batches]
    found = Parallel(n_jobs=2, backend=backend)(delayed(predict)(model, x) for x in batches)
    if backend == "threading":
        assert {who for who, _ in found} == {os.getpid()}
        found = [(0, y) for _, y in found]
    check(found, want)


def prefork(while_predicting: str = "") -> None:
    """As gunicorn does with `preload_app`: load, predict once, fork workers that live side by side, go on."""
    model, batches = make(), data()
    want = [model.predict(x, verbose=0) for x in batches]
    go_on = threading.Event()
    others = [threading.Thread(target=_predict_until, args=(go_on, model, batches[-1])) for _ in range(2)]
    if while_predicting:
        for thread in others:
            thread.start()
    children = []
    for k in range(WORKERS):
        if (pid := os.fork()) == 0:
            for _ in range(200):
                np.testing.assert_array_equal(model.predict(batches[k], verbose=0), want[k])
            later = layers.SimpleRNN(5)  # which this process builds and compiles itself
            assert later(batches[k]).shape == (40, 5)
            sys.exit(17)  # and what is registered with atexit runs
        children.append(pid)
    for _ in range(50):
        np.testing.assert_array_equal(model.predict(batches[-1], verbose=0), want[-1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    go_on.set()
    for thread in others:
        if thread.ident is not None:
            thread.join()
    assert codes == [17] * WORKERS, codes


def _predict_until(done: threading.Event, model: Any, x: Any) -> None:
    while not done.is_set():
        model.predict(x, verbose=0)


def main(way: str, *how: str) -> None:
    """Run one way; the file `done` says that it came to its end."""
    if way in {"prefork", "futures"} and how != ("spawn",):
        keep_helpers_busy()
    {"futures": by_futures, "joblib": by_joblib, "prefork": prefork}[way](*how)
    if way == "prefork":
        from numba_rnn.kernels.cpu import team

        assert team._team is not None
        assert team._team.helpers
    Path("done").write_text(way, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
