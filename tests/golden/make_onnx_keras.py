"""Write the golden ONNX files that tf2onnx makes of Keras models, with inputs and Keras' own outputs.

    python tests/golden/make_onnx_keras.py

It needs Keras 3.15 on TensorFlow, and tf2onnx 1.17. tf2onnx makes an `LSTM` node of an LSTM layer; other recurrent layers become
loops, which are not run, or single steps where they are unrolled. Files as by `make_onnx.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from keras import layers

FOLDER = Path(__file__).parent / "onnx"


def stack() -> tuple[Any, list[Any]]:
    x = keras.Input((None, 3))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    y = layers.Dense(5, activation="relu")(y)
    y = layers.LSTM(4, go_backwards=True)(layers.BatchNormalization()(y))
    return keras.Model(x, layers.Dense(2, activation="softmax")(y)), [(2, 5, 3), (3, 4, 3)]


def states() -> tuple[Any, list[Any]]:
    x = keras.Input((5, 3))
    y, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    z = layers.LSTM(4)(x * 2.0, initial_state=[h, c])
    return keras.Model(x, [layers.Flatten()(y), layers.Concatenate()([h, z]), c]), [(2, 5, 3), (3, 5, 3)]


def unrolled() -> tuple[Any, list[Any]]:
    x = keras.Input((4, 3))
    y = layers.GRU(4, return_sequences=True, unroll=True)(layers.LayerNormalization()(x))
    return keras.Model(x, layers.SimpleRNN(3, unroll=True)(y)), [(2, 4, 3), (1, 4, 3)]


def write(name: str, model: Any, shapes: list[Any]) -> None:
    draw = np.random.default_rng(5)
    for w in model.weights:
        low = w.path.endswith("moving_variance")
        w.assign(draw.uniform(0.5, 2.0, w.shape) if low else draw.normal(0.0, 0.5, w.shape))
    call = tf.function(model.call, input_signature=[tf.TensorSpec(model.input.shape, tf.float32, name="x")])
    tf2onnx.convert.from_function(call, call.input_signature, opset=15, output_path=str(FOLDER / f"{name}.onnx"))
    stored = {}
    for prefix, key, shape in zip(["", "again:"], ["y", "again"], shapes, strict=True):
        stored[f"{prefix}x"] = x = draw.normal(size=shape).astype(np.float32)
        outputs = model(x)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        stored |= {f"{key}.{n}": y.numpy() for n, y in enumerate(outputs)}
    np.savez_compressed(FOLDER / f"{name}.npz", **stored)


if __name__ == "__main__":
    write("keras_stack", *stack())
    write("keras_states", *states())
    write("keras_unrolled", *unrolled())
