"""A case as an ONNX model, for the peers that read those."""

from __future__ import annotations

import numpy as np

from ..common import weights
from ..shapes import Case

__all__ = ["EXACT", "ORDERS", "feeds", "onnx_model", "read_output"]

EXACT = 1e-5  # both are float32; over the suite no peer parts from us by more than 1.4e-6
OPERATORS = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
# Gate blocks: ours (Keras') i, f, c, o and z, r, h; ONNX, operators LSTM and GRU: i, o, f, c and z, r, h.
ORDERS = {"simple_rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (0, 1, 2)}


def _blocks(cell: str, a: np.ndarray) -> np.ndarray:
    """Gate blocks (..., G*H) in ONNX's order."""
    parts = np.split(a, len(ORDERS[cell]), -1)
    return np.concatenate([parts[g] for g in ORDERS[cell]], -1)


def onnx_model(case: Case) -> bytes:
    """X (T, B, D), and with a mask `lengths` (B,), to Y (T, directions, B, H) of the last layer; shapes are fixed."""
    from onnx import TensorProto, checker, helper, numpy_helper

    dirs, B, T = case.directions, case.B, case.T
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [T, B, case.D])]
    if case.masked:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [B]))
    options = {"linear_before_reset": 1} if case.cell == "gru" else {}
    if case.bidirectional:
        options["direction"] = "bidirectional"
    constants = {"merged": np.array([T, B, dirs * case.H], np.int64)} if case.layers > 1 else {}
    nodes, x = [], "X"
    for n, directions in enumerate(weights(case)):
        parts: dict[str, list[np.ndarray]] = {"W": [], "R": [], "b": []}
        for kernel, recurrent, bias in directions:
            both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
            parts["W"].append(_blocks(case.cell, kernel).T)
            parts["R"].append(_blocks(case.cell, recurrent).T)
            parts["b"].append(_blocks(case.cell, both).reshape(-1))
        constants |= {f"{name}{n}": np.stack(arrays) for name, arrays in parts.items()}
        names = [x, *(f"{name}{n}" for name in parts)] + (["lengths"] if case.masked else [])
        y = "Y" if n == case.layers - 1 else f"Y{n}"
        nodes.append(helper.make_node(OPERATORS[case.cell], names, [y], hidden_size=case.H, **options))
        if y != "Y":
            nodes.append(helper.make_node("Transpose", [y], [f"T{n}"], perm=[0, 2, 1, 3]))
            nodes.append(helper.make_node("Reshape", [f"T{n}", "merged"], [f"X{n + 1}"]))
            x = f"X{n + 1}"
    graph = helper.make_graph(
        nodes,
        case.cell,
        inputs,
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [T, dirs, B, case.H])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def feeds(case: Case, x: np.ndarray) -> dict[str, np.ndarray]:
    """The model's inputs, from x (B, T, D)."""
    feed = {"X": np.ascontiguousarray(x.transpose(1, 0, 2))}
    return feed | ({"lengths": case.lengths().astype(np.int32)} if case.masked else {})


def read_output(y: np.ndarray) -> np.ndarray:
    """Y (T, directions, B, H) as (B, T, directions*H)."""
    T, dirs, B, H = y.shape
    return y.transpose(2, 0, 1, 3).reshape(B, T, dirs * H)
