"""ONNX Runtime: one operator a layer, time-major, `InferenceSession.run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import sequences
from ..shapes import Case
from .onnx_model import EXACT, feeds, onnx_model, read_output

NAME, MODULES, TOLERANCE = "ONNX Runtime", ("onnx", "onnxruntime"), EXACT


def prepare(case: Case, threads: int) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx_model(case), options, providers=["CPUExecutionProvider"])
    feed = feeds(case, sequences(case.B, case.T, case.D))
    return lambda: session.run(None, feed)[0], read_output
