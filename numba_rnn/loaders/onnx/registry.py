"""The table of ONNX operators: a maker of a plain function each, its attributes declared by the maker's own signature."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx.graph import Node, Refused

__all__ = [
    "OPERATORS", "Floats", "Function", "Ints", "Known", "Strings", "broadcast", "build", "copies", "never", "operator", "product",
]  # fmt: skip

Function: TypeAlias = Callable[..., Any]  # arrays, None for what is left out -> an array, or a tuple of them
Known: TypeAlias = tuple[Array | None, ...]  # a node's inputs as far as the file itself says what they are
Growth: TypeAlias = Callable[[list[Array]], float]
Ints: TypeAlias = tuple[int, ...]
Floats: TypeAlias = tuple[float, ...]
Strings: TypeAlias = tuple[str, ...]

# How a maker writes an attribute's type, and whether a value is one.
KINDS: dict[str, Callable[[Any], bool]] = {
    "int": lambda v: isinstance(v, int),
    "float": lambda v: isinstance(v, float),
    "str": lambda v: isinstance(v, str),
    "Array": lambda v: isinstance(v, np.ndarray),
    "Ints": lambda v: isinstance(v, tuple) and all(isinstance(n, int) for n in v),
    "Floats": lambda v: isinstance(v, tuple) and all(isinstance(n, float) for n in v),
    "Strings": lambda v: isinstance(v, tuple) and all(isinstance(n, str) for n in v),
}


def copies(arrays: list[Array]) -> float:
    """The result is a part of the inputs, or they are a part of it."""
    return sum(a.nbytes for a in arrays)


def broadcast(arrays: list[Array]) -> float:
    """The result has the shape that the inputs broadcast to."""
    return 8 * math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def product(arrays: list[Array]) -> float:
    """The result has at most as many numbers as the inputs' sizes multiplied."""
    return 8 * math.prod(a.size for a in arrays)


def never(arrays: list[Array]) -> float:
    """The result can be of any size."""
    return math.inf


@dataclass(frozen=True)
class Operator:
    """One of ONNX's operators.

    Attributes:
        make: `make(node, known, **attributes)` returns the function of a node; called once, when the file is loaded.
        attributes: which it may have, and their kinds.
        required: those that it must have.
        outputs: how many outputs are computed; None for any number.
        growth: at most how many bytes the function makes of given arrays; what the file alone decides is computed on loading
            only where this is little.
    """

    make: Callable[..., Function]
    attributes: dict[str, str]
    required: tuple[str, ...]
    outputs: int | None
    growth: Growth


OPERATORS: dict[str, Operator] = {}


def operator(
    *names: str, outputs: int | None = 1, growth: Growth = never
) -> Callable[[Callable[..., Function]], Callable[..., Function]]:
    """Enter a maker into the table; its keyword-only arguments are the operator's attributes."""

    def enter(make: Callable[..., Function]) -> Callable[..., Function]:
        parameters = [p for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
        kinds = {p.name: p.annotation.removesuffix(" | None") for p in parameters}
        assert set(kinds.values()) <= KINDS.keys()
        required = tuple(p.name for p in parameters if p.default is p.empty)
        OPERATORS.update(dict.fromkeys(names, Operator(make, kinds, required, outputs, growth)))
        return make

    return enter


def build(node: Node, known: Known) -> Function:
    """The function that a node stands for.

    Raises:
        ModelFileError: an operator, attribute or output that is not supported, or inputs that do not fit the operator.
    """
    entry = OPERATORS.get(node.operator)
    if entry is None:
        raise ModelFileError(f"The {node} is an operator that is not supported.")
    for name, value in node.attributes.items():
        if name not in entry.attributes:
            expected = ", ".join(entry.attributes) or "none"
            raise ModelFileError(f"The {node} has an attribute that is not supported: {name!r}. Expected: {expected}.")
        if isinstance(value, Refused):
            raise ModelFileError(value)
        kind = entry.attributes[name]
        if not KINDS[kind](value):
            raise ModelFileError(
                f"The attribute {name!r} of {node} is of the wrong type. Expected: {kind}. Received: {str(value)[:99]}."
            )
    if missing := [name for name in entry.required if name not in node.attributes]:
        raise ModelFileError(f"The {node} needs the attribute {missing[0]!r}.")
    if entry.outputs is not None and any(node.outputs[entry.outputs :]):
        raise ModelFileError(
            f"The {node} has outputs that are not computed: {', '.join(node.outputs[entry.outputs :])}."
        )
    try:
        function = entry.make(node, known, **node.attributes)
    except ModelFileError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise ModelFileError(f"The {node} cannot be run: {error}") from error
    _check_inputs(node, function)
    return function


def _check_inputs(node: Node, function: Function) -> None:
    code = function.__code__  # what `inspect.signature` says too, but a file may have many nodes
    places, any_number = code.co_argcount, bool(code.co_flags & inspect.CO_VARARGS)
    needed = places - len(function.__defaults__ or ()) + any_number
    given = [bool(name) for name in node.inputs]
    if not all(given[:needed]) or len(given) < needed or (len(given) > places and not any_number):
        raise ModelFileError(
            f"The {node} has the wrong inputs. Expected: {needed} to {'any number' if any_number else places}. Received: "
            f"{', '.join(map(repr, node.inputs[:9])) or 'none'}."
        )
