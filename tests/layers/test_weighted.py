"""Weights kept in fewer bytes: which layers, which numbers, what stays as it was, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Model, Sequential, layers
from numba_rnn.cells import CELLS
from numba_rnn.compressed import STORAGES, compress, expand
from numba_rnn.config import device
from numba_rnn.errors import DTypeError

from .conftest import random_weights

L = layers


def stack(*cells: Any, **options: Any) -> Any:
    return L.RNN([*cells], **options)


# Each takes (B, T, 3) and holds nothing but recurrent cells and Dense.
COMPRESSIBLE: dict[str, Any] = {
    "simple_rnn": lambda: L.SimpleRNN(5),
    "lstm": lambda: L.LSTM(5, return_sequences=True, go_backwards=True),
    "gru": lambda: L.GRU(5),
    "gru_reset_before": lambda: L.GRU(5, reset_after=False, use_bias=False),
    "stack": lambda: stack(L.LSTMCell(4), L.GRUCell(3)),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(4), merge_mode="sum"),
    "time_distributed": lambda: L.TimeDistributed(L.Dense(4, activation="tanh")),
    "dense": lambda: L.Dense(4, use_bias=False),
    "nested": lambda: Sequential([L.Input((None, 3)), Sequential([L.GRU(4, return_sequences=True)]), L.Dense(2)]),
    "softmax": lambda: L.SimpleRNN(5, activation="softmax"),  # runs in NumPy whatever the device
}


def built(kind: str, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    layer, x = COMPRESSIBLE[kind](), rng.standard_normal((2, 6, 3)).astype(np.float32)
    layer(x)
    random_weights(layer, rng)
    return layer, x


def rounded(layer: Any, storage: str) -> list[np.ndarray]:
    """The layer's weights, its matrices as that storage has them."""
    return [
        expand(compress(w.value, storage)) if w.name in {"kernel", "recurrent_kernel"} else w.value
        for w in layer.weights
    ]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", COMPRESSIBLE)
def test_computes_with_the_weights_that_are_kept(kind: str, storage: str, rng: np.random.Generator) -> None:
    layer, x = built(kind, rng)
    before, weights = np.asarray(layer(x)), layer.get_weights()
    layer.compress_weights(storage)
    after = np.asarray(layer(x))
    assert np.abs(after - before).max() > 1e-6
    for was, now in zip(weights, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert layer.count_params() == sum(w.size for w in weights)

    other = COMPRESSIBLE[kind]()
    other(x)
    other.set_weights(rounded(layer, storage))
    np.testing.assert_array_equal(after, np.asarray(other(x)))

    layer.compress_weights(None)
    np.testing.assert_array_equal(np.asarray(layer(x)), before)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", ["lstm", "gru", "dense"])
def test_kernels_agree_with_the_oracle(kind: str, storage: str, rng: np.random.Generator) -> None:
    layer, x = built(kind, rng)
    layer.compress_weights(storage)
    want = np.asarray(layer(x))
    with device("auto"):
        np.testing.assert_allclose(np.asarray(layer(x)), want, rtol=1e-6, atol=1e-6)


def test_weights_that_are_set_later_are_compressed_too(rng: np.random.Generator) -> None:
    layer, x = built("lstm", rng)
    layer.compress_weights("int8")
    random_weights(layer, rng)
    other, _ = built("lstm", rng)
    other.set_weights(rounded(layer, "int8"))
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(other(x)))


@pytest.mark.parametrize("kind", ["lstm", "bidirectional", "dense"])
def test_before_there_are_weights(kind: str, rng: np.random.Generator) -> None:
    layer, x = COMPRESSIBLE[kind](), rng.standard_normal((2, 6, 3)).astype(np.float32)
    layer.compress_weights("int8")
    layer(x)
    random_weights(layer, rng)
    other = COMPRESSIBLE[kind]()
    other(x)
    other.set_weights(rounded(layer, "int8"))
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(other(x)))


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_dropout_in_training_sees_the_same_weights(cell: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 6, 3)).astype(np.float32)
    pair = [getattr(L, cell)(5, recurrent_dropout=0.3, seed=7) for _ in range(2)]
    for layer in pair:
        layer(x)
    random_weights(pair[0], rng)
    pair[1].set_weights(rounded(pair[0], "bfloat16"))
    pair[0].compress_weights("bfloat16")
    np.testing.assert_array_equal(*(np.asarray(layer(x, training=True)) for layer in pair))


def test_other_layers_stay_as_they_are(rng: np.random.Generator) -> None:
    tokens = rng.integers(0, 9, (2, 6))
    layer = Sequential([L.Input((6,), dtype="int32"), L.Embedding(9, 4), L.LayerNormalization()])
    random_weights(layer, rng)
    want = layer(tokens)
    layer.compress_weights("int8")
    np.testing.assert_array_equal(layer(tokens), want)
    assert [one.weight_storage for one in layer.layers] == [None, None]


def test_shared_layers_and_own_classes(rng: np.random.Generator) -> None:
    class Doubled(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = L.Dense(4)

        def call(self, x: Any) -> Any:
            return 2 * self.inner(x)

    a, b, shared, own = L.Input((3,)), L.Input((3,)), L.Dense(3), Doubled()
    model = Model([a, b], own(L.Add()([shared(a), shared(b)])))
    random_weights(model, rng)
    x = [rng.standard_normal((2, 3)).astype(np.float32) for _ in "ab"]
    model.compress_weights("int8")
    got = model(x)
    assert [one.weight_storage for one in (shared, own, own.inner)] == ["int8", None, "int8"]
    weights = rounded(model, "int8")
    model.compress_weights(None)
    model.set_weights(weights)
    np.testing.assert_array_equal(got, model(x))


def test_nothing_changes_unless_all_layers_can(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 6, 3)).astype(np.float32)
    model = Sequential([L.Input((None, 3)), L.LSTM(4), L.Dense(2, name="last")], name="m")
    random_weights(model, rng)
    want = model(x)
    kernel, bias = model.layers[1].get_weights()
    kernel[2, 1] = 1e6
    model.layers[1].set_weights([kernel, bias])
    with pytest.raises(ValueError, match=r"Layer 'm/last': `kernel` does not fit float16\. .* Received: 1e\+06"):
        model.compress_weights("float16")
    assert [one.weight_storage for one in model._flatten_layers()] == [None] * 3
    kernel[2, 1] = np.nan
    model.layers[1].set_weights([kernel, bias])
    with pytest.raises(ValueError, match=r"Layer 'm/last': `kernel` cannot be kept as int8"):
        model.compress_weights("int8")
    kernel[2, 1] = 0.5
    model.layers[1].set_weights([kernel, bias])
    assert np.abs(model(x) - want).max() < 2  # runs as before


def test_float64_and_unknown_storages_are_refused(rng: np.random.Generator) -> None:
    for layer in (L.LSTM(3, dtype="float64", name="wide"), L.Dense(3, dtype="float64", name="wide")):
        for _ in "twice":
            with pytest.raises(DTypeError, match=r"Layer '.*wide.*|lstm_cell': Only what computes in float32"):
                layer.compress_weights("bfloat16")
            layer(rng.standard_normal((2, 6, 3)))
        layer.compress_weights(None)
    with pytest.raises(ValueError, match="Received: weights='int4'"):
        L.Masking().compress_weights("int4")


def test_every_cell_has_its_turn() -> None:
    specs = {COMPRESSIBLE[kind]().cell.spec.name for kind in ("simple_rnn", "lstm", "gru", "gru_reset_before")}
    assert specs == set(CELLS)
