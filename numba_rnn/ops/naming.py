"""Names that Keras would give: snake case of a class, made unique in the process."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from itertools import count

__all__ = ["avoiding", "clear_session", "get_uid", "snake_case", "unique_name"]

_used: dict[str, Iterator[int]] = {}  # counters, whose `next` no other thread can come between
_avoided: ContextVar[frozenset[str]] = ContextVar("avoided_names", default=frozenset())


def snake_case(name: str) -> str:
    """`LSTM` to `lstm`, `SimpleRNN` to `simple_rnn`, `GlobalMaxPooling1D` to `global_max_pooling1d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """`lstm` the first time, then `lstm_1`, `lstm_2`, ..."""
    n = get_uid(prefix) - 1
    name = f"{prefix}_{n}" if n else prefix
    return unique_name(prefix) if name in _avoided.get() else name


@contextlib.contextmanager
def avoiding(names: Iterable[str]) -> Iterator[None]:
    """Inside, nothing gets one of these names by itself."""
    token = _avoided.set(frozenset(names))
    try:
        yield
    finally:
        _avoided.reset(token)


def get_uid(prefix: str = "") -> int:
    """1 the first time for a prefix, then 2, 3, ...: numbers that names are made unique with."""
    return next(_used.setdefault(prefix, count(1)))


def clear_session() -> None:
    """Forget every name given so far, as `keras.utils.clear_session` does."""
    _used.clear()
