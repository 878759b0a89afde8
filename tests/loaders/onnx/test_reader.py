"""Damaged, hostile and unsupported files: every refusal is a ModelFileError that says why, before anything runs."""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.onnx import OnnxModel, describe_onnx, load_onnx

GOLDEN = Path(__file__).parents[2] / "golden" / "onnx"
Load = Callable[[bytes], OnnxModel]
X = {"x": [2, 3]}


def edited(onnx: Any, data: bytes, edit: Callable[[Any], Any]) -> bytes:
    model = onnx.ModelProto.FromString(data)
    edit(model)
    return bytes(model.SerializeToString())


def test_no_file(tmp_path: Path, onnx: Any) -> None:
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "missing.onnx")
    with pytest.raises(ModelFileError, match="directory"):
        load_onnx(tmp_path)
    with pytest.raises(TypeError, match="string or a path"):
        load_onnx(3)  # type: ignore[arg-type]


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(ImportError, match=r"pip install 'numba_rnn\[onnx\]'"):
        load_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x08", b"\x08\x07", b"hello, world"])
def test_other_files(data: bytes, load: Load, onnx: Any) -> None:
    with pytest.raises(ModelFileError, match="Expected an ONNX model"):
        load(data)


def test_every_truncation(load: Load, onnx: Any) -> None:
    data = (GOLDEN / "gru_packed.onnx").read_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(ModelFileError):
            load(data[:length])


def test_unknown_operators_are_named(make: Any, load: Load) -> None:
    nodes = [("Relu", ["x"], ["a"], {}), ("Det", ["a"], ["b"], {}), ("Foo", ["b"], ["y"], {"domain": "my.own"})]
    data = make(nodes, X, ["y"])
    with pytest.raises(ModelFileError, match=r"node 'my_Det' \(Det\) is an operator.*node 'my_Foo' \(my\.own::Foo\)"):
        load(data)


def test_they_are_described(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(make([("Relu", ["x"], ["a"], {}), ("Det", ["a"], ["y"], {})], X, ["y"], producer_name="me"))
    found = describe_onnx(path)
    assert (found.producer, found.operators) == ("me", {"Relu": 1, "Det": 1})
    assert found.problems == ("The node 'my_Det' (Det) is an operator that is not supported.",)


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([("Relu", ["b"], ["a"], {}), ("Relu", ["a"], ["b"], {})], "takes 'b', which nothing before it makes"),
        ([("Relu", ["y"], ["y"], {})], "takes 'y'"),
        ([("Relu", ["x"], ["y"], {}), ("Tanh", ["x"], ["y"], {})], "defines 'y' twice"),
        ([("Relu", ["x"], ["x"], {}), ("Relu", ["x"], ["y"], {})], "defines 'x' twice"),
        ([("Relu", ["x"], ["a"], {})], "output 'y' is made by no node"),
        ([("Relu", [], ["y"], {})], "wrong inputs"),
        ([("Relu", ["x", "x"], ["y"], {})], "wrong inputs"),
        ([("Add", ["x", ""], ["y"], {})], "wrong inputs"),
        ([("Relu", ["x"], ["y"], {"slope": 1.0})], "not supported: 'slope'"),
        ([("Transpose", ["x"], ["y"], {"perm": 1.5})], "'perm' of node .* wrong type"),
        ([("Concat", ["x"], ["y"], {})], "needs the attribute 'axis'"),
        ([("Cast", ["x"], ["y"], {"to": 8})], "casts to data type 8"),
        ([("Relu", ["x"], ["a", "z"], {}), ("Tanh", ["z"], ["y"], {})], "outputs that are not computed: z"),
        ([("Split", ["x"], ["y", "z"], {"num_outputs": 2**40})], "makes 1099511627776 parts"),
        ([("Squeeze", ["x"], ["y"], {"axes": [0]})], "'axes' as an attribute, which opset 17 knows as an input"),
    ],
)
def test_bad_graphs(nodes: Any, why: str, make: Any, load: Load) -> None:
    with pytest.raises(ModelFileError, match=why):
        load(make(nodes, X, ["y"]))


def test_no_name(make: Any, load: Load, onnx: Any) -> None:
    data = make([("Relu", ["x"], ["y"], {})], X, ["y"])
    for edit in (lambda m: m.graph.input.add(), lambda m: m.graph.initializer.add(data_type=1, raw_data=bytes(4))):
        with pytest.raises(ModelFileError, match="without a name"):
            load(edited(onnx, data, edit))


def test_attribute_twice(make: Any, load: Load, onnx: Any) -> None:
    data = make([("Flatten", ["x"], ["y"], {"axis": 1})], X, ["y"])
    twice = edited(onnx, data, lambda m: m.graph.node[0].attribute.add().CopyFrom(m.graph.node[0].attribute[0]))
    with pytest.raises(ModelFileError, match="'axis' twice"):
        load(twice)


def test_graphs_within_nodes(make: Any, load: Load, onnx: Any) -> None:
    inner = onnx.helper.make_graph([], "inner", [], [])
    with pytest.raises(ModelFileError, match=r"\(If\) is an operator that is not supported"):
        load(make([("If", ["x"], ["y"], {"then_branch": inner, "else_branch": inner})], X, ["y"]))
    with pytest.raises(ModelFileError, match=r"'axis' of the node .* is a graph"):
        load(make([("Flatten", ["x"], ["y"], {"axis": inner})], X, ["y"]))


def test_functions_of_its_own(make: Any, load: Load, onnx: Any) -> None:
    function = onnx.helper.make_function("my.own", "Foo", ["a"], ["b"], [], [onnx.helper.make_opsetid("", 17)])
    data = edited(onnx, make([("Relu", ["x"], ["y"], {})], X, ["y"]), lambda m: m.functions.append(function))
    with pytest.raises(ModelFileError, match=r"functions of its own \(my\.own::Foo\)"):
        load(data)


@pytest.mark.parametrize("opset", [1, 6, 99])
def test_opsets(opset: int, make: Any, load: Load) -> None:
    with pytest.raises(ModelFileError, match=f"opset {opset}. Expected: 7 to"):
        load(make([("Relu", ["x"], ["y"], {})], X, ["y"], opset=opset))


# --- stored numbers ---------------------------------------------------------------------------------------------------


def tensor(onnx: Any, **fields: Any) -> Any:
    return onnx.TensorProto(name="w", **{"data_type": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"dims": [2, 3], "raw_data": bytes(20)}, r"shape \(2, 3\). Expected: 24 bytes. Received: 20"),
        ({"dims": [2**40, 2**40], "raw_data": bytes(24)}, "Received: 24"),
        ({"dims": [2**62], "float_data": [1.0]}, "Expected: 4611686018427387904 numbers. Received: 1"),
        ({"dims": [2**32, 2**32, 0], "raw_data": b""}, "tensor 'w'|The ONNX model cannot be read"),
        ({"dims": [-1, 3], "raw_data": bytes(24)}, "impossible shape"),
        ({"dims": [1] * 100, "raw_data": bytes(4)}, "impossible shape"),
        ({"dims": [1], "data_type": 8, "string_data": [b"a"]}, "holds STRING"),
        ({"dims": [1], "data_type": 77, "raw_data": b"a"}, "holds data type 77"),
        ({"dims": [6], "data_location": 1}, "numbers in another file, which is not opened"),
        ({"dims": [6], "raw_data": bytes(24), "external_data": [{"key": "location", "value": "/etc/passwd"}]}, "another file"),
    ],
)  # fmt: skip
def test_bad_tensors(fields: Any, why: str, make: Any, load: Load, onnx: Any) -> None:
    fields = dict(fields)
    if "external_data" in fields:
        fields["external_data"] = [onnx.StringStringEntryProto(**entry) for entry in fields["external_data"]]
    model = edited(
        onnx, make([("Relu", ["x"], ["y"], {})], X, ["y"]), lambda m: m.graph.initializer.append(tensor(onnx, **fields))
    )
    with pytest.raises(ModelFileError, match=why):
        load(model)


DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("name", DTYPES)
def test_stored_numbers(name: str, raw: bool, make: Any, load: Load, onnx: Any) -> None:
    values = np.array([[0, 1, 2], [3, 5, 120]], name)
    number = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    given = values.astype("<" + values.dtype.str[1:]).tobytes() if raw else values.ravel().tolist()
    stored = onnx.helper.make_tensor("w", number, values.shape, given, raw=raw)
    data = edited(onnx, make([("Relu", ["x"], ["a"], {})], X, ["a"]), lambda m: m.graph.initializer.append(stored))
    data = edited(onnx, data, lambda m: m.graph.output.add(name="w"))
    _, w = load(data)(np.ones((2, 3), np.float32))
    assert w.dtype == values.dtype
    np.testing.assert_array_equal(w, values)


# --- what loading may cost -------------------------------------------------------------------------------------------


def test_nothing_grows_on_loading(make: Any, load: Load) -> None:
    shape = np.array([1 << 20, 1 << 20], np.int64)
    for node, constants in (
        (("ConstantOfShape", ["s"], ["a0"], {}), {"s": shape}),
        (("Expand", ["w", "s"], ["a0"], {}), {"s": shape, "w": np.ones((1, 1), np.float32)}),
        (("Tile", ["w", "s"], ["a0"], {}), {"s": shape, "w": np.ones((1, 1), np.float32)}),
        (("Add", ["w", "v"], ["a0"], {}), {"w": np.ones((1 << 13, 1), np.float32), "v": np.ones((1, 1 << 13), np.float32)}),
        (("MatMul", ["w", "v"], ["a0"], {}), {"w": np.ones((1 << 13, 1), np.float32), "v": np.ones((1, 1 << 13), np.float32)}),
        (("Identity", ["w"], ["a0"], {}), {"w": np.ones(1000, np.float32)}),
    ):  # fmt: skip
        doubling = [("Concat", [f"a{k}"] * 2, [f"a{k + 1}"], {"axis": 0}) for k in range(40)]
        data = make([node, *doubling, ("Shape", ["a40"], ["y"], {})], {}, ["y"], constants)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        load(data)
        assert time.perf_counter() - start < 2
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


def part(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that is a message or text."""
    size = len(content)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21])
    return bytes([number << 3 | 2]) + length + content


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (part(1, b"") * 20_000, "too many parts 'node'"),
        (part(5, b"") * 20_000, "too many parts 'initializer'"),
        (part(11, b"") * 20_000, "too many parts 'input'"),
        (b"\x0a\x00" * 600_000, "too many parts. Expected: at most 524288 fields"),
        (part(1, b"\x2a\x00" * 600_000), "too many parts. Expected: at most 524288 fields"),
    ],
    ids=["nodes", "arrays", "inputs", "fields", "attributes"],
)
def test_many_parts(graph: bytes, why: str, load: Load, onnx: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=why):
        load(b"\x08\x08" + part(7, graph))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_deep_nesting(load: Load, onnx: Any) -> None:
    graph = b""
    for _ in range(1000):
        graph = part(1, part(5, part(6, graph)))
    with pytest.raises(ModelFileError, match="Expected an ONNX model"):
        load(part(7, graph))


def test_weights_made_of_weights_are_made_on_loading(onnx: Any) -> None:
    model = load_onnx(GOLDEN / "lstm_stack_unfolded.onnx")
    assert sum(step.node.operator == "Concat" for step in model._steps) == 3  # of a shape, and of the states h and c
    lines: list[str] = []
    model.summary(lines.append)
    assert lines[0] == "input   words (rows, steps) int64"
    assert len(lines) == 1 + len(model._steps) + 3


def test_mutated_files(load: Load, onnx: Any) -> None:
    draw = random.Random(7)
    files = [path.read_bytes() for path in sorted(GOLDEN.glob("*packed.onnx"))]
    fine = 0
    for _ in range(300):
        data = bytearray(draw.choice(files))
        for _ in range(draw.choice([1, 1, 3, 9])):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        try:
            load(bytes(data))
            fine += 1
        except ModelFileError:
            pass
    assert 0 < fine < 300
