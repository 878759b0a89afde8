"""A graph as a list of steps to run: each node's function, and what the file alone decides computed once, if it is little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError

# These enter their operators into the table.
from numba_rnn.loaders.onnx import elementwise, products, recurrent, shaping  # noqa: F401
from numba_rnn.loaders.onnx.graph import Graph, Node
from numba_rnn.loaders.onnx.registry import OPERATORS, Function, build

__all__ = ["Step", "compile_graph", "run_steps"]

FOLDED = (
    1 << 20
)  # bytes that may be computed on loading beside twice the file's size (a guess: shapes take a few hundred)
FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError)


@dataclass(frozen=True)
class Step:
    """A node ready to run.

    Attributes:
        node: the node.
        function: what it computes.
        finished: names of the values that no later step needs.
    """

    node: Node
    function: Function
    finished: tuple[str, ...] = ()


@np.errstate(all="ignore")
def compile_graph(graph: Graph) -> tuple[list[Step], dict[str, Array], list[str]]:
    """The steps, the constants that they and the outputs take, and why nodes cannot be run, a sentence each."""
    steps: list[Step] = []
    constants, problems = dict(graph.constants), []
    budget: float = FOLDED + 2 * graph.size
    taken = {name for node in graph.nodes for name in node.inputs} | {value.name for value in graph.outputs}
    for whole in graph.nodes:
        # An output that nobody takes is one left out: a recurrent node that need not give every step gives the last.
        node = replace(whole, outputs=tuple(name if name in taken else "" for name in whole.outputs))
        known = tuple(constants.get(name) for name in node.inputs)
        try:
            step = Step(node, build(node, known))
            if _cost(node, known) > budget:
                steps.append(step)
                continue
            outputs = _call(step, list(known))
        except (ModelFileError, *FAILURES) as error:
            problems.append(str(error) if isinstance(error, ModelFileError) else f"The {node} cannot be run: {error}")
            continue
        budget -= sum(a.nbytes for a in outputs if not any(np.may_share_memory(a, b) for b in known if b is not None))
        for name, array in zip(node.outputs, outputs, strict=False):
            if name:
                array.flags.writeable = False
                constants[name] = array
    return _with_lifetimes(graph, steps, constants), _used(graph, steps, constants), problems


def _cost(node: Node, known: tuple[Array | None, ...]) -> float:
    """At most how many bytes the node makes, if the file decides all of its inputs; else without bound."""
    arrays = [array for array in known if array is not None]
    if len(arrays) < sum(map(bool, node.inputs)):
        return float("inf")
    return OPERATORS[node.operator].growth(arrays)


def _with_lifetimes(graph: Graph, steps: list[Step], constants: dict[str, Array]) -> list[Step]:
    kept = {value.name for value in graph.outputs} | constants.keys() | {""}
    reversed_steps = []
    for step in reversed(steps):
        ending = ({*step.node.inputs} | {*step.node.outputs}) - kept
        kept |= ending
        reversed_steps.append(Step(step.node, step.function, tuple(ending)))
    return reversed_steps[::-1]


def _used(graph: Graph, steps: list[Step], constants: dict[str, Array]) -> dict[str, Array]:
    wanted = {name for step in steps for name in step.node.inputs} | {value.name for value in graph.outputs}
    return {name: array for name, array in constants.items() if name in wanted}


def run_steps(steps: list[Step], values: dict[str, Any]) -> None:
    """Run all steps; `values` holds constants and inputs, and then the outputs.

    Raises:
        ValueError: arrays that do not fit a node, which is named.
    """
    values[""] = None
    with np.errstate(all="ignore"):  # ONNX knows infinities and NaN, and no warnings
        for step in steps:
            node = step.node
            inputs = [values[name] for name in node.inputs]
            try:
                outputs = _call(step, inputs)
            except FAILURES as error:
                shapes = ", ".join("-" if a is None else f"{a.dtype}{a.shape}" for a in inputs)
                raise ValueError(f"The {node} cannot take inputs {shapes}: {error}") from error
            values.update((name, array) for name, array in zip(node.outputs, outputs, strict=False) if name)
            for name in step.finished:
                values.pop(name, None)


def _call(step: Step, inputs: list[Any]) -> list[Array]:
    result = step.function(*inputs)
    if not isinstance(result, tuple):
        result = (result,)
    if len(result) < len(step.node.outputs):
        raise ValueError(f"it makes {len(result)} outputs. Expected: {len(step.node.outputs)}.")
    return [None if array is None else np.asarray(array) for array in result]  # type: ignore[misc]  # left out by name
