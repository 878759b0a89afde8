"""The batching loop: the frames of all connections that have sent one advance in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np

from examples.serve.metrics import Metrics
from examples.serve.settings import frame_bytes

__all__ = ["Batcher", "FullError"]

Array = np.ndarray


class FullError(Exception):
    """As many streams are open as there may be."""


class Batcher:
    """Streams of one model. Its methods belong to the event loop; `run` has to be running there.

    The pool belongs to one worker thread, which does what it is told in that order: so a stream that is closed while a batch
    runs is closed after it, and nobody has to wait.

    Attributes:
        capacity: the most streams that may be open.
        frame: the shape of a frame.
        dtype: of its numbers.
        frame_bytes: what they take.
    """

    def __init__(self, model: Any, capacity: int, metrics: Metrics | None = None) -> None:
        self.capacity = capacity
        self.frame, self.dtype = model.inputs[0].shape[2:], np.dtype(model.inputs[0].dtype)
        self.frame_bytes = frame_bytes(model)
        self._pool = model.streams(capacity)
        self._metrics = metrics or Metrics()
        self._metrics.streams.set_function(self.__len__)
        self._thread = ThreadPoolExecutor(1, "batches")
        self._ids = count()
        self._open: set[int] = set()
        self._waiting: dict[int, tuple[Array, asyncio.Future[Array]]] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self._open)

    @contextmanager
    def stream(self) -> Iterator[int]:
        """A stream, open as long as the block runs.

        Raises:
            FullError: there is no place.
        """
        if len(self._open) >= self.capacity:
            raise FullError(f"all {self.capacity} streams are taken")
        stream = next(self._ids)
        self._open.add(stream)
        self._thread.submit(self._pool.open, stream)
        try:
            yield stream
        finally:
            self._open.remove(stream)
            self._waiting.pop(stream, None)
            self._thread.submit(self._pool.close, stream)

    async def step(self, stream: int, x: Array) -> Array:
        """Run a stream on over a frame (D,) or a chunk (T, D), in the next batch.

        Returns:
            The model's output for it.

        Raises:
            Exception: the model's own, such as of a token that an Embedding does not have.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting[stream] = x, future
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Step whatever waits, until cancelled. While a batch runs the next one gathers: the busier, the larger."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            frames = {stream: x for stream, (x, _) in waiting.items()}
            results = await loop.run_in_executor(self._thread, self._advance, frames)
            for stream, result in results.items():
                future = waiting[stream][1]
                if future.done():  # who waited has gone
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def stop(self) -> None:
        """End the worker thread when it has done what it was told."""
        self._thread.shutdown()

    def warm_up(self) -> None:
        """Compile, before the first stream opens."""
        zeros = np.zeros((2, *self.frame), self.dtype)
        stream = self._pool.open()
        for x in (zeros, zeros[0]):
            self._pool.step({stream: x})
        self._pool.close(stream)

    def _advance(self, frames: dict[int, Array]) -> dict[int, Any]:
        """What the model gives to each stream, or why it does not."""
        groups: dict[tuple[int, ...], dict[int, Array]] = {}  # a call's chunks have one length
        for stream, x in frames.items():
            groups.setdefault(x.shape, {})[stream] = x
        results: dict[int, Any] = {}
        for group in groups.values():
            results |= self._step(group)
        return results

    def _step(self, group: dict[int, Array]) -> dict[int, Any]:
        started = perf_counter()
        try:
            results = self._pool.step(group)
        except (
            ValueError,
            IndexError,
        ) as error:  # a frame is at fault: nobody has gone on, or the pool will say who may not
            if len(group) == 1:
                return dict.fromkeys(group, error)
            alone: dict[int, Any] = {}
            for stream, x in group.items():
                alone |= self._step({stream: x})
            return alone
        except Exception as error:  # they are told, and the loop goes on
            return dict.fromkeys(group, error)
        self._metrics.batch(len(group), perf_counter() - started)
        return results
