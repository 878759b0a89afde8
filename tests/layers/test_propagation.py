"""Which layers hand a mask on, which destroy it and say so, which use it up: Keras 3.15.1's list, a test a row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, layers
from numba_rnn.layers.masks import get_mask, set_mask

B, T, D = 3, 5, 4
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 0, 0, 0, 0]], bool)

# Each makes (B, T, D) of (B, T, D).
FORWARDED = {
    "Dense": lambda K: K.Dense(D),
    "Dropout": lambda K: K.Dropout(0.5),
    "SpatialDropout1D": lambda K: K.SpatialDropout1D(0.5),
    "Activation": lambda K: K.Activation("tanh"),
    "ReLU": lambda K: K.ReLU(),
    "LeakyReLU": lambda K: K.LeakyReLU(),
    "ELU": lambda K: K.ELU(),
    "BatchNormalization": lambda K: K.BatchNormalization(),
    "LayerNormalization": lambda K: K.LayerNormalization(),
    "TimeDistributed": lambda K: K.TimeDistributed(K.Dense(D)),
    "Bidirectional": lambda K: K.Bidirectional(K.GRU(2, return_sequences=True)),
    "SimpleRNN": lambda K: K.SimpleRNN(D, return_sequences=True),
    "LSTM": lambda K: K.LSTM(D, return_sequences=True),
    "GRU": lambda K: K.GRU(D, return_sequences=True, go_backwards=True),
    "RNN": lambda K: K.RNN([K.GRUCell(2), K.LSTMCell(D)], return_sequences=True),
}
DESTROYED = {
    "Flatten": lambda K: K.Flatten(),
    "Reshape": lambda K: K.Reshape((D, T)),
    "Permute": lambda K: K.Permute((2, 1)),
    "GlobalMaxPooling1D": lambda K: K.GlobalMaxPooling1D(),
}
CONSUMED = {
    "GlobalAveragePooling1D": lambda K: K.GlobalAveragePooling1D(),
    "LSTM": lambda K: K.LSTM(3),
    "GRU": lambda K: K.GRU(3),
    "SimpleRNN": lambda K: K.SimpleRNN(3),
    "RNN": lambda K: K.RNN([K.GRUCell(2), K.LSTMCell(D)]),
    "Bidirectional": lambda K: K.Bidirectional(K.LSTM(3)),
}


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    """Steps that `Masking` masks are zero already."""
    return (rng.normal(size=(B, T, D)) * MASK[:, :, None]).astype("float32")


@pytest.mark.parametrize("kind", FORWARDED)
def test_forwarded(kind: str, x: Any) -> None:
    layer = FORWARDED[kind](layers)
    y = layer(set_mask(x, MASK))
    np.testing.assert_array_equal(get_mask(y), MASK)
    assert get_mask(layer(x)) is None
    # In a graph the next layer obeys it.
    a, rnn = Input((T, D)), layers.SimpleRNN(3)
    z = FORWARDED[kind](layers)(layers.Masking()(a))
    before, after = Model(a, [z, rnn(z)])(x)
    np.testing.assert_array_equal(get_mask(before), MASK)
    np.testing.assert_array_equal(after, rnn(np.asarray(before), mask=MASK))
    assert np.abs(after - rnn(np.asarray(before))).max() > 1e-3


@pytest.mark.parametrize("kind", DESTROYED)
def test_destroyed_with_a_warning(kind: str, x: Any) -> None:
    layer = DESTROYED[kind](layers)
    with pytest.warns(UserWarning, match=rf"Layer '{layer.name}' \(of type {kind}\).* will therefore destroy the mask"):
        y = layer(set_mask(x, MASK))
    assert get_mask(y) is None
    np.testing.assert_array_equal(y, layer(x))
    a = Input((T, D))
    with pytest.warns(UserWarning, match="destroy the mask information"):
        z = DESTROYED[kind](layers)(layers.Masking()(a))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said when the graph was made, not at every call
        assert get_mask(Model(a, z)(x)) is None


@pytest.mark.parametrize("kind", CONSUMED)
def test_consumed(kind: str, x: Any) -> None:
    layer = CONSUMED[kind](layers)
    y = layer(set_mask(x, MASK))
    assert get_mask(y) is None
    np.testing.assert_array_equal(y, layer(x, mask=MASK))
    if kind == "GlobalAveragePooling1D":
        np.testing.assert_allclose(y, x.sum(1) / MASK.sum(1, keepdims=True), rtol=0, atol=1e-6)
    else:
        assert np.abs(y - layer(x)).max() > 1e-3


def test_states_have_no_masks(x: Any) -> None:
    for make in (
        layers.LSTM(2, return_sequences=True, return_state=True),
        layers.Bidirectional(layers.GRU(2, return_sequences=True, return_state=True)),
    ):
        y, *states = make(set_mask(x, MASK))
        np.testing.assert_array_equal(get_mask(y), MASK)
        assert [get_mask(s) for s in states] == [None, None]
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode=None)(set_mask(x, MASK))
    assert len(both) == 2
    for y in both:
        np.testing.assert_array_equal(get_mask(y), MASK)


def test_softmax_takes_the_mask_and_hands_it_on(rng: np.random.Generator) -> None:
    scores = rng.normal(size=(B, T)).astype("float32")
    y = layers.Softmax()(set_mask(scores, MASK))
    np.testing.assert_array_equal(get_mask(y), MASK)
    assert not y[~MASK].any()
    np.testing.assert_allclose(y.sum(1), 1, rtol=0, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*FORWARDED, *DESTROYED, *(f"last {kind}" for kind in CONSUMED)])
def test_like_keras(keras: Any, x: Any, kind: str) -> None:
    """The lists above are Keras' own."""
    make = CONSUMED[kind[5:]] if kind.startswith("last ") else (FORWARDED | DESTROYED)[kind]
    tensor = keras.ops.convert_to_tensor(x)
    tensor._keras_mask = keras.ops.convert_to_tensor(MASK)
    theirs = getattr(make(keras.layers)(tensor), "_keras_mask", None)
    assert (theirs is not None) == (kind in FORWARDED)
    if theirs is not None:
        np.testing.assert_array_equal(np.asarray(theirs), MASK)
