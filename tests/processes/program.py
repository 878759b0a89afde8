"""A model in several processes, which come about in one of the usual ways: `program.py WAY`; see `test_processes.py`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numba import threading_layer

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


def while_building() -> None:
    """A worker forked while another thread builds a layer builds its own."""

    class Slow(layers.Layer):
        def build(self, input_shape: Any) -> None:
            inside.set()
            go_on.wait()

        def call(self, x: Any) -> Any:
            return x

    inside, go_on, x = threading.Event(), threading.Event(), np.ones((2, 3), "float32")
    other = threading.Thread(target=Slow(), args=(x,))
    other.start()
    inside.wait()
    if (pid := os.fork()) == 0:
        signal.alarm(100)
        assert layers.Dense(5)(x).shape == (2, 5)
        os._exit(17)
    go_on.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17


def by_threads() -> None:
    """Many Python threads, each of whose calls may use helpers: where numba's `workqueue` would abort, had any kernel it."""
    model, batches = make(), data()
    want = [model.predict(x, verbose=0) for x in batches]
    keep_helpers_busy()
    with ThreadPoolExecutor(len(batches)) as pool:
        for _ in range(30):
            for have, should in zip(pool.map(lambda x: model.predict(x, verbose=0), batches), want, strict=True):
                np.testing.assert_array_equal(have, should)
    try:
        layer = threading_layer()
    except ValueError:  # "is not initialized"
        layer = None
    assert layer is None, layer


def _predict_until(done: threading.Event, model: Any, x: Any) -> None:
    while not done.is_set():
        model.predict(x, verbose=0)


def main(way: str, *how: str) -> None:
    """Run one way; the file `done` says that it came to its end."""
    if way in {"prefork", "futures"} and how != ("spawn",):
        keep_helpers_busy()
    ways = {
        "building": while_building,
        "futures": by_futures,
        "joblib": by_joblib,
        "prefork": prefork,
        "threads": by_threads,
    }
    ways[way](*how)
    if way == "prefork":
        from numba_rnn.kernels.cpu import team

        assert team._team is not None
        assert team._team.helpers
    Path("done").write_text(way, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
