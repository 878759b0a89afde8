"""Many live sequences that come and go: any of them advance together, in one call for a dense batch of those that have a frame."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import count
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError
from numba_rnn.models.session import Session
from numba_rnn.ops.tree import map_structure

__all__ = ["StreamPool"]

SESSIONS = 16  # sizes of batches that are kept ready (a guess: who comes together mostly stays together)


class StreamPool:
    """What `model.streams(capacity)` returns: streams, each a sequence of its own. One thread at a time may use it.

    A stream gives, bit for bit, what it would give alone. The states of streams that advance together lie side by side; only
    where others come together are they moved.

    Attributes:
        capacity: the most streams that may be open.
    """

    def __init__(self, model: Any, capacity: int) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, (int, np.integer)) or capacity < 1:
            raise ValueError(f"`capacity` must be a whole number of streams, at least 1. Received: {capacity!r}.")
        self.capacity = int(capacity)
        self._tried: dict[int, Any] = {}
        first = Session(model, 1, tried=self._tried)
        self._graph = first.graph
        if len(model.inputs) != 1:
            raise ValueError(
                f"Streams have one input. Model '{model.name}' has {len(model.inputs)}: use `model.stream` for each."
            )
        self._tail = tuple(model.inputs[0].shape[2:])
        # What goes from step to step, of all streams: a row each, where no session has it.
        self._kept = {
            name: [np.zeros((self.capacity, *a.shape[1:]), a.dtype) for a in r.arrays()]
            for name, r in first.recurrences.items()
        }
        self._rows: dict[Hashable, int] = {}
        self._free = list(range(self.capacity - 1, -1, -1))
        self._ids = count()
        self._sessions: dict[int, Session] = {}
        self._inside: dict[int, list[int]] = {}  # by the size of the session: the rows that it has
        self._where: dict[int, int] = {}  # row -> the size of the session that has it
        self._broken: set[int] = set()  # rows whose last step broke off half-way

    def __reduce__(self) -> Any:
        raise TypeError(
            "A pool is neither pickled nor copied: it is bound to memory of this process. Take the model and each stream's "
            "`pool.state(stream)`; `restore` in another pool goes on from there."
        )

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self._rows)

    def __contains__(self, stream: Hashable) -> bool:
        return stream in self._rows

    def open(self, stream: Hashable = None) -> Any:
        """Begin a stream; returns its name, a new number unless one is given.

        Raises:
            ValueError: as many are open as the pool holds, or one has this name.
        """
        if not self._free:
            raise ValueError(f"All {self.capacity} streams of the pool are open. Close one, or make a pool of more.")
        if stream is None:
            stream = next(n for n in self._ids if n not in self._rows)
        elif stream in self._rows:
            raise ValueError(f"A stream named {stream!r} is open already.")
        row = self._rows[stream] = self._free.pop()
        self._zero(row)
        return stream

    def close(self, stream: Hashable) -> None:
        """End a stream; its place is free for another.

        Raises:
            KeyError: no such stream is open.
        """
        row = self._row(stream)
        self._settle([row])
        del self._rows[stream]
        self._free.append(row)

    def reset(self, stream: Hashable) -> None:
        """Put a stream at its beginning. Raises KeyError if no such stream is open."""
        row = self._row(stream)
        self._settle([row])
        self._zero(row)

    def state(self, stream: Hashable) -> dict[str, list[Array]]:
        """A copy of all that is known of a stream, by layer: to keep, pickle, and `restore`, or for a session of one row.

        Raises:
            KeyError: no such stream is open.
            RuntimeError: its last step broke off half-way.
        """
        row = self._row(stream)
        self._check_whole([row], [stream])
        self._settle([row])
        return {name: [a[row : row + 1].copy() for a in arrays] for name, arrays in self._kept.items()}

    def restore(self, stream: Hashable, state: dict[str, Any]) -> None:
        """Let a stream go on from a `state`, a session's of one row or another stream's.

        Raises:
            KeyError: no such stream is open.
            ValueError: the state is of another model.
            ShapeError, DTypeError: it has other arrays.
        """
        row = self._row(stream)
        session = self._session(1)
        self._settle([*self._inside.get(1, []), row])
        session.restore(state)
        self._where[row], self._inside[1] = 1, [row]
        self._broken.discard(row)

    def step(self, frames: Mapping[Any, Any]) -> dict[Any, Any]:
        """Run these streams on, all in one batch.

        Args:
            frames: for each stream its next frame (D,), or for all of them a chunk (T, D) of as many steps; token ids: a number, or
                (T,).

        Returns:
            For each stream the model's outputs, without the axis of the batch: new arrays. As of `Session.step`.

        Raises:
            KeyError: no such stream is open; nobody has gone on.
            ShapeError: a frame does not fit, or they have different numbers of steps; nobody has gone on.
            RuntimeError: a stream's last step broke off half-way, by an error: `reset`, `restore` or `close` it.
        """
        if not frames:
            return {}
        rows = [self._row(stream) for stream in frames]
        if self._broken:
            self._check_whole(rows, frames)
        x = self._batch(list(frames.values()), list(frames))
        session = self._session(len(rows))
        if self._inside.get(len(rows)) != rows:
            self._gather(session, rows)
        try:
            outputs = session.step(x)
        except BaseException:
            if session.is_broken:
                self._give_up(session)
            raise
        if type(outputs) is np.ndarray:
            return dict(zip(frames, outputs.copy(), strict=True))
        whole = map_structure(np.array, outputs)
        return {stream: map_structure(lambda a, n=n: a[n], whole) for n, stream in enumerate(frames)}

    def _row(self, stream: Hashable) -> int:
        row = self._rows.get(stream)
        if row is None:
            raise KeyError(f"No stream {stream!r} is open.")
        return row

    def _check_whole(self, rows: list[int], streams: Iterable[Any]) -> None:
        for row, stream in zip(rows, streams, strict=True):
            if row in self._broken:
                raise RuntimeError(
                    f"The last step of stream {stream!r} broke off half-way. Expected: `reset` or `close` it, or `restore` a state "
                    "from before."
                )

    def _give_up(self, session: Session) -> None:
        """Take a session from those that it has, whose step broke off."""
        rows = self._inside.pop(session.batch)
        self._broken.update(rows)
        for row in rows:
            del self._where[row]
        session.reset()

    def _batch(self, frames: list[Any], names: list[Any]) -> Array:
        """The frames as one array (B, D) or (B, T, D)."""
        arrays = [f if type(f) is np.ndarray else np.asarray(f) for f in frames]
        shape = arrays[0].shape
        fits = self._fits(shape)
        for name, a in zip(names, arrays, strict=True):
            if a.shape != shape or not fits:
                raise ShapeError(
                    f"The frame of stream {name!r} does not fit. Expected: {self._tail}, or a chunk {('T', *self._tail)}, of one "
                    f"shape in all streams. Received: {a.shape}, the first one's is {shape}."
                )
        return np.concatenate(arrays).reshape(len(arrays), *shape) if shape else np.array(arrays)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        tail = shape[len(shape) - len(self._tail) :]
        return len(self._tail) <= len(shape) <= len(self._tail) + 1 and all(
            n in (None, m) for n, m in zip(self._tail, tail, strict=True)
        )

    def _session(self, size: int) -> Session:
        """The session for a batch of this size, the last one used last."""
        session = self._sessions.pop(size, None)
        if session is None:
            session = Session(self._graph, size, tried=self._tried)
            if len(self._sessions) >= SESSIONS:
                oldest = next(iter(self._sessions))
                self._settle(self._inside.get(oldest, []))
                del self._sessions[oldest]
        self._sessions[size] = session
        return session

    def _gather(self, session: Session, rows: list[int]) -> None:
        """Put the states of these rows into a session."""
        size = len(rows)
        self._settle([*rows, *self._inside.get(size, [])])
        for name, r in session.recurrences.items():
            for own, kept in zip(r.arrays(), self._kept[name], strict=True):
                np.take(kept, rows, axis=0, out=own)
            r.fresh = not bool(r.begun.all())
        self._where.update(dict.fromkeys(rows, size))
        self._inside[size] = rows

    def _settle(self, rows: Iterable[int]) -> None:
        """Take the states of these rows, and of those that are with them, out of the sessions that have them."""
        for size in {self._where[row] for row in rows if row in self._where}:
            inside = self._inside.get(size)
            if inside:
                for name, r in self._sessions[size].recurrences.items():
                    for own, kept in zip(r.arrays(), self._kept[name], strict=True):
                        kept[inside] = own
                del self._inside[size]  # now that all is taken out: an error before leaves it there
                for row in inside:
                    del self._where[row]

    def _zero(self, row: int) -> None:
        self._broken.discard(row)
        for arrays in self._kept.values():
            for array in arrays:
                array[row] = 0
