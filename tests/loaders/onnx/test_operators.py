"""What changed between opsets, which ONNX's node tests do not show, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

I64 = np.int64
CASES: dict[str, tuple[Any, int]] = {
    "squeeze": (("Squeeze", ["q"], ["y"], {"axes": [0, 2]}), 11),
    "squeeze_all": (("Squeeze", ["q"], ["y"], {}), 11),
    "squeeze_input": (("Squeeze", ["q", "zero"], ["y"], {}), 13),
    "unsqueeze": (("Unsqueeze", ["x"], ["y"], {"axes": [0, 2]}), 11),
    "slice": (("Slice", ["x"], ["y"], {"starts": [1, -2], "ends": [9, 2**62], "axes": [0, 1]}), 9),
    "slice_without_axes": (("Slice", ["x"], ["y"], {"starts": [1], "ends": [-1]}), 9),
    "slice_backwards": (("Slice", ["x", "ends", "starts", "zero", "steps"], ["y"], {}), 10),
    "split": (("Split", ["x"], ["y", "z"], {"split": [1, 4], "axis": 1}), 11),
    "split_even": (("Split", ["x"], ["y", "z"], {"axis": 0}), 11),
    "split_uneven": (("Split", ["x"], ["y", "z"], {"axis": 1, "num_outputs": 2}), 18),
    "softmax": (("Softmax", ["c"], ["y"], {}), 11),
    "softmax_axis": (("Softmax", ["c"], ["y"], {"axis": 2}), 11),
    "softmax_first": (("Softmax", ["c"], ["y"], {"axis": 0}), 11),
    "softmax_new": (("Softmax", ["c"], ["y"], {}), 13),
    "log_softmax": (("LogSoftmax", ["c"], ["y"], {"axis": 1}), 11),
    "clip": (("Clip", ["x"], ["y"], {"min": -0.5, "max": 0.25}), 10),
    "clip_above": (("Clip", ["x"], ["y"], {"max": 0.25}), 7),
    "pad": (("Pad", ["x"], ["y"], {"pads": [1, 0, 0, 2], "value": 1.5}), 10),
    "pad_negative": (("Pad", ["x"], ["y"], {"pads": [0, -1, 0, -1]}), 10),
    "reduce_sum": (("ReduceSum", ["c"], ["y"], {"axes": [1], "keepdims": 0}), 11),
    "reduce_mean": (("ReduceMean", ["c"], ["y"], {"axes": [0, -1]}), 13),
    "reduce_mean_all": (("ReduceMean", ["c"], ["y"], {}), 18),
    "reduce_log_sum_exp": (("ReduceLogSumExp", ["c"], ["y"], {"axes": [1], "keepdims": 0}), 13),
    "dropout": (("Dropout", ["x"], ["y"], {"ratio": 0.7}), 7),
    "batch_normalization": (("BatchNormalization", ["c", "s", "s2", "s", "s2"], ["y"], {"epsilon": 0.1}), 9),
    "gemm": (("Gemm", ["x", "w", "b"], ["y"], {"alpha": 0.5, "beta": 2.0, "transB": 1}), 9),
    "gemm_rows": (("Gemm", ["x", "w", "column"], ["y"], {"transB": 1}), 11),
    "gemm_turned": (("Gemm", ["x", "w2"], ["y"], {"transA": 1}), 11),
    "gemm_number": (("Gemm", ["x", "w", "number"], ["y"], {"transB": 1}), 13),
    "matmul": (("MatMul", ["c", "w3"], ["y"], {}), 9),
    "matmul_vector": (("MatMul", ["c", "v"], ["y"], {}), 13),
    "matmul_left": (("MatMul", ["w4", "c"], ["y"], {}), 13),
    "reshape": (("Reshape", ["c", "shape"], ["y"], {}), 13),
    "flatten": (("Flatten", ["c"], ["y"], {"axis": -1}), 13),
    "expand": (("Expand", ["q", "shape2"], ["y"], {}), 13),
    "not": (("Not", ["flags"], ["y"], {}), 9),
    "div_whole": (("Div", ["whole", "whole2"], ["y"], {}), 14),
    "pow_mixed": (("Pow", ["positive", "whole"], ["y"], {}), 13),
    "cast": (("Cast", ["x"], ["y"], {"to": 7}), 9),
    "one_hot": (("OneHot", ["places", "depth", "two_values"], ["y"], {"axis": 1}), 11),
    "reverse_sequence": (("ReverseSequence", ["x", "lengths"], ["y"], {"time_axis": 1, "batch_axis": 0}), 10),
    "gather_negative": (("Gather", ["c", "places"], ["y"], {"axis": 1}), 13),
    "cumsum": (("CumSum", ["x", "one"], ["y"], {"exclusive": 1, "reverse": 1}), 14),
}


def arrays(rng: np.random.Generator) -> dict[str, Any]:
    f = np.float32
    made: dict[str, Any] = {
        "x": (4, 5), "c": (2, 3, 4), "q": (1, 3, 1), "w": (2, 5), "w2": (4, 3), "w3": (4, 6), "w4": (5, 3), "v": (4,), "b": (2,),
        "column": (4, 1),
    }  # fmt: skip
    made = {name: rng.normal(size=shape).astype(f) for name, shape in made.items()}
    return made | {
        "s": rng.uniform(0.5, 2, 3).astype(f), "s2": rng.uniform(0.5, 2, 3).astype(f), "number": np.array(1.5, f),
        "zero": np.array([0], I64), "ends": np.array([-1], I64), "starts": np.array([-9], I64),
        "steps": np.array([-2], I64), "shape": np.array([0, -1], I64), "shape2": np.array([2, 1, 4], I64),
        "flags": rng.random((2, 3)) > 0.5, "whole": np.array([7, -7, 8, -8], np.int32),
        "whole2": np.array([2, 2, -3, -3], np.int32),
        "positive": rng.uniform(0.5, 2, 4).astype(f), "places": np.array([[-1, 0], [2, 1]], I64), "depth": np.array(3, I64),
        "two_values": np.array([2.0, 5.0], f), "lengths": np.array([1, 5, 3, 2], I64), "one": np.array(1, I64),
    }  # fmt: skip


@pytest.mark.parametrize("stored", [False, True], ids=["given", "stored"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_as_in_onnx_runtime(name: str, stored: bool, rng: Any, make: Any, load: Any, run_ort: Any) -> None:
    """All inputs given, or all but the first one in the file."""
    node, opset = CASES[name]
    values = arrays(rng)
    given = dict.fromkeys(node[1][:1] if stored else node[1])
    feeds = {k: values[k] for k in given}
    constants = {k: values[k] for k in node[1] if k not in given}
    data = make([node], feeds, node[2], constants, opset)
    expected = run_ort(data, feeds)
    results = load(data).run(feeds)
    for key, wanted in zip(node[2], expected, strict=True):
        assert (results[key].dtype, results[key].shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(results[key], wanted, rtol=1e-5, atol=1e-6)
