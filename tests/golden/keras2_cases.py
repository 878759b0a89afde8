"""Cases for Keras 2: small models of every kind that its files spell differently from Keras 3's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

try:
    import tf_keras as keras
except ImportError:
    import keras

L, K = keras.layers, keras.backend
Model, Sequential, Input = keras.models.Model, keras.models.Sequential, keras.layers.Input

B, T, D, H = 4, 5, 3, 3

Build = Callable[[np.random.Generator], tuple[Any, Any]]
CASES: dict[str, tuple[Build, tuple[str, ...]]] = {}


def case(*also: str) -> Callable[[Build], Build]:
    """Register a case; `also` names formats beside `.h5`: "keras", "weights.h5", "legacy_weights.h5"."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = build, also
        return build

    return register


def sequences(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape or (B, T, D)).astype("float32")


def padded(rng: np.random.Generator) -> np.ndarray:
    """Sequences whose rows have padding on the right, on the left, in the middle, and everywhere."""
    x = sequences(rng, 5, 6, D)
    x[1, 4:] = 0
    x[2, :2] = 0
    x[3, 2:4] = 0
    x[4] = 0
    return x


def tokens(rng: np.random.Generator) -> np.ndarray:
    """The same patterns as token numbers, 0 for padding."""
    x = rng.integers(1, 7, (5, 6)).astype("int32")
    x[1, 4:] = 0
    x[2, :2] = 0
    x[3, 2:4] = 0
    x[4] = 0
    return x


def branches(x: np.ndarray, *made: Any, mask: bool = False) -> tuple[Any, Any]:
    """One input, masked or not, and the outputs of each layer in a list."""
    i = Input(x.shape[1:], name="x")
    h = L.Masking(name="mask")(i) if mask else i
    outputs = []
    for layer in made:
        y = layer(h)
        outputs += y if isinstance(y, (tuple, list)) else [y]
    return Model(i, outputs), x


@contextmanager
def policy(name: str) -> Any:
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


@case("keras", "weights.h5", "legacy_weights.h5")
def sequential_lstm(rng):
    return Sequential(
        [
            L.LSTM(3, return_sequences=True, input_shape=(T, D)),
            L.Dropout(0.3),
            L.LSTM(4),
            L.Dense(2, activation="softmax"),
        ]
    ), sequences(rng)


@case("keras")
def sequential_gru(rng):
    return Sequential(
        [
            L.GRU(3, return_sequences=True, input_shape=(None, D), reset_after=True),
            L.GRU(4, reset_after=False),
            L.Dense(1),
        ]
    ), sequences(rng)


@case("keras", "weights.h5")
def embedding_masks(rng):
    return Sequential(
        [
            L.Embedding(7, 3, mask_zero=True, input_length=6),
            L.SpatialDropout1D(0.2),
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.GRU(3),
            L.Dense(2, activation="sigmoid"),
        ]
    ), tokens(rng)


@case("keras")
def lstm_options(rng):
    return branches(
        sequences(rng),
        L.LSTM(H),
        L.LSTM(H, return_sequences=True, return_state=True, go_backwards=True, use_bias=False),
        L.LSTM(H, return_sequences=True, unroll=True, unit_forget_bias=False),
        L.LSTM(H, recurrent_activation="hard_sigmoid", activation="softsign"),
        L.LSTM(H, implementation=1, kernel_regularizer="l2", bias_constraint="non_neg", dropout=0.2),
    )


@case("keras")
def gru_options(rng):
    return branches(
        sequences(rng),
        L.GRU(H, reset_after=True),
        L.GRU(H, reset_after=False, return_sequences=True, return_state=True, go_backwards=True),
        L.GRU(H, reset_after=True, use_bias=False, unroll=True),
        L.GRU(H, reset_after=False, recurrent_activation="hard_sigmoid", use_bias=False),
        L.GRU(H, reset_after=True, recurrent_activation="hard_sigmoid", recurrent_dropout=0.2),
    )


@case("keras")
def simple_rnn_options(rng):
    return branches(
        sequences(rng),
        L.SimpleRNN(H),
        L.SimpleRNN(H, return_sequences=True, return_state=True, go_backwards=True, use_bias=False),
        L.SimpleRNN(H, return_sequences=True, unroll=True, activation="relu"),
    )


@case("keras")
def masked_lstm(rng):
    both = {"return_sequences": True, "return_state": True}
    return branches(
        padded(rng),
        L.LSTM(H),
        L.LSTM(H, **both),
        L.LSTM(H, go_backwards=True, **both),
        L.LSTM(H, unroll=True, recurrent_activation="hard_sigmoid"),
        L.Bidirectional(L.LSTM(H, return_sequences=True)),
        mask=True,
    )


@case("keras", "weights.h5", "legacy_weights.h5")
def encoder_decoder(rng):
    e, d = Input((T, D), name="e"), Input((None, D), name="d")
    _, h, c = L.LSTM(H, return_state=True, name="encoder")(e)
    y = L.LSTM(H, return_sequences=True, name="decoder")(d, initial_state=[h, c])
    _, s = L.GRU(H, return_state=True, name="encoder_gru")(e)
    z = L.GRU(H, return_sequences=True, return_state=True, name="decoder_gru")(d, initial_state=s)
    return Model([e, d], [L.Dense(2)(y), *z]), [sequences(rng), sequences(rng, B, 4, D)]


@case("keras")
def encoder_decoder_masked(rng):
    e, d = Input((6,), name="source"), Input((6,), name="target")
    embed = L.Embedding(7, 3, mask_zero=True, name="embed")
    _, h, c = L.LSTM(H, return_state=True, name="encoder")(embed(e))
    y, h2, c2 = L.LSTM(H, return_sequences=True, return_state=True, name="decoder")(embed(d), initial_state=[h, c])
    return Model([e, d], [L.Dense(2, activation="softmax")(y), h2, c2]), [tokens(rng), tokens(rng)[::-1].copy()]


@case("keras", "legacy_weights.h5")
def bidirectional(rng):
    return branches(
        sequences(rng),
        L.Bidirectional(L.LSTM(H)),
        L.Bidirectional(L.GRU(H, return_sequences=True), merge_mode="sum"),
        L.Bidirectional(L.SimpleRNN(H), merge_mode="mul"),
        L.Bidirectional(L.LSTM(H, return_sequences=True, use_bias=False), merge_mode="ave"),
        L.Bidirectional(L.GRU(H, reset_after=False), merge_mode=None),
    )


@case("keras")
def bidirectional_stacked(rng):
    i = Input((6, D), name="x")
    h = L.Masking()(i)
    h = L.Bidirectional(L.LSTM(H, return_sequences=True))(h)
    h = L.Bidirectional(L.GRU(H, return_sequences=True), merge_mode="sum")(h)
    y = L.Bidirectional(L.LSTM(H, return_state=True, name="inner"), name="outer")(h)
    return Model(i, y), padded(rng)


@case("keras", "legacy_weights.h5")
def cell_stacks(rng):
    i = Input((T, D), name="x")
    outputs = [
        L.RNN([L.LSTMCell(3), L.GRUCell(2), L.LSTMCell(2, use_bias=False)])(i),
        L.RNN(L.StackedRNNCells([L.SimpleRNNCell(2), L.SimpleRNNCell(3)]), return_sequences=True)(i),
        L.RNN(L.GRUCell(H, reset_after=False), go_backwards=True)(i),
        L.Bidirectional(L.RNN(L.LSTMCell(2), return_sequences=True))(i),
    ]
    return Model(i, outputs), sequences(rng)


@case("keras", "weights.h5", "legacy_weights.h5")
def nested(rng):
    i = Input((T, D), name="x")
    inner = Input((T, D), name="inner_x")
    h = L.LSTM(H, return_sequences=True, name="inner_lstm")(inner)
    functional = Model(inner, [h, L.GRU(2, name="inner_gru")(h)], name="functional_part")
    sequential = Sequential(
        [L.Dense(4, activation="relu", input_shape=(T, D)), L.Bidirectional(L.GRU(2))], name="sequential_part"
    )
    a, b = functional(i)
    return Model(i, [L.SimpleRNN(2)(a), b, sequential(i), sequential(a)]), sequences(rng)


@case("legacy_weights.h5")
def nested_norm(rng):
    """A nested model's weights are stored trainable ones first, whatever layers they are of."""
    inner = Sequential(
        [
            L.BatchNormalization(input_shape=(T, D)),
            L.LSTM(3, return_sequences=True),
            L.BatchNormalization(),
            L.Dense(3),
        ],
        name="inner",
    )
    return Sequential([inner, L.SimpleRNN(3)]), sequences(rng)


@case("keras")
def shared_layers(rng):
    i, j = Input((T, D), name="left"), Input((7, D), name="right")
    shared, dense = L.LSTM(H, name="shared"), L.Dense(2, name="dense")
    a, b = shared(i), shared(j)
    return Model([i, j], [dense(a), dense(b), L.concatenate([a, b]), L.subtract([a, b])]), [
        sequences(rng),
        sequences(rng, B, 7, D),
    ]


@case("keras")
def stateful(rng):
    return Sequential(
        [
            L.LSTM(3, return_sequences=True, stateful=True, batch_input_shape=(B, T, D)),
            L.GRU(2, stateful=True),
            L.Dense(2),
        ]
    ), sequences(rng)


@case("keras")
def time_distributed(rng):
    i = Input((T, 4, D), name="x")
    part = Sequential([L.GRU(2, input_shape=(4, D)), L.Dense(3)], name="part")
    outputs = [
        L.TimeDistributed(L.LSTM(2))(i),
        L.TimeDistributed(L.Dense(2, activation="relu"))(i),
        L.TimeDistributed(part)(i),
        L.GRU(2)(L.TimeDistributed(L.Flatten())(i)),
    ]
    return Model(i, outputs), sequences(rng, B, T, 4, D)
