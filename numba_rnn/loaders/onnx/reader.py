"""ONNX files, damaged or hostile, as plain graphs: the only module that knows the `onnx` package."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx.graph import DTYPES, Graph, Node, Refused, Value
from numba_rnn.loaders.onnx.limits import check_parts

__all__ = ["OPSETS", "read_graph"]

OPSETS = (7, 28)  # the first in which shapes broadcast as in NumPy, the last whose operators the tests have seen
COUNT = (
    1 << 14
)  # nodes, stored arrays, inputs and outputs: each at most so many (a guess: unrolled loops have some thousands)
RANK = 32  # more axes than anything real has; NumPy has room for 64
# Where a tensor keeps numbers that are not raw bytes (`TensorProto`): the field, and what it holds small ones as.
FIELDS = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint32": "uint64_data", "uint64": "uint64_data",
}  # fmt: skip
FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8  # `AttributeProto.AttributeType`
EXTERNAL = 1  # `TensorProto.DataLocation`


class _UnsupportedError(Exception):
    """Well formed, but nothing that this library runs."""


@contextlib.contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Whatever protobuf and NumPy raise over bad bytes becomes one error."""
    try:
        yield
    except ModelFileError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ModelFileError(
            f"{what} cannot be read ({type(error).__name__}: {str(error)[:200]}). The file is damaged: copy or export it again."
        ) from error


def read_graph(path: Path) -> Graph:
    """The graph in an ONNX file; nothing in it runs, and no other file is opened.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: no ONNX file, or a damaged one: sizes that are not those of the data, names defined twice, or used before
            they are defined.
        ImportError: the `onnx` package is missing.
    """
    if path.is_dir():
        raise ModelFileError("Expected a file. Received: a directory.")
    data = path.read_bytes()
    model = _parse(data)
    with _damaged("The ONNX model"):
        if not model.HasField("graph"):
            raise ModelFileError(
                "Expected an ONNX model. Received: a file without a graph. Is it complete, and an ONNX file?"
            )
        for what in ("node", "initializer", "input", "output"):
            if (count := len(getattr(model.graph, what))) > COUNT:
                raise ModelFileError(
                    f"The graph has too many parts {what!r}. Expected: at most {COUNT}. Received: {count}."
                )
        graph = _describe(model, len(data))
        seen = _Names()
        _read_values(model.graph, graph, seen)
        for place, proto in enumerate(model.graph.node):
            node = _read_node(proto, place, graph)
            for name in node.inputs:
                if name and name not in seen:
                    raise ModelFileError(
                        f"The {node} takes {name!r}, which nothing before it makes. Expected: nodes in an order in which they can "
                        "run, without loops."
                    )
            for name in filter(None, node.outputs):
                seen.define(name)
            graph.nodes.append(node)
        for value in graph.outputs:
            if value.name not in seen:
                raise ModelFileError(f"The graph's output {value.name!r} is made by no node.")
    return graph


def _parse(data: bytes) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportError("Reading ONNX files needs the `onnx` package: pip install 'numba_rnn[onnx]'.") from error
    if not data:
        raise ModelFileError("Expected an ONNX model. Received: an empty file.")
    try:
        check_parts(data, onnx.ModelProto.DESCRIPTOR)
        return onnx.ModelProto.FromString(data)
    except ModelFileError:
        raise
    except (DecodeError, LookupError, ValueError) as error:
        raise ModelFileError(
            f"Expected an ONNX model. Received: a file that starts with {data[:8]!r} ({error}). Is it complete, and an ONNX file?"
        ) from error


class _Names(set[str]):
    def define(self, name: str) -> None:
        """Enter a name that a value has from here on."""
        if not name:
            raise ModelFileError(
                "The graph has an input or stored array without a name. The file is damaged: export it again."
            )
        if name in self:
            raise ModelFileError(f"The graph defines {name!r} twice. The file is damaged: export it again.")
        self.add(name)


def _describe(model: Any, size: int) -> Graph:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    graph = Graph(f"{model.producer_name} {model.producer_version}".strip(), model.ir_version, opset, size)
    first, last = OPSETS
    if not first <= opset <= last:
        graph.problems.append(
            f"It is written in opset {opset}. Expected: {first} to {last}; convert it with `onnx.version_converter`."
        )
    if model.functions:
        names = ", ".join(f"{f.domain}::{f.name}" for f in model.functions[:5])
        graph.problems.append(
            f"It defines functions of its own ({names}), which are not run; inline them with `onnx.inliner`."
        )
    if model.graph.sparse_initializer:
        graph.problems.append("It holds sparse tensors.")
    return graph


def _read_values(proto: Any, graph: Graph, seen: _Names) -> None:
    """Inputs, outputs and stored arrays. Older files list the arrays among the inputs too."""
    for tensor in proto.initializer:
        seen.define(tensor.name)
        try:
            graph.constants[tensor.name] = _read_tensor(tensor, f"The tensor {tensor.name!r}")
        except _UnsupportedError as error:
            graph.problems.append(f"{error}")
    seen.update(tensor.values.name for tensor in proto.sparse_initializer)
    listed = _Names()
    for value in proto.input:
        listed.define(value.name)
        if value.name not in seen:
            graph.inputs.append(_read_value(value, graph))
    seen.update(listed)
    graph.outputs += [_read_value(value, graph) for value in proto.output]


def _read_value(proto: Any, graph: Graph) -> Value:
    kind = proto.type.WhichOneof("value")
    if kind not in {"tensor_type", None}:
        graph.problems.append(f"{proto.name!r} is a {kind.removesuffix('_type')}. Expected: a tensor.")
        return Value(proto.name, None, None)
    tensor = proto.type.tensor_type
    if tensor.elem_type not in DTYPES and tensor.elem_type:
        graph.problems.append(f"{proto.name!r} holds {_data_type(tensor.elem_type)}, which is not computed with.")
    shape: tuple[int | str | None, ...] | None = None
    if tensor.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
    return Value(proto.name, DTYPES.get(tensor.elem_type), shape)


def _read_node(proto: Any, place: int, graph: Graph) -> Node:
    own = proto.domain in {"", "ai.onnx"}
    operator = proto.op_type if own else f"{proto.domain}::{proto.op_type}"
    name = proto.name or f"number {place}"
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.name in attributes:
            raise ModelFileError(f"The node {name!r} ({operator}) has the attribute {attribute.name!r} twice.")
        try:
            attributes[attribute.name] = _read_attribute(attribute, f"the node {name!r} ({operator})")
        except _UnsupportedError as error:
            attributes[attribute.name] = Refused(error)
    return Node(operator, name, tuple(proto.input), tuple(proto.output), attributes, graph.opset)


def _read_attribute(proto: Any, owner: str) -> Any:
    kind = proto.type
    if kind == TENSOR:
        return _read_tensor(proto.t, f"The tensor in {owner}")
    if kind == STRING:
        return proto.s.decode()
    if kind == STRINGS:
        return tuple(s.decode() for s in proto.strings)
    plain = {FLOAT: "f", INT: "i", FLOATS: "floats", INTS: "ints"}
    if kind not in plain or proto.ref_attr_name:
        raise _UnsupportedError(f"The attribute {proto.name!r} of {owner} is a graph or another thing that is not run.")
    value = getattr(proto, plain[kind])
    return value if kind in {FLOAT, INT} else tuple(value)


def _read_tensor(proto: Any, what: str) -> Array:
    """A stored array, whose declared size was compared with the bytes that are there."""
    if proto.data_location == EXTERNAL or proto.external_data:
        raise _UnsupportedError(
            f"{what} keeps its numbers in another file, which is not opened: save the model with its data inside "
            "(`onnx.save(onnx.load(path), path, save_as_external_data=False)`)."
        )
    if proto.data_type not in DTYPES or proto.HasField("segment"):
        raise _UnsupportedError(f"{what} holds {_data_type(proto.data_type)}, which is not computed with.")
    dtype, shape = DTYPES[proto.data_type], tuple(proto.dims)
    if len(shape) > RANK or any(n < 0 for n in shape):
        raise ModelFileError(f"{what} has an impossible shape: {shape[:RANK]}.")
    count = math.prod(shape)
    if proto.HasField("raw_data"):
        _check_count(what, shape, count * dtype.itemsize, len(proto.raw_data), "bytes")
        array = np.frombuffer(proto.raw_data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        stored = getattr(proto, FIELDS.get(dtype.name, "int32_data"))
        _check_count(what, shape, count, len(stored), "numbers")
        if dtype == np.float16:  # its bits, as whole numbers
            array = np.array(stored, np.int32).astype(np.uint16).view(dtype)
        else:
            array = np.array(stored, dtype) if dtype.kind == "f" else np.array(stored).astype(dtype)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _check_count(what: str, shape: tuple[int, ...], expected: int, received: int, unit: str) -> None:
    if expected != received:
        raise ModelFileError(
            f"{what} is of shape {shape}. Expected: {expected} {unit}. Received: {received}. The file is damaged: export it again."
        )


def _data_type(number: int) -> str:
    import onnx

    names = {value: name for name, value in onnx.TensorProto.DataType.items()}
    return f"{names.get(number, f'data type {number}')} numbers"
