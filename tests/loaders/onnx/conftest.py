"""ONNX models made on the spot, run here and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.loaders.onnx import OnnxModel, load_onnx

REASON = "reads ONNX files: pip install '.[onnx]'"
ORT_REASON = "compares with ONNX Runtime: pip install '.[peers]'"
Made = Callable[..., bytes]


@pytest.fixture(scope="session")
def onnx() -> Any:
    return pytest.importorskip("onnx", reason=REASON)


@pytest.fixture(scope="session")
def make(onnx: Any) -> Made:
    """`make(nodes, inputs, outputs, constants, opset)` returns a model's bytes; nodes as (operator, inputs, outputs, attributes).

    Inputs are arrays, or lists of sizes for float32, by name; outputs are names.
    """
    helper, numpy_helper = onnx.helper, onnx.numpy_helper

    def value(name: str, given: Any) -> Any:
        if given is None:
            return onnx.ValueInfoProto(name=name)
        if isinstance(given, list):
            return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, given)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(given.dtype), given.shape)

    def make(nodes: Any, inputs: Any, outputs: Any, constants: Any = (), opset: int = 17, **more: Any) -> bytes:
        made = [helper.make_node(op, ins, outs, name=f"my_{op}", **at) for op, ins, outs, at in nodes]
        graph = helper.make_graph(
            made, "graph", [value(k, v) for k, v in inputs.items()], [value(k, None) for k in outputs],
            [numpy_helper.from_array(a, k) for k, a in dict(constants).items()],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", opset)]
        model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8, **more).SerializeToString()
        return model

    return make


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], OnnxModel]:
    def load(data: bytes) -> OnnxModel:
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        return load_onnx(path)

    return load


@pytest.fixture(scope="session")
def run_ort() -> Callable[[bytes, dict[str, Any]], list[Any]]:
    """`run_ort(model, feeds)` returns what ONNX Runtime makes of it."""
    ort = pytest.importorskip("onnxruntime", reason=ORT_REASON)

    def run(model: bytes, feeds: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return list(session.run(None, feeds))

    return run
