"""Nothing grows: steps, streams that come and go, models that are loaded and dropped, calls of ever other shapes, errors.

The fast tests count what is left after a hundred rounds, in objects and in bytes that Python and NumPy hold; the `slow` ones run
millions and look at the process, where what kernels and libraries hold is seen too. That one reference kept a round is caught has a
test of its own; seen to fail, too, with plans that are never cleared and a loader that keeps its models.
"""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers, load_model
from numba_rnn.errors import ModelFileError, ShapeError

D = 8
OBJECTS, BYTES = 20, 16 << 10  # caches that fill up: less than one object in five rounds
# Caches that fill up hold 26 kB more after 140 loads than after 40, then 5, 2 and 1 kB more a hundred.
ROUNDS, WARM = 100, 150
RESIDENT = 4 << 20  # bytes that the process may gain in the slow tests: the allocator's, not ours


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "device", "auto")


@pytest.fixture
def steady() -> Any:
    """Gives `steady(act)`: `act` is done some hundred times, and nothing more is there afterwards."""

    def check(act: Callable[[], Any]) -> None:
        tracemalloc.start()  # before anything that will be replaced is there
        try:
            for _ in range(WARM):
                act()
            gc.collect()
            objects, (held, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
            for _ in range(ROUNDS):
                act()
            gc.collect()
            more, (now, _) = len(gc.get_objects()) - objects, tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert more < OBJECTS, f"{more} objects more after {ROUNDS} rounds"
        assert now - held < BYTES, f"{now - held} bytes more after {ROUNDS} rounds"

    return check


def make() -> Any:
    return Sequential([Input((None, D)), layers.LSTM(16, return_sequences=True), layers.GRU(5), layers.Dense(3)])


def test_the_check_itself_sees_one_object_a_round(steady: Any) -> None:
    kept: list[Any] = []
    with pytest.raises(AssertionError, match="objects more"):
        steady(lambda: kept.append([]))
    with pytest.raises(AssertionError, match="bytes more"):
        steady(lambda: kept.append(np.zeros(64)))


def test_steps(steady: Any, rng: np.random.Generator) -> None:
    session = make().stream(2)
    x, chunk = rng.standard_normal((2, D)).astype("float32"), rng.standard_normal((2, 3, D)).astype("float32")

    def act() -> None:
        session.step(x)
        session.step(chunk)
        session.reset([1])
        session.restore(session.state)

    steady(act)


def coming_and_going(pool: Any, rng: np.random.Generator) -> Callable[[], None]:
    frames = rng.standard_normal((64, D)).astype("float32")
    open_now: list[Any] = []

    def act() -> None:
        while len(open_now) < 40:
            open_now.append(pool.open())
        chosen = open_now[: int(rng.choice([1, 5, 11, 20, 40]))]  # more sizes than sessions are kept for
        for _ in range(3):
            pool.step(dict(zip(chosen, frames, strict=False)))
        for _ in range(3):
            pool.close(open_now.pop(int(rng.integers(len(open_now)))))

    return act


def test_streams_that_come_and_go(steady: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba_rnn.models.pool.SESSIONS", 3)  # so that sessions go, too
    steady(coming_and_going(make().streams(40), rng))


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".safetensors"])
def test_loads(steady: Any, suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="reads such files: pip install '.[safetensors]'")
    path, x = tmp_path / f"m{suffix}", np.ones((2, 4, D), np.float32)
    make().save(path)
    steady(lambda: load_model(path).predict_on_batch(x))


def test_loads_that_fail(steady: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    make().save(path)
    path.write_bytes(path.read_bytes()[:-100])

    def act() -> None:
        with pytest.raises(ModelFileError):
            load_model(path)

    steady(act)


def test_models_made_used_and_dropped(steady: Any) -> None:
    x = np.ones((2, 4, D), np.float32)

    def act() -> None:
        inputs = Input((None, D))
        both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(inputs)
        model = Model(inputs, layers.Dense(2)(layers.RNN(layers.GRUCell(3))(both)))
        model.compile(loss="mse", metrics=["mae"])
        model.evaluate(x, np.zeros((2, 2), np.float32), verbose=0)
        Model(model.inputs, both).predict(x, verbose=0)
        Model.from_config(model.get_config())

    steady(act)


def test_calls_of_ever_other_shapes(steady: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba_rnn.kernels.cpu.machine.PLANS", 8)
    model, steps = make(), itertools.count(1)

    def act() -> None:
        x = np.ones((1, next(steps), D), np.float32)
        model.predict_on_batch(x)
        model.predict_on_batch(x)  # kept, the second time

    steady(act)


def test_errors(steady: Any) -> None:
    model = make()
    session = model.stream(2)

    def act() -> None:
        for call in (session.step, model.predict_on_batch):
            with pytest.raises((ShapeError, ValueError)):
                call(np.ones((2, 3, D + 1), np.float32))

    steady(act)


def resident() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def run_long(act: Callable[[], Any], rounds: int, name: str) -> None:
    for _ in range(max(200, rounds // 100)):
        act()
    gc.collect()
    before, objects = resident(), len(gc.get_objects())
    for _ in range(rounds):
        act()
    gc.collect()
    after = resident()
    print(f"{name}: {rounds} rounds, {before / 2**20:.1f} MiB at the start, {after / 2**20:.1f} MiB at the end")  # noqa: T201
    assert after - before < RESIDENT
    assert len(gc.get_objects()) - objects < 10 * OBJECTS


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at the process by Linux' /proc")
def test_ten_million_steps(rng: np.random.Generator) -> None:
    session = Sequential([Input((None, D)), layers.LSTM(16)]).stream()
    x = rng.standard_normal((1, D)).astype("float32")
    run_long(lambda: session.step(x), 10_000_000, "steps")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at the process by Linux' /proc")
def test_ten_million_steps_of_streams(rng: np.random.Generator) -> None:
    pool = Sequential([Input((None, D)), layers.LSTM(16)]).streams(40)
    run_long(coming_and_going(pool, rng), 10_000_000 // 45, "streams")  # 15 streams of 3 steps a round


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at the process by Linux' /proc")
def test_a_hundred_thousand_loads(tmp_path: Path) -> None:
    path, x, rounds = tmp_path / "m.keras", np.ones((2, 4, D), np.float32), itertools.count()
    make().save(path)
    want = load_model(path).predict_on_batch(x)

    def act() -> None:
        model = load_model(path)
        if next(rounds) % 10 == 0:
            np.testing.assert_array_equal(model.predict_on_batch(x), want)

    run_long(act, 100_000, "loads")
