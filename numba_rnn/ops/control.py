"""Loops and branches as plain Python, and questions about tensors. What a loop's body does is what a graph records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.dtypes import convert, standardize_dtype
from numba_rnn.ops.shaping import flip, stack
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure

__all__ = [
    "cond", "convert_to_numpy", "custom_gradient", "dtype", "fori_loop", "is_keras_tensor", "is_tensor", "map", "ndim", "scan",
    "shape", "size", "switch", "vectorized_map", "while_loop",
]  # fmt: skip

Function = Callable[..., Any]


def shape(x: Any) -> tuple[int | None, ...]:
    """The sizes of x, None where a symbolic tensor's is unknown."""
    return tuple(x.shape) if hasattr(x, "shape") else convert(x).shape


def ndim(x: Any) -> int:
    """The number of dimensions."""
    return len(shape(x))


def size(x: Any) -> Any:
    """The number of elements, int32.

    Raises:
        TypeError: a symbolic tensor's, some size of which is unknown.
    """
    sizes = shape(x)
    if None in sizes:
        raise TypeError(f"The number of elements of {x} is not known before it has numbers.")
    return np.prod(np.array(sizes, np.int32), dtype=np.int32)


def dtype(x: Any) -> str:
    """The name of x's dtype."""
    return standardize_dtype(x.dtype if hasattr(x, "dtype") else convert(x).dtype)


def is_tensor(x: Any) -> bool:
    """Whether x is an array."""
    return isinstance(x, (np.ndarray, np.generic))


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a symbolic tensor."""
    return isinstance(x, SymbolicTensor)


def convert_to_numpy(x: Any) -> Array:
    """The numbers in an array of one's own."""
    return np.array(convert(x))


def custom_gradient(f: Function) -> Function:
    """What `f` computes; the gradient that it returns beside it is left out."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)[0]

    return call


def _is_true(pred: Any) -> bool:
    if isinstance(pred, SymbolicTensor):
        raise TypeError(
            "A graph has no branches: the condition of a loop or branch must be an array. Use `ops.where`, or write a layer."
        )
    return bool(convert(pred))


def cond(pred: Any, true_fn: Function, false_fn: Function) -> Any:
    """What `true_fn()` returns if `pred` holds, else what `false_fn()` does.

    Raises:
        TypeError: `pred` is symbolic.
    """
    return true_fn() if _is_true(pred) else false_fn()


def switch(index: Any, branches: Any, *operands: Any) -> Any:
    """What the branch of this number, held within the list, returns for the operands."""
    return branches[min(max(int(convert(index)), 0), len(branches) - 1)](*operands)


def while_loop(cond: Function, body: Function, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """`loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds, at most so many times.

    Raises:
        TypeError: a condition is symbolic.
    """
    several = isinstance(loop_vars, (list, tuple))
    state = tuple(map_structure(_tensor, v) for v in loop_vars) if several else (_tensor(loop_vars),)
    done = 0
    while (maximum_iterations is None or done < maximum_iterations) and _is_true(cond(*state)):
        new = body(*state)
        state = tuple(new) if isinstance(new, (list, tuple)) else (new,)
        done += 1
    return state if several else state[0]


def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any) -> Any:
    """`val = body_fun(i, val)` for i from `lower` to below `upper`."""
    val = init_val
    for i in range(int(lower), int(upper)):
        val = body_fun(np.int32(i), val)
    return val


def scan(
    f: Function, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1
) -> Any:
    """`carry, y = f(carry, x)` for each slice x of `xs` along the first axis; returns the last carry and all y, stacked.

    Args:
        f: takes and returns a carry of one structure; its y may be None.
        init: the first carry.
        xs: arrays, nested or not, of one first size; None makes every x None.
        length: how many steps, needed where `xs` is None.
        reverse: from the last x to the first; y stays in the order of `xs`.
        unroll: taken for Keras' sake.

    Raises:
        TypeError: `f` cannot be called.
        ValueError: neither `xs` nor `length`.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    xs = None if xs is None else map_structure(_tensor, xs)
    steps = int(length) if length is not None else int(flatten(xs)[0].shape[0])
    carry, found = map_structure(_tensor, init), []
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, y = f(carry, None if xs is None else map_structure(lambda x, i=i: x[i], xs))
        found.append(y)
    if not found or found[0] is None:
        return carry, None
    ys = map_structure(lambda *slices: stack(list(slices)), *found)
    return carry, map_structure(lambda y: flip(y, 0), ys) if reverse else ys


def map(f: Function, xs: Any) -> Any:
    """`f` of each slice of `xs` along the first axis, stacked."""
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


def vectorized_map(function: Function, elements: Any) -> Any:
    """`function` of each slice of `elements` along the first axis, stacked: `map`."""
    return map(function, elements)


def _tensor(x: Any) -> Any:
    return x if x is None or isinstance(x, SymbolicTensor) else convert(x)
