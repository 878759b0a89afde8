"""Many Python threads at once: right results, bit for bit, from models and layers that they share, old or new."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers
from numba_rnn.config import settings
from numba_rnn.layers.masks import get_mask

THREADS = 6


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def filled(model: Any) -> Any:
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def together(work: Callable[[int], Any]) -> list[Any]:
    """`work(k)` of each thread, begun at the same time."""
    barrier = threading.Barrier(THREADS)

    def run(k: int) -> Any:
        barrier.wait()
        return work(k)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def chain() -> Any:
    return filled(
        Sequential([Input((None, 4)), layers.Masking(), layers.LSTM(24, return_sequences=True), layers.Dense(3)])
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_predict(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(settings, "threads", threads)
    model = chain()
    xs = [rng.normal(size=(30 + k, 20, 4)).astype("float32") for k in range(THREADS)]
    want = [model.predict(x, verbose=0) for x in xs]

    def work(k: int) -> Any:
        for _ in range(20):
            np.testing.assert_array_equal(model.predict(xs[k], verbose=0), want[k])

    together(work)


@pytest.mark.usefixtures("often")
def test_layers(rng: np.random.Generator) -> None:
    layer, both = layers.GRU(16), layers.Bidirectional(layers.GRU(8))
    xs = [rng.normal(size=(3, 7 + k, 4)).astype("float32") for k in range(THREADS)]
    for one in (layer, both):
        one(xs[0])
        filled(one)
        want = [one(x) for x in xs]

        def work(k: int, one: Any = one, want: Any = want) -> None:
            for _ in range(200):
                np.testing.assert_array_equal(one(xs[k]), want[k])

        together(work)


def test_sessions(rng: np.random.Generator) -> None:
    model = Sequential([Input((None, 4)), layers.LSTM(24, return_sequences=True), layers.Dense(3)])
    filled(model)
    xs = [rng.normal(size=(1 + k, 60, 4)).astype("float32") for k in range(THREADS)]
    want = [model.predict(x, verbose=0) for x in xs]

    def work(k: int) -> None:
        session = model.stream(batch=1 + k)
        for _ in range(10):
            y = [session.step(frame).copy() for frame in np.moveaxis(xs[k], 1, 0)]
            np.testing.assert_array_equal(np.stack(y, 1), want[k])
            session.reset()

    together(work)


@pytest.mark.usefixtures("often")
def test_a_new_layer_gets_its_weights_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "device", "reference")
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    for _ in range(30):
        model = Sequential([layers.GRU(5), layers.Dense(2)])
        results = together(lambda _, model=model: model(x))
        assert [w.path.split("/")[-1] for w in model.weights] == [
            "kernel", "recurrent_kernel", "bias", "kernel", "bias",
        ]  # fmt: skip
        for y in results:
            np.testing.assert_array_equal(y, model(x))


@pytest.mark.usefixtures("often")
def test_no_mask_is_lost_in_the_first_calls() -> None:
    x = np.zeros((2, 3, 4), "float32")
    for _ in range(150):
        masking = layers.Masking()
        assert all(together(lambda _, layer=masking: get_mask(layer(x)) is not None))


@pytest.mark.usefixtures("often")
def test_models_made_at_the_same_time_have_names_and_paths_of_their_own() -> None:
    def work(_: int) -> list[Any]:
        made = []
        for _ in range(15):
            layer = layers.LSTM(2)
            model = Sequential([Input((None, 3)), layer])
            made.append((f"{model.name}/{layer.name}", [w.path for w in layer.weights]))
        return made

    made = [pair for part in together(work) for pair in part]
    assert len({name for name, _ in made}) == len(made)
    for name, paths in made:
        assert paths == [f"{name}/lstm_cell/{kind}" for kind in ("kernel", "recurrent_kernel", "bias")]


CALLS = {
    "layer": lambda model: model.layers[0],
    "predict": lambda model: lambda x: model.predict(x, batch_size=len(x), verbose=0),
    "step": lambda model: model.stream(32).step,
}


@pytest.mark.parametrize("what", CALLS)
def test_other_threads_go_on_while_a_kernel_runs(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not how fast they are, which depends on what else the machine does: whether they come to anything at all."""
    monkeypatch.setattr(settings, "threads", 1)
    model = filled(Sequential([Input((None, 16)), layers.LSTM(64)]))
    x = np.random.default_rng(0).normal(size=(32, 3000, 16)).astype("float32")
    call = CALLS[what](model)
    call(x)  # whatever it has to compile
    deadline, seen = time.monotonic() + 30, 0
    while not seen and time.monotonic() < deadline:
        times: list[float] = []
        worker = threading.Thread(target=_timed, args=(times, call, x))
        ticks = []
        worker.start()
        while worker.is_alive():
            ticks.append(time.monotonic())
            time.sleep(0.0005)
        begun, ended = times
        # The middle of the call is the kernel's alone: with the GIL held nothing could be noted there.
        quarter = (ended - begun) / 4
        seen = sum(begun + quarter < tick < ended - quarter for tick in ticks)
    assert seen


def _timed(times: list[float], call: Callable[[Any], Any], x: Any) -> None:
    times.append(time.monotonic())
    call(x)
    times.append(time.monotonic())


@pytest.mark.slow
@pytest.mark.skipif(settings.device == "reference", reason="of compiled kernels")
def test_two_threads_get_more_done_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs two cores that are free for a moment within two minutes."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    monkeypatch.setattr(settings, "threads", 1)
    model = filled(Sequential([Input((None, 16)), layers.LSTM(64)]))
    x = np.random.default_rng(0).normal(size=(32, 500, 16)).astype("float32")
    predict = CALLS["predict"](model)
    predict(x)

    def seconds(threads: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            begun = time.monotonic()
            list(pool.map(lambda _: [predict(x) for _ in range(10)], range(threads)))
            return (time.monotonic() - begun) / threads

    deadline, best = time.monotonic() + 120, 0.0
    while best < 1.5 and time.monotonic() < deadline:
        best = max(best, seconds(1) / seconds(2))
    assert best >= 1.5
