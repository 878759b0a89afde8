"""TensorFlow's functions in old graphs, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.keras_v2 import upgrade
from numba_rnn.loaders.keras_v2.operations import RULES
from numba_rnn.models import deserialize_model
from numba_rnn.ops.base import OPS


def run(kind: str, config: dict[str, Any], node: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A graph of two inputs `a` and `b` and one operation."""
    inputs = [
        {
            "class_name": "InputLayer",
            "config": {"name": name, "batch_input_shape": [None, *x.shape[1:]]},
            "inbound_nodes": [],
        }
        for name, x in (("a", a), ("b", b))
    ]
    last = {
        "class_name": kind,
        "name": "o/p",
        "config": {"name": "o/p", "trainable": True, **config},
        "inbound_nodes": [node],
    }
    graph = {
        "name": "m",
        "layers": [*inputs, last],
        "input_layers": [["a", 0, 0], ["b", 0, 0]],
        "output_layers": [["o/p", 0, 0]],
    }
    config = upgrade({"class_name": "Functional", "config": graph}, (2, 4))
    return np.asarray(deserialize_model(config, (2, 4))([a, b]))


def called(function: str, **options: Any) -> tuple[str, dict[str, Any], Any]:
    kind = "SlicingOpLambda" if "getitem" in function else "TFOpLambda"
    return kind, {"function": function}, ["a", 0, 0, {"name": None, **options}]


B = ["b", 0, 0]
ALL = {"start": None, "stop": None, "step": None}


def joined(function: str, **options: Any) -> tuple[str, dict[str, Any], Any]:
    return "TFOpLambda", {"function": function}, [["a", 0, 0, options], ["b", 0, 0, options]]


FUNCTIONS = {
    "add": (called("__operators__.add", y=B), lambda a, b: a + b),
    "subtract": (called("math.subtract", y=2.0), lambda a, b: a - 2),
    "a constant first": (
        ("TFOpLambda", {"function": "math.subtract"}, ["_CONSTANT_VALUE", -1, 1.5, {"y": B, "name": None}]),
        lambda a, b: 1.5 - b,
    ),
    "a list of numbers": (called("math.multiply", y=[1.0, 2.0, 3.0]), lambda a, b: a * [1, 2, 3]),
    "divide": (called("math.truediv", y=B), lambda a, b: a / b),
    "power": (called("math.pow", y=2.0), lambda a, b: a**2),
    "maximum": (called("math.maximum", y=0.0), lambda a, b: np.maximum(a, 0)),
    "negative": (called("math.negative"), lambda a, b: -a),
    "sqrt": (called("math.sqrt"), lambda a, b: np.sqrt(a)),
    "mean": (called("math.reduce_mean", axis=1, keepdims=False), lambda a, b: a.mean(1)),
    "sum": (called("math.reduce_sum", axis=[1, 2], keepdims=True), lambda a, b: a.sum((1, 2), keepdims=True)),
    "softmax": (called("nn.softmax", axis=None), lambda a, b: np.exp(a) / np.exp(a).sum(-1, keepdims=True)),
    "concat": (joined("concat", axis=1), lambda a, b: np.concatenate([a, b], 1)),
    "stack": (joined("stack", axis=2), lambda a, b: np.stack([a, b], 2)),
    "reshape": (called("reshape", shape=[-1, 6]), lambda a, b: a.reshape(-1, 6)),
    "transpose": (called("compat.v1.transpose", perm=[0, 2, 1], conjugate=False), lambda a, b: a.transpose(0, 2, 1)),
    "expand": (called("expand_dims", axis=1), lambda a, b: a[:, None]),
    "tile": (called("tile", multiples=[1, 2, 1]), lambda a, b: np.tile(a, (1, 2, 1))),
    "clip": (called("clip_by_value", clip_value_min=0.7, clip_value_max=1.1), lambda a, b: np.clip(a, 0.7, 1.1)),
    "matmul": (called("linalg.matmul", b=B, transpose_b=True), lambda a, b: a @ b.transpose(0, 2, 1)),
    "reverse": (called("reverse", axis=[1]), lambda a, b: a[:, ::-1]),
    "last step": (
        called("__operators__.getitem", slice_spec=[ALL, -1]),
        lambda a, b: a[:, -1],
    ),
    "every other": (
        called("__operators__.getitem", slice_spec=[ALL, ALL, {"start": 0, "stop": 3, "step": 2}]),
        lambda a, b: a[:, :, 0:3:2],
    ),
    "cast": (called("cast", dtype="int32"), lambda a, b: a.astype("int32")),
}  # fmt: skip


def node_of(op: str, *references: Any, constants: Any = None, **attributes: Any) -> tuple[str, dict[str, Any], Any]:
    node = {"name": "n", "op": op, "input": ["x", "y"], "attr": {"T": {"type": "DT_FLOAT"}, **attributes}}
    return "TensorFlowOpLayer", {"node_def": node, "constants": constants or {}}, list(references)


A = ["a", 0, 0, {}]
NODES = {
    "add": (node_of("AddV2", A, [*B, {}]), lambda a, b: a + b),
    "a constant first": (node_of("Sub", A, constants={"0": 1.0}), lambda a, b: 1 - a),
    "a constant last": (node_of("Mul", A, constants={"1": 3.0}), lambda a, b: a * 3),
    "tanh": (node_of("Tanh", A), lambda a, b: np.tanh(a)),
    "mean": (node_of("Mean", A, constants={"1": 1}, keep_dims={"b": True}), lambda a, b: a.mean(1, keepdims=True)),
    "concat": (node_of("ConcatV2", A, [*B, {}], constants={"2": -1}), lambda a, b: np.concatenate([a, b], -1)),
    "transpose": (node_of("Transpose", A, constants={"1": [0, 2, 1]}), lambda a, b: a.transpose(0, 2, 1)),
    "matmul": (node_of("BatchMatMulV2", A, [*B, {}], adj_y={"b": True}), lambda a, b: a @ b.transpose(0, 2, 1)),
    "last step": (
        node_of(
            "StridedSlice",
            A,
            constants={"1": [0, -1], "2": [0, 0], "3": [1, 1]},
            begin_mask={"i": "1"},
            end_mask={"i": "1"},
            shrink_axis_mask={"i": "2"},
        ),
        lambda a, b: a[:, -1],
    ),
    "a slice": (
        node_of(
            "StridedSlice",
            A,
            constants={"1": [0, 0, 0, 1], "2": [0, 0, 0, 3], "3": [1, 1, 1, 2]},
            ellipsis_mask={"i": "1"},
            new_axis_mask={"i": "2"},
            begin_mask={"i": "4"},
            end_mask={"i": "4"},
        ),
        lambda a, b: a[..., None, :, 1:3:2],
    ),
    "expand": (node_of("ExpandDims", A, constants={"1": 1}), lambda a, b: a[:, None]),
}


@pytest.mark.parametrize(
    ("call", "expected"),
    [*FUNCTIONS.values(), *NODES.values()],
    ids=[*FUNCTIONS, *(f"{name} of a graph" for name in NODES)],
)
def test_functions(call: Any, expected: Any, rng: np.random.Generator) -> None:
    a, b = rng.uniform(0.5, 1.5, (2, 4, 2, 3)).astype("float32")
    y, wanted = run(*call, a, b), expected(a, b)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-5)


def test_every_rule_has_its_operation() -> None:
    for name, rule in RULES.items():
        parameters = list(OPS[rule.name].signature.parameters.values())
        assert set(rule.options.values()) <= {p.name for p in parameters}, name


WRONG = {
    "unknown function": (called("signal.fft"), "`signal.fft`.*layer 'o/p'.*It has: .*add"),
    "unknown option": (called("math.reduce_mean", axis=1, weights=[1.0]), "weights"),
    "no second tensor": (called("math.add"), "cannot be read.*'y'"),
    "unknown operation": (node_of("Fft", A), "`fft`"),
    "slices by tensors": (
        node_of("StridedSlice", A, [*B, {}], constants={"2": [1], "3": [1]}),
        "'o/p'. by what it computes",
    ),
    "no node": (("TensorFlowOpLayer", {"node_def": "\n\x03add"}, [A]), "cannot be read. Expected: JSON"),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_what_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        run(*call, np.ones((1, 2, 3), "float32"), np.ones((1, 2, 3), "float32"))
