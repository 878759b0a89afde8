"""The serving example's batches: who waits together is stepped together, and faults stay with who made them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from numba_rnn import Input, Sequential, config, layers

pytest.importorskip("prometheus_client", reason="the serving example: pip install '.[serve]'")

ROOT = Path(__file__).parents[2]
D = 4


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(config.settings, "device", "reference")  # what is tested here is not the kernels


def make():
    return Sequential([Input((None, D)), layers.GRU(5, return_sequences=True), layers.LSTM(6), layers.Dense(3)])


def batches(work, model=None, capacity=8):
    """Run `work(batcher)`, and return what it returns and the sizes of the batches."""
    from examples.serve.batcher import Batcher

    async def run():
        batcher = Batcher(model or make(), capacity)
        sizes, step = [], batcher._pool.step
        batcher._pool.step = lambda frames: (sizes.append(len(frames)), step(frames))[1]
        running = asyncio.create_task(batcher.run())
        try:
            return await work(batcher), sizes
        finally:
            running.cancel()
            batcher.stop()

    return asyncio.run(run())


async def once(batcher, x):
    with batcher.stream() as stream:
        return await batcher.step(stream, x)


def test_who_waits_together_is_stepped_together(rng):
    x = rng.standard_normal((5, D)).astype("float32")
    model = make()
    got, sizes = batches(lambda b: asyncio.gather(*(once(b, one) for one in x)), model)
    np.testing.assert_allclose(got, model.predict(x[:, None], verbose=0), atol=1e-6)
    assert sizes == [5]


def test_chunks_of_one_length_share_a_call(rng):
    x = rng.standard_normal((5, 3, D)).astype("float32")
    _, sizes = batches(lambda b: asyncio.gather(*(once(b, one[: 2 + n % 2]) for n, one in enumerate(x))))
    assert sizes == [3, 2]


def test_the_fault_of_one_frame_is_not_the_others():
    model = Sequential([Input((None,), dtype="int32"), layers.Embedding(9, D), layers.LSTM(3)])
    tokens = [np.int32(1), np.int32(9), np.int32(2)]

    async def work(batcher):
        return await asyncio.gather(*(once(batcher, t) for t in map(np.asarray, tokens)), return_exceptions=True)

    (a, error, b), sizes = batches(work, model)
    assert isinstance(error, IndexError)
    want = model.predict(np.array([[1], [2]], "int32"), verbose=0)
    np.testing.assert_allclose([a, b], want, atol=1e-6)
    assert sizes == [3, 1, 1, 1]


def test_who_goes_while_waiting_takes_nobody_along():
    model, x, released = make(), np.ones(D, "float32"), threading.Event()

    async def work(batcher):
        step = batcher._pool.step

        def slow(frames):
            released.wait()
            return step(frames)

        batcher._pool.step = slow
        first = asyncio.create_task(once(batcher, x))
        await asyncio.sleep(0)
        while batcher._waiting:  # until it runs
            await asyncio.sleep(0.001)
        gone, other = (asyncio.create_task(once(batcher, x)) for _ in range(2))
        while len(batcher._waiting) < 2:
            await asyncio.sleep(0.001)
        gone.cancel()
        await asyncio.sleep(0)
        released.set()
        return await asyncio.gather(first, gone, other, return_exceptions=True)

    (a, gone, b), _ = batches(work, model)
    assert isinstance(gone, asyncio.CancelledError)
    for have in (a, b):
        np.testing.assert_allclose(have, model.predict(x[None, None], verbose=0)[0], atol=1e-6)


class Picky(layers.Layer):
    """Refuses NaN, when a layer before it has gone on already."""

    def call(self, x):
        if np.isnan(x).any():
            raise ValueError("NaN")
        return x


def test_a_fault_half_way_through_the_model_gives_nobody_a_wrong_answer(rng):
    model = Sequential([Input((None, D)), layers.LSTM(5, return_sequences=True), Picky(), layers.GRU(3)])
    x = rng.standard_normal((3, D)).astype("float32")
    x[1, 0] = np.nan

    async def work(batcher):
        return await asyncio.gather(*(once(batcher, one) for one in x), return_exceptions=True)

    told, _ = batches(work, model)
    assert all(isinstance(error, RuntimeError) for error in told), told


def test_a_failure_is_told_and_the_loop_goes_on():
    async def work(batcher):
        step = batcher._pool.step

        def fail(frames):
            batcher._pool.step = step
            raise MemoryError

        batcher._pool.step = fail
        x = np.ones(D, "float32")
        return [
            *(await asyncio.gather(once(batcher, x), once(batcher, x), return_exceptions=True)),
            await once(batcher, x),
        ]

    (a, b, y), _ = batches(work)
    assert isinstance(a, MemoryError)
    assert isinstance(b, MemoryError)
    assert y.shape == (3,)
