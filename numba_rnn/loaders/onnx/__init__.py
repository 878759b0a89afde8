"""ONNX models of recurrent networks: read, checked as a whole, and made ready to run before anything runs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import _naming, _path
from numba_rnn.loaders.onnx.graph import Graph, Value
from numba_rnn.loaders.onnx.model import OnnxModel
from numba_rnn.loaders.onnx.reader import read_graph
from numba_rnn.loaders.onnx.steps import compile_graph

__all__ = ["OnnxDescription", "OnnxModel", "describe_onnx", "load_onnx"]


@dataclass(frozen=True)
class OnnxDescription:
    """What an ONNX file is.

    Attributes:
        producer: who wrote it and in which version, as the file itself says; may be empty.
        ir_version, opset: the versions of the format and of ONNX's operators.
        inputs, outputs: what the model takes and gives.
        operators: how often each operator is used, most used first.
        numbers: how many numbers the file holds.
        problems: what stops it from running, a sentence each; empty if `load_onnx` runs it.
    """

    producer: str
    ir_version: int
    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: dict[str, int]
    numbers: int
    problems: tuple[str, ...]


def load_onnx(path: str | os.PathLike[str]) -> OnnxModel:
    """The model in an ONNX file; needs the `onnx` package.

    Args:
        path: the file. Data that it keeps in other files is not read: nothing but this file is opened.

    Returns:
        A model to be called with arrays. Recurrent nodes run in the kernels, or step by step in NumPy where a node has peepholes,
        `clip`, `input_forget` or activations that no kernel knows.

    Raises:
        FileNotFoundError: there is no such file; it is a ModelFileError too.
        ModelFileError: the file is damaged or unsafe, or holds something that this library does not run; nodes are named.
        TypeError: `path` is neither a string nor a path.
        ImportError: the `onnx` package is missing.
    """
    graph = _read(path)
    steps, constants, problems = compile_graph(graph)
    if problems := graph.problems + problems:
        more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
        raise ModelFileError(f"Cannot load {str(path)!r}. {' '.join(problems[:5])}{more}")
    return OnnxModel(graph, steps, constants)


def describe_onnx(path: str | os.PathLike[str]) -> OnnxDescription:
    """What an ONNX file is and what, if anything, stops it from running. Raises as `load_onnx` does where it cannot be read."""
    graph = _read(path)
    problems = graph.problems + compile_graph(graph)[2]
    operators = dict(Counter(node.operator for node in graph.nodes).most_common())
    numbers = sum(array.size for array in graph.constants.values())
    return OnnxDescription(
        graph.producer, graph.ir_version, graph.opset, tuple(graph.inputs), tuple(graph.outputs), operators, numbers,
        tuple(problems),
    )  # fmt: skip


def _read(path: Any) -> Graph:
    path = _path(path)
    with _naming(path):
        return read_graph(path)
