"""OpenVINO: the same ONNX model, compiled for latency, float32, inputs and outputs shared rather than copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import sequences
from ..shapes import Case
from .onnx_model import EXACT, feeds, onnx_model, read_output

NAME, MODULES, TOLERANCE = "OpenVINO", ("onnx", "openvino"), EXACT


def prepare(case: Case, threads: int) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    import openvino

    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # where the processor has bfloat16, that would be the default
    }
    request = core.compile_model(core.read_model(onnx_model(case), b""), "CPU", options).create_infer_request()
    feed = feeds(case, sequences(case.B, case.T, case.D))
    for name, array in feed.items():
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def call() -> np.ndarray:
        _ = feed  # the request keeps no reference to the arrays that it shares
        return request.infer(share_outputs=True)[0]

    return call, read_output
