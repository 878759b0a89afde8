"""What `load_onnx` returns: a graph that takes arrays by place or name and gives arrays back."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.loaders.onnx.graph import Graph, Value
from numba_rnn.loaders.onnx.steps import Step, run_steps

__all__ = ["OnnxModel"]


class OnnxModel:
    """An ONNX model, ready to run. It keeps nothing between calls, so threads may share it.

    Sequences have the axes that the file gives them, often time first: nothing is cut into batches.

    Attributes:
        inputs, outputs: what it takes and gives, each with `name`, `dtype` and `shape`.
        producer, opset: who wrote the file, and in which version of ONNX's operators.
    """

    def __init__(self, graph: Graph, steps: list[Step], constants: dict[str, Array]) -> None:
        self.inputs: tuple[Value, ...] = tuple(graph.inputs)
        self.outputs: tuple[Value, ...] = tuple(graph.outputs)
        self.producer, self.opset = graph.producer, graph.opset
        self._steps, self._constants = steps, constants

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run on arrays, in the order of `inputs` or by name.

        Returns:
            An array, or a tuple of them where there are several outputs.

        Raises:
            TypeError: an input is missing, given twice or unknown.
            ShapeError: an input has another rank or size than the file says, or two that must be equal differ.
            DTypeError: an input's numbers cannot become those that the file wants.
            ValueError: what the arrays hold or how large they are fits some node no more; it is named.
        """
        names = [value.name for value in self.inputs]
        if len(arrays) > len(names) or (set(names[: len(arrays)]) & named.keys()):
            raise TypeError(
                f"Expected: {', '.join(names)}, each once. Received: {len(arrays)} arrays and {', '.join(named)}."
            )
        results = tuple(self.run({**dict(zip(names, arrays, strict=False)), **named}).values())
        return results[0] if len(results) == 1 else results

    def run(self, feeds: dict[str, Any]) -> dict[str, Array]:
        """Run on arrays by the inputs' names; returns arrays by the outputs' names. Raises as a call does."""
        names = {value.name for value in self.inputs}
        if feeds.keys() != names:
            raise TypeError(
                f"The model takes {', '.join(sorted(names)) or 'nothing'}. Received: {', '.join(feeds) or 'nothing'}."
            )
        sizes: dict[str, int] = {}
        given = {value.name: _checked(value, feeds[value.name], sizes) for value in self.inputs}
        values: dict[str, Any] = {**self._constants, **given}
        kept = {id(array) for array in values.values()}
        run_steps(self._steps, values)
        return {value.name: _own(values[value.name], kept) for value in self.outputs}

    def summary(self, print_fn: Any = print) -> None:
        """Show inputs, nodes and outputs, a line each."""
        for value in self.inputs:
            print_fn(f"input   {value}")
        for step in self._steps:
            node = step.node
            print_fn(f"{node.operator:<16} {', '.join(node.inputs)} -> {', '.join(filter(None, node.outputs))}")
        for value in self.outputs:
            print_fn(f"output  {value}")

    def __repr__(self) -> str:
        return f"<OnnxModel ({', '.join(map(str, self.inputs))}) -> ({', '.join(map(str, self.outputs))})>"


def _own(array: Array, kept: set[int]) -> Array:
    """The array in memory of its own, in C's order."""
    return np.array(array, order="C", copy=True if id(array) in kept or array.base is not None else None)


def _checked(value: Value, given: Any, sizes: dict[str, int]) -> Array:
    array = np.asarray(given)
    if value.dtype is not None and array.dtype != value.dtype:
        if not np.can_cast(array.dtype, value.dtype, "same_kind"):
            raise DTypeError(
                f"Input {value.name!r} has the wrong dtype. Expected: {value.dtype}. Received: {array.dtype}."
            )
        array = array.astype(value.dtype)
    if value.shape is None:
        return array
    wanted = [sizes.get(n, n) if isinstance(n, str) else n for n in value.shape]
    if len(wanted) != array.ndim or any(
        isinstance(n, int) and n != k for n, k in zip(wanted, array.shape, strict=True)
    ):
        raise ShapeError(f"Input {value} has the wrong shape. Expected: {tuple(wanted)}. Received: {array.shape}.")
    sizes.update((n, k) for n, k in zip(wanted, array.shape, strict=True) if isinstance(n, str))
    return array
