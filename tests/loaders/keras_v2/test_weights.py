"""Weights of other kinds of layers, out of files made here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numba_rnn as keras
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import load_model, load_weights

L = keras.layers
D, H = 3, 2
Write = Callable[..., Path]


def arrays(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def model(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((4, D)), *layers])


def per_gate(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, order: list[int]) -> list[np.ndarray]:
    """The blocks of a layer's weights, gate by gate in this order."""
    blocks = [np.split(array, len(order), -1) for array in (kernel, recurrent, bias)]
    return [block[gate] for gate in order for block in blocks]


@pytest.mark.parametrize(("kind", "order"), [("LSTM", [0, 2, 1, 3]), ("GRU", [0, 1, 2])])
def test_a_kernel_for_each_gate(kind: str, order: list[int], rng: np.random.Generator, write_h5: Write) -> None:
    options = {"reset_after": False} if kind == "GRU" else {}
    G = len(order)
    one, two, three = [arrays(rng, (D, G * H), (H, G * H), (G * H,)) for _ in range(3)]
    dense = arrays(rng, (2 * H, D), (D,))
    made = model(
        L.Bidirectional(getattr(L, kind)(H, return_sequences=True, **options)),
        keras.Sequential([L.TimeDistributed(L.Dense(D)), getattr(L, kind)(H, **options)], name="inner"),
    )
    path = write_h5(
        {"a": [*per_gate(*one, order), *per_gate(*two, order)], "b": [*dense, *per_gate(*three, order)]}, version=None
    )
    load_weights(made, path)
    for got, wanted in zip(made.get_weights(), [*one, *two, *dense, *three], strict=True):
        np.testing.assert_array_equal(got, wanted)


def by_cudnn(kernel: np.ndarray, recurrent: np.ndarray, biases: np.ndarray) -> list[np.ndarray]:
    """A layer's weights as cuDNN had them: each gate's kernel (H, D) behind the other, read as (D, H)."""
    G = kernel.shape[-1] // H
    kernels = [np.ascontiguousarray(k.T).reshape(k.shape) for k in np.split(kernel, G, -1)]
    return [
        np.concatenate(kernels, -1),
        np.concatenate([u.T for u in np.split(recurrent, G, -1)], -1),
        biases.reshape(-1),
    ]


def test_weights_of_cudnn(rng: np.random.Generator, write_h5: Write) -> None:
    lstm, gru = (arrays(rng, (D, G * H), (H, G * H), (2, G * H)) for G in (4, 3))
    path = write_h5({"a": by_cudnn(*lstm), "b": by_cudnn(*[np.concatenate([gru[0], gru[0][:0]]), *gru[1:]])})
    i = keras.Input((4, D))
    made = keras.Model(i, [L.LSTM(H)(i), L.GRU(H)(i)])
    load_weights(made, path)
    for got, wanted in zip(made.get_weights(), [*lstm[:2], lstm[2].sum(0), *gru], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_cudnn_kept_gates_kernels_turned() -> None:
    """The rule spelled out for one gate: kernel (D, H) = [[0, 1], [2, 3], [4, 5]] lay there as [[0, 2], [4, 1], [3, 5]]."""
    kernel = np.arange(6.0).reshape(D, H)
    assert by_cudnn(kernel, np.eye(H), np.zeros(2))[0].tolist() == [[0, 2], [4, 1], [3, 5]]


def test_weights_of_cudnn_need_their_kind_of_gru(rng: np.random.Generator, write_h5: Write) -> None:
    path = write_h5({"a": arrays(rng, (D, 3 * H), (H, 3 * H), (6 * H,))})
    made = model(L.GRU(H, reset_after=False))
    before = made.get_weights()
    with pytest.raises(ModelFileError, match=r"bias \(6,\).*\(12,\).*CuDNNGRU.*reset_after=True"):
        load_weights(made, path)
    for a, b in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_frozen_parts_come_last(rng: np.random.Generator, write_h5: Write) -> None:
    """A nested model's weights lie in one list: the trainable ones of all its layers, then the others of all."""
    inner = keras.Sequential(
        [
            keras.Input((4, D)),
            L.BatchNormalization(),
            L.LSTM(H, trainable=False, return_sequences=True),
            L.GRU(H, reset_after=False),
        ],
        name="i",
    )
    norm, gru = arrays(rng, (D,), (D,), (D,), (D,)), arrays(rng, (H, 3 * H), (H, 3 * H), (3 * H,))
    lstm = arrays(rng, (D, 4 * H), (H, 4 * H), (4 * H,))
    made = model(inner)
    load_weights(made, write_h5({"i": [*norm[:2], *gru, *norm[2:], *lstm]}))
    norm_layer, lstm_layer, gru_layer = inner.layers
    for layer, wanted in ((norm_layer, norm), (lstm_layer, lstm), (gru_layer, gru)):
        for got, array in zip(layer.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(got, array)


def named_model() -> Any:
    return model(L.LSTM(H, return_sequences=True, name="a"), L.LSTM(H, name="b"), L.Dense(1, name="c"))


def weights_of(rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    second = arrays(rng, (H, 4 * H), (H, 4 * H), (4 * H,))
    return {"c": arrays(rng, (H, 1), (1,)), "b": second, "other": arrays(rng, (5,))}


def test_by_name(rng: np.random.Generator, write_h5: Write) -> None:
    made, stored = named_model(), weights_of(rng)
    kept = made.layers[0].get_weights()
    made.load_weights(write_h5(stored), by_name=True)
    for layer, wanted in zip(made.layers, [kept, stored["b"], stored["c"]], strict=True):
        for got, array in zip(layer.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(got, array)


def test_in_their_order_the_same_file_does_not_fit(rng: np.random.Generator, write_h5: Write) -> None:
    with pytest.raises(ModelFileError, match=r"Expected: \('?lstm|layer 'a'.*do not fit"):
        named_model().load_weights(write_h5(weights_of(rng)))


def test_by_name_with_other_shapes(rng: np.random.Generator, write_h5: Write) -> None:
    made, stored = named_model(), weights_of(rng)
    stored["b"] = arrays(rng, (H, 4))
    before = made.layers[1].get_weights()
    path = write_h5(stored)
    with pytest.raises(ModelFileError, match="layer 'b'"):
        made.load_weights(path, by_name=True)
    with pytest.warns(UserWarning, match="layer 'b'.*keeps its own"):
        made.load_weights(path, skip_mismatch=True, by_name=True)
    np.testing.assert_array_equal(made.layers[1].get_weights()[0], before[0])
    np.testing.assert_array_equal(made.layers[2].get_weights()[0], stored["c"][0])


def test_by_name_of_a_file_without_names(tmp_path: Path) -> None:
    made = named_model()
    made.save(tmp_path / "m.keras")
    made.save_weights(tmp_path / "m.weights.h5")
    for name in ("m.keras", "m.weights.h5"):
        with pytest.raises(ValueError, match="names of layers"):
            made.load_weights(tmp_path / name, by_name=True)
    made.save(tmp_path / "m.h5")
    made.load_weights(tmp_path / "m.h5", by_name=True)


def test_hard_sigmoid_of_a_model_of_ones_own(rng: np.random.Generator, write_h5: Write) -> None:
    stored = {"x": arrays(rng, (D, 4 * H), (H, 4 * H), (4 * H,))}
    with pytest.warns(UserWarning, match="Layers y have that of Keras 3.*'keras2_hard_sigmoid'"):
        model(L.LSTM(H, recurrent_activation="hard_sigmoid", name="y")).load_weights(write_h5(stored))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(L.LSTM(H, recurrent_activation="keras2_hard_sigmoid")).load_weights(write_h5(stored))
        model(L.LSTM(H, recurrent_activation="hard_sigmoid")).load_weights(write_h5(stored, version="3.1.0"))


def test_nothing_is_read_before_shapes_are_compared(write_h5: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba_rnn.loaders.weights.read_array", lambda *_: pytest.fail("read"))
    path = write_h5({"a": [np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)], "b": [np.zeros((9, 9))] * 2})
    with pytest.raises(ModelFileError, match="do not fit"):
        model(L.LSTM(H), L.Dense(1)).load_weights(path)


def test_a_keras_1_model(rng: np.random.Generator, write_h5: Write) -> None:
    """Its own words, weights for each gate, and no version: what it computed, written out step by step."""
    W, U, b = arrays(rng, (D, 4 * H), (H, 4 * H), (4 * H,))
    kernel, bias = arrays(rng, (H, 2), (2,))
    config = [
        {"class_name": "LSTM", "config": {
            "name": "lstm_1", "trainable": True, "batch_input_shape": [None, 4, D], "input_dtype": "float32", "input_dim": D,
            "input_length": None, "output_dim": H, "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
            "activation": "tanh", "inner_activation": "hard_sigmoid", "W_regularizer": None, "U_regularizer": None,
            "b_regularizer": None, "dropout_W": 0.0, "dropout_U": 0.0, "return_sequences": False, "go_backwards": True,
            "stateful": False, "unroll": False, "consume_less": "cpu"}},
        {"class_name": "Dense", "config": {
            "name": "dense_1", "trainable": True, "output_dim": 2, "init": "uniform", "activation": "linear", "bias": True,
            "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.1}, "b_regularizer": None,
            "activity_regularizer": None, "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0}, "b_constraint": None,
            "input_dim": None}},
    ]  # fmt: skip
    weights = {"lstm_1": per_gate(W, U, b, [0, 2, 1, 3]), "dense_1": [kernel, bias]}
    made = load_model(write_h5(weights, {"class_name": "Sequential", "config": config}, version=None))
    x = rng.normal(size=(5, 4, D)).astype("float32")
    h = c = np.zeros((5, H))
    for t in (3, 2, 1, 0):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, -1)
        i, f, o = (np.clip(0.2 * z + 0.5, 0, 1) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    np.testing.assert_allclose(made.predict(x, verbose=0), h @ kernel + bias, atol=1e-6)
    dense = made.layers[-1]
    assert (dense.kernel_regularizer.l2, dense.kernel_constraint.max_value) == (0.1, 2)
    assert made.layers[0].unit_forget_bias
