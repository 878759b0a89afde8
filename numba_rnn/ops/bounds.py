"""How large an operation's result can be, and how long it takes, before it is made: a file's graph may ask for anything."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.ops.tree import flatten

__all__ = ["check_inputs", "check_result", "limited", "spend"]

Sizes = tuple[int, ...]
# Guesses, wide of what is met: shapes are inferred with a batch of 3 and 103 for an unknown length.
LARGEST = 1 << 24  # numbers in the tensors of one call
MOST = 1 << 28  # numbers and multiply-adds of all calls while a file is read
CALL = 1 << 13  # numbers that take as long as a call itself

_left: ContextVar[list[int] | None] = ContextVar("numbers_left", default=None)


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Inside, all inferences of shapes together may take no more than some seconds."""
    token = _left.set([MOST])
    try:
        yield
    finally:
        _left.reset(token)


def check_inputs(shapes: list[Sizes]) -> None:
    """See that arrays of these shapes, and what they broadcast to, can be made.

    Raises:
        ShapeError: they are too large.
    """
    numbers = sum(map(math.prod, shapes))
    with contextlib.suppress(ValueError):  # what does not broadcast is joined otherwise, to no more numbers
        if len(shapes) > 1 and numbers <= LARGEST:
            numbers = max(numbers, math.prod(np.broadcast_shapes(*shapes)))
    _check(numbers, LARGEST, shapes)
    spend(1)


def spend(calls: int) -> None:
    """Count calls whose shapes are inferred: nested models that are called twice, and are nested again, would take for ever.

    Raises:
        ShapeError: there have been too many while a file is read.
    """
    left = _left.get()
    if left is not None:
        left[0] -= calls * CALL
        if left[0] < 0:
            raise ShapeError(
                f"The graph takes too long to build. Expected: at most {MOST // CALL} calls, nested ones included."
            )


def check_result(name: str, shapes: list[Sizes], options: dict[str, Any]) -> None:
    """See that an operation's result can be made of tensors of these shapes.

    Raises:
        ShapeError: it is too large, or takes too many multiply-adds.
    """
    if name in PRODUCTS:
        _check(PRODUCTS[name](shapes, options), MOST, shapes)
    elif name in GROWING:
        _check(GROWING[name](shapes, options), LARGEST, shapes)


def _check(numbers: int, most: int, shapes: list[Sizes]) -> None:
    if numbers > most:
        raise ShapeError(
            f"A tensor is too large. Expected: at most {most} numbers. Received: {numbers}, of shapes {shapes[:3]}."
        )
    spend(numbers // CALL)


def _all(shapes: list[Sizes]) -> int:
    return math.prod(map(math.prod, shapes))


def _matmul(shapes: list[Sizes], options: dict[str, Any]) -> int:
    if len(shapes) < 2:
        return 0  # lists of numbers, which a file cannot hold many of
    a, b = ((1, *shape) if len(shape) < 2 else shape for shape in shapes[:2])
    try:
        batch = math.prod(np.broadcast_shapes(a[:-2], b[:-2]))
    except ValueError:
        return 0  # which the operation refuses itself
    return batch * a[-2] * a[-1] * b[-1]


def _over_last(shapes: list[Sizes], options: dict[str, Any]) -> int:
    return _all(shapes) // max(1, shapes[0][-1] if shapes and shapes[0] else 1)


def _tensordot(shapes: list[Sizes], options: dict[str, Any]) -> int:
    axes, a = options.get("axes", 2), shapes[0]
    if isinstance(axes, int):
        met = a[max(0, len(a) - axes) :]
    else:
        met = tuple(a[i] for i in flatten(list(axes)[:1]) if isinstance(i, int) and -len(a) <= i < len(a))
    return _all(shapes) // max(1, math.prod(met))


def _einsum(shapes: list[Sizes], options: dict[str, Any]) -> int:
    size: dict[str, int] = {}
    terms = str(options.get("subscripts", "")).replace(" ", "").split("->")[0].split(",")
    for term, shape in zip(terms, shapes, strict=False):
        before, dots, after = term.partition("...")
        middle = len(shape) - len(before) - len(after) if dots else 0
        letters = [*before, *(f"...{middle - i}" for i in range(middle)), *after]
        for letter, n in zip(letters, shape, strict=False):
            size[letter] = max(n, size.get(letter, 1))
    return math.prod(size.values())


def _take(shapes: list[Sizes], options: dict[str, Any]) -> int:
    if len(shapes) < 2:
        return 0
    axis = options.get("axis", 0)
    x, places = shapes[0], math.prod(shapes[1])
    n = x[axis] if isinstance(axis, int) and -len(x) <= axis < len(x) else math.prod(x)
    return places * math.prod(x) // max(1, n)


def _numbers(option: Any) -> list[int]:
    return [abs(int(n)) for n in flatten(option) if isinstance(n, (int, float, np.number)) and math.isfinite(n)]


def _times(key: str, each: bool = True) -> Any:
    """As many numbers as before for each number in an option; or for their sum."""

    def bound(shapes: list[Sizes], options: dict[str, Any]) -> int:
        given = _numbers(options.get(key))
        return sum(map(math.prod, shapes)) * max(1, math.prod(n or 1 for n in given) if each else sum(given))

    return bound


def _shape(shapes: list[Sizes], options: dict[str, Any]) -> int:
    return math.prod(n or 1 for n in _numbers(options.get("shape")))


def _padded(shapes: list[Sizes], options: dict[str, Any]) -> int:
    return math.prod(map(math.prod, shapes[:1])) * math.prod(1 + n for n in _numbers(options.get("pad_width")))


# What takes longer than its tensors are large, and what makes more numbers than it is given.
PRODUCTS = {"Matmul": _matmul, "Dot": _over_last, "Inner": _over_last, "Tensordot": _tensordot, "Einsum": _einsum}
GROWING = {
    "BroadcastTo": _shape,
    "Diag": lambda shapes, options: _all(shapes[:1]) ** 2 if len(shapes[0]) < 2 else 0,
    "GetItem": _take,
    "Meshgrid": lambda shapes, options: _all(shapes) * len(shapes),
    "MultiHot": _times("num_classes"),
    "OneHot": _times("num_classes"),
    "Outer": lambda shapes, options: _all(shapes),
    "Pad": _padded,
    "Repeat": _times("repeats", each=False),
    "Scatter": _shape,
    "Take": _take,
    "Tile": _times("repeats"),
}
