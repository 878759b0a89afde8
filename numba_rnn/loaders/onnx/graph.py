"""An ONNX graph as plain Python: nodes, the values between them, and the arrays that the file holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numba_rnn._typing import Array

__all__ = ["DTYPES", "Graph", "Node", "Refused", "Value"]

# ONNX's numbers of the data types that can be computed with (`TensorProto.DataType`).
DTYPES = {
    number: np.dtype(name)
    for number, name in {
        1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
        11: "float64", 12: "uint32", 13: "uint64",
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """An input or output of a model.

    Attributes:
        name: its name in the file.
        dtype: its data type; None where the file does not say, or says one that is not computed with.
        shape: sizes; a name for a size that varies, the same name for the same size, or None; None where even the rank is open.
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        shape = (
            "any shape" if self.shape is None else f"({', '.join('?' if n is None else str(n) for n in self.shape)})"
        )
        return f"{self.name} {shape} {'?' if self.dtype is None else self.dtype}"


class Refused(str):
    """An attribute that is not read, such as a graph within a node: why not."""


@dataclass(frozen=True)
class Node:
    """One operator in use.

    Attributes:
        operator: its name, with its domain in front (`domain::Name`) unless it is one of ONNX's own.
        name: the node's own name, or its place among the nodes.
        inputs, outputs: names of values; "" for an optional one that is left out.
        attributes: int, float, str, array, a tuple of ints, floats or strings, or a `Refused`.
        opset: the version of ONNX's operators that the file is written in.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.operator})"


@dataclass
class Graph:
    """A model file's contents, each name defined once and before it is used.

    Attributes:
        producer: who wrote the file, and in which version, as it says itself.
        ir_version, opset: the versions of the format and of ONNX's operators.
        nodes: in an order in which they can run.
        constants: the arrays that the file holds, by name.
        problems: what in it is not supported, a sentence each, apart from operators.
        size: bytes of the file.
    """

    producer: str
    ir_version: int
    opset: int
    size: int
    nodes: list[Node] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
