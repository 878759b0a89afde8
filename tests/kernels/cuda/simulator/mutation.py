"""Kernels with one planted fault: a factory of kernels whose source has one statement changed."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = ["mutant", "occurrences"]


def occurrences(factory: Callable[..., Any], text: str) -> int:
    """How often a factory's source has this text."""
    return inspect.getsource(factory).count(text)


def mutant(factory: Callable[..., Any], text: str, instead: str = "pass", which: int = 0) -> Callable[..., Any]:
    """The factory as it would be with one occurrence of a text replaced.

    Args:
        factory: a function of a module, which makes kernels; one that is no closure.
        text: part of its source, such as "cuda.syncthreads()".
        instead: what stands there in the mutant.
        which: which occurrence, from 0.
    """
    source = textwrap.dedent(inspect.getsource(factory))
    at = -1
    for _ in range(which + 1):
        at = source.find(text, at + 1)
        if at < 0:
            raise ValueError(f"{factory.__name__} has {text!r} fewer than {which + 1} times")
    line = factory.__code__.co_firstlineno - 1
    changed = "\n" * line + source[:at] + instead + source[at + len(text) :]
    names = dict(factory.__globals__)
    exec(compile(changed, factory.__code__.co_filename, "exec"), names)
    made: Callable[..., Any] = names[factory.__name__]
    return made
