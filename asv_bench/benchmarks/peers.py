"""Our layers against ONNX Runtime, one thread each, in one process: `python -m asv_bench.benchmarks.peers`.

The two hold the same weights, and their outputs are compared before anything is timed. They then take turns of about
20 ms, several calls a turn, for about two seconds each: whatever slows the machine meets both, and neither finds its
weights evicted by the other, as it would if single calls alternated. The minimum counts. ONNX Runtime gets its input
time-major, which is its own order; the transposition is not timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import arrays, layer, sequences

SHAPES = [
    (1, 1, 40, 128),
    (1, 100, 64, 128),
    (8, 100, 64, 128),
    (32, 100, 64, 128),
    (1, 25, 512, 512),
    (16, 25, 512, 512),
]
CELLS = ["lstm", "gru"]
TURN, TOTAL = 0.02, 2.0  # seconds a turn and a side
TOLERANCE = 1e-5  # both are float32; over 100 steps they part by a few 1e-7
# Gate blocks: ours (Keras') i, f, c, o and z, r, h; ONNX, operators LSTM and GRU: i, o, f, c and z, r, h.
ORDERS = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2)}


def onnx_model(cell: str, D: int, H: int) -> bytes:
    """A graph of one recurrent operator with our weights: X (T, B, D) to Y (T, 1, B, H)."""
    from onnx import TensorProto, checker, helper, numpy_helper

    def blocks(a: np.ndarray) -> np.ndarray:
        """Gate blocks (..., G*H) in ONNX's order."""
        parts = np.split(a, len(ORDERS[cell]), -1)
        return np.concatenate([parts[g] for g in ORDERS[cell]], -1)

    kernel, recurrent_kernel, bias = arrays(cell, D, H)
    if bias.ndim == 1:
        bias = np.stack([bias, np.zeros_like(bias)])
    weights = {"W": blocks(kernel).T[None], "R": blocks(recurrent_kernel).T[None], "b": blocks(bias).reshape(1, -1)}
    options = {"linear_before_reset": 1} if cell == "gru" else {}
    node = helper.make_node(cell.upper(), ["X", *weights], ["Y"], hidden_size=H, **options)
    graph = helper.make_graph(
        [node],
        cell,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "B", D])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["T", 1, "B", H])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def onnx_runtime(cell: str, x: np.ndarray, H: int) -> Callable[[], np.ndarray]:
    """A call that runs ONNX Runtime on one thread over x (B, T, D) and returns (T, 1, B, H)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = onnx_model(cell, x.shape[2], H)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"X": np.ascontiguousarray(x.transpose(1, 0, 2))}
    return lambda: session.run(None, feed)[0]


def best(calls: list[Callable[[], Any]]) -> list[float]:
    """The shortest time of each call, in seconds, the calls taking turns."""
    minima = [float("inf")] * len(calls)
    clock = time.perf_counter
    end = clock() + TOTAL * len(calls)
    while clock() < end:
        for i, call in enumerate(calls):
            turn = clock() + TURN
            while (start := clock()) < turn:
                call()
                minima[i] = min(minima[i], clock() - start)
    return minima


def compare(cell: str, B: int, T: int, D: int, H: int) -> tuple[float, float, float]:
    """Seconds of ours, seconds of ONNX Runtime's, and the largest difference of their outputs.

    Raises:
        AssertionError: the outputs differ by more than `TOLERANCE`.
    """
    x = sequences(B, T, D)
    ours = layer(cell, D, H, return_sequences=True)
    theirs = onnx_runtime(cell, x, H)
    difference = float(np.abs(ours(x) - theirs()[:, 0].transpose(1, 0, 2)).max())
    if not difference <= TOLERANCE:
        raise AssertionError(
            f"{cell} {B, T, D, H}: the outputs differ by {difference:.1e}, expected at most {TOLERANCE}"
        )
    mine, other = best([lambda: ours(x), theirs])
    return mine, other, difference


class OnnxRuntime:
    """ONNX Runtime's time over ours: above 1 this library is the faster."""

    params = (CELLS, SHAPES)
    param_names = ("cell", "B, T, D, H")

    def setup(self, *_: Any) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise NotImplementedError("the [peers] extra is not installed") from error

    def track_ratio(self, cell: str, shape: tuple[int, int, int, int]) -> float:
        mine, other, _ = compare(cell, *shape)
        return other / mine

    track_ratio.unit = "times their speed"


def main() -> None:
    """Print the comparison as a table."""
    import onnxruntime

    print(f"one thread, float32, all outputs; minima of {TOTAL:.0f} s a side; ONNX Runtime {onnxruntime.__version__}")
    print(f"{'cell':6}{'B, T, D, H':>20}{'numba_rnn us':>14}{'ORT us':>12}{'ORT / ours':>12}{'difference':>12}")
    for cell in CELLS:
        for shape in SHAPES:
            mine, other, difference = compare(cell, *shape)
            times = f"{mine * 1e6:14.1f}{other * 1e6:12.1f}{other / mine:12.2f}{difference:12.0e}"
            print(f"{cell:6}{', '.join(map(str, shape)):>20}{times}", flush=True)


if __name__ == "__main__":
    main()
