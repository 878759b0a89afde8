"""Keras on TensorFlow: its own layers, the call traced once and compiled by XLA.

Without XLA, `tf.function` took 1.2 to 6.4 times as long, but for 20 steps of 1000 rows of 8 units (0.85); `predict` is slower yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import keras_model, sequences
from ..shapes import Case
from .onnx_model import EXACT

NAME, MODULES, TOLERANCE = "Keras on TensorFlow", ("tensorflow", "keras"), EXACT


def prepare(case: Case, threads: int) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:  # it has begun to run
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise NotImplementedError("TensorFlow began with another number of threads") from error
    import keras

    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(f"Keras runs on {keras.backend.backend()} in this process")
    model, x = keras_model(case, keras), tf.constant(sequences(case.B, case.T, case.D))
    options = {"mask": tf.constant(case.mask())} if case.masked else {}
    traced = tf.function(lambda x: model(x, **options), jit_compile=True)
    return lambda: traced(x), lambda y: y.numpy()
