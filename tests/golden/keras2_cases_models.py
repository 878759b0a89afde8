"""Cases for Keras 2 that only some of its versions can make, or that need layers beside the recurrent ones."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras2_cases import (
    B,
    D,
    H,
    Input,
    L,
    Model,
    Sequential,
    T,
    branches,
    case,
    keras,
    padded,
    policy,
    sequences,
    tokens,
)


@case("keras")
def masked_gru(rng):
    both = {"return_sequences": True, "return_state": True}
    return branches(
        padded(rng),
        L.GRU(H, reset_after=True),
        L.GRU(H, reset_after=False, go_backwards=True, **both),
        L.GRU(H, zero_output_for_mask=True, return_sequences=True),
        L.SimpleRNN(H, **both),
        L.RNN([L.LSTMCell(2), L.GRUCell(H)], return_sequences=True),
        L.Bidirectional(L.GRU(H), merge_mode="ave"),
        mask=True,
    )


@case("keras")
def time_major(rng):
    i = Input((B, D), name="x")  # the first axis, which is not in the shape, is time
    h = L.LSTM(H, return_sequences=True, time_major=True)(i)
    s = L.SimpleRNN(2, return_sequences=True, go_backwards=True, time_major=True)(h)
    return Model(i, [h, s, L.GRU(H, time_major=True, return_sequences=True, reset_after=False)(i)]), sequences(
        rng, T, B, D
    )


@case("keras", "weights.h5")
def backward_layer(rng):
    return branches(
        sequences(rng),
        L.Bidirectional(L.LSTM(2), backward_layer=L.GRU(3, go_backwards=True)),
        L.Bidirectional(
            L.GRU(2, return_sequences=True, name="ahead"),
            backward_layer=L.GRU(2, return_sequences=True, go_backwards=True, activation="relu", name="back"),
            merge_mode="sum",
            name="pair",
        ),
    )


@case("keras")
def initial_states(rng):
    """States of a Bidirectional, of a GRU under a mask, and those that are inputs of the model."""
    x, h, c = Input((6, D), name="x"), Input((H,), name="h"), Input((H,), name="c")
    m = L.Masking()(x)
    y = L.Bidirectional(L.LSTM(H, return_sequences=True))(m, initial_state=[h, c, c, h])
    z, state = L.GRU(H, return_sequences=True, return_state=True)(m, initial_state=[h])
    return Model([x, h, c], [y, z, state, L.SimpleRNN(H)(x, initial_state=c)]), [
        padded(rng),
        sequences(rng, 5, H),
        sequences(rng, 5, H),
    ]


@case("keras")
def call_arguments(rng):
    """Arguments that a graph records beside its tensors."""
    x, keep = Input((6, D), name="x"), Input((6,), dtype="bool", name="keep")
    y = L.LSTM(H, return_sequences=True)(x, mask=keep)
    z = L.Dropout(0.5)(L.GRU(H)(y, mask=keep, training=False), training=False)
    return Model([x, keep], [y, z]), [padded(rng), rng.random((5, 6)) < 0.6]


@case("keras")
def cell_states(rng):
    return branches(
        sequences(rng),
        L.RNN([L.LSTMCell(2), L.GRUCell(H)], return_sequences=True),
        L.RNN(L.LSTMCell(2), return_state=True),
        L.RNN(L.SimpleRNNCell(2, use_bias=False), unroll=True),
        L.Bidirectional(L.RNN([L.GRUCell(2), L.GRUCell(3, reset_after=False)]), merge_mode="concat"),
    )


@case("keras", "weights.h5")
def core_layers(rng):
    return branches(
        sequences(rng),
        L.BatchNormalization(),
        L.BatchNormalization(axis=1, scale=False, epsilon=0.1),
        L.LayerNormalization(epsilon=1e-2),
        L.GaussianNoise(0.3),
        L.LeakyReLU(),
        L.LeakyReLU(alpha=0.1),
        L.ELU(alpha=0.7),
        L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2),
        L.Softmax(axis=1),
        L.Reshape((D, -1)),
        L.Permute((2, 1)),
        L.GlobalMaxPooling1D(),
        L.GlobalAveragePooling1D(),
        L.Dense(2, activation="hard_sigmoid", use_bias=False),
        L.Activation("hard_sigmoid"),
        L.Activation("swish"),
        L.Activation("gelu"),
    )


@case("keras")
def activations(rng):
    """The functions whose meaning differs between Keras 2 and 3 first."""
    return branches(
        sequences(rng),
        L.LSTM(2, recurrent_activation="hard_sigmoid", activation="selu"),
        L.GRU(2, recurrent_activation="hard_sigmoid", activation="elu"),
        L.SimpleRNN(2, activation="hard_sigmoid"),
        L.LSTM(2, activation=L.LeakyReLU(alpha=0.05)),
        L.GRU(2, activation="softplus"),
        L.SimpleRNN(2, activation="swish"),
    )


@case("keras")
def merging(rng):
    i, j = Input((T, D), name="a"), Input((T, D), name="b")
    h = L.LSTM(H)(i)
    repeated = L.RepeatVector(T)(h)
    outputs = [
        L.Concatenate(axis=1)([i, j]),
        L.Add()([i, j, repeated]),
        L.Multiply()([i, j]),
        L.Average()([i, j]),
        L.Subtract()([i, j]),
        L.Maximum()([i, j]),
        L.Minimum()([i, j]),
        L.Dot(axes=2)([i, j]),
        L.Dot(axes=(1, 1), normalize=True)([i, j]),
        L.Flatten()(i),
    ]
    return Model([i, j], outputs), [sequences(rng), sequences(rng)]


@case("keras")
def masks_onwards(rng):
    """Masks through layers that keep them, merge them or use them."""
    i = Input((6,), name="tokens")
    e = L.Embedding(7, 3, mask_zero=True)(i)
    h = L.Dropout(0.2)(L.TimeDistributed(L.Dense(4, activation="tanh"))(e))
    both = L.Concatenate()([L.GRU(2, return_sequences=True)(h), L.LSTM(2, return_sequences=True)(e)])
    return Model(i, [L.LSTM(H)(both), L.GlobalAveragePooling1D()(both), L.GRU(2)(L.Add()([h, both]))]), tokens(rng)[:4]


@case("keras")
def op_layers(rng):
    """What arithmetic on symbolic tensors and TensorFlow's own functions leave in a graph."""
    i, j = Input((T, D), name="x"), Input((T, D), name="z")
    h = L.LSTM(H, return_sequences=True)(i)
    outputs = [
        h * 2.0,
        1.0 - h,
        h + j,
        h / (tf.abs(j) + 1.0),
        -h,
        tf.nn.relu(h),
        tf.nn.softmax(h, axis=-1),
        tf.tanh(j),
        tf.sigmoid(j),
        h[:, -1],
        h[:, 1:3, ::2],
        tf.reduce_mean(h, axis=1),
        tf.reduce_sum(h, axis=-1, keepdims=True),
        tf.concat([h, j], axis=-1),
        tf.reshape(h, (-1, T * H)),
        tf.transpose(h, (0, 2, 1)),
        tf.expand_dims(h, 1),
        tf.squeeze(tf.expand_dims(h, 2), 2),
        tf.matmul(h, j, transpose_b=True),
        tf.square(j) ** 2,
        tf.maximum(h, 0.0),
    ]
    return Model([i, j], outputs), [sequences(rng), sequences(rng)]


@case("keras")
def dict_outputs(rng):
    i, j = Input((T, D), name="left"), Input((T, D), name="right")
    return Model({"left": i, "right": j}, {"first": L.LSTM(2)(i), "second": L.GRU(2)(j)}), {
        "left": sequences(rng),
        "right": sequences(rng),
    }


@case("keras")
def sequential_deferred(rng):
    """A Sequential, and one inside, that first saw their shape in data."""
    x = sequences(rng)
    inner = Sequential([L.Dense(4, activation="tanh"), L.GRU(3, return_sequences=True)], name="inner")
    model = Sequential([inner, L.LSTM(2), L.Dense(2)])
    model(x)
    return model, x


@case("keras", "weights.h5")
def several_of_a_class(rng):
    """Names that neither count nor follow one another, and layers out of the order they were made in."""
    dense, last = L.Dense(2, name="dense"), L.GRU(2, name="z")
    i = Input((T, D), name="x")
    h = L.LSTM(2, return_sequences=True, name="lstm_7")(i)
    h = L.Bidirectional(L.LSTM(2, return_sequences=True), name="b")(h)
    h = L.LSTM(3, return_sequences=True, name="a")(h)
    return Model(i, [last(h), dense(L.Dense(3, name="dense_1")(L.GRU(2, name="c")(h)))]), sequences(rng)


@case("keras", "weights.h5")
def trained(rng):
    """A model with an optimizer's weights beside its own."""
    model = Sequential(
        [L.LSTM(3, return_sequences=True, input_shape=(T, D)), L.BatchNormalization(), L.GRU(2), L.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x = sequences(rng)
    model.train_on_batch(x, rng.normal(size=(B, 1)))
    return model, x


@case("keras")
def float64(rng):
    with policy("float64"):
        model = Sequential(
            [L.Bidirectional(L.LSTM(3, return_sequences=True), input_shape=(T, D)), L.GRU(2), L.Dense(2)]
        )
    return model, rng.normal(size=(B, T, D))


@case("keras", "weights.h5")
def mixed_float16(rng):
    with policy("mixed_float16"):
        model = Sequential(
            [L.Bidirectional(L.LSTM(3, return_sequences=True), input_shape=(T, D)), L.GRU(2), L.Dense(2)]
        )
    return model, sequences(rng)


@case()
def chunked_names(rng):
    """Lists of names above HDF5's 64 kB for an attribute, stored in several: one long name widens all of its list."""
    long = "a" * 3000
    i = Input((T, D), name="x")
    parts = [L.Dense(2, name=f"dense_{n}") for n in range(10)]
    inner = Sequential([L.LSTM(2, return_sequences=True, name=long, input_shape=(T, D)), *parts], name="inner")
    h = inner(i)
    for n in range(20):
        h = L.Activation("tanh" if n % 7 == 0 else "linear", name=f"activation_{n}")(h)
    return Model(i, L.GRU(2, name=long[:2999])(h)), sequences(rng)


def recurrent_pair(build: Any, gpu: bool) -> Any:
    """The same model of Keras' layers for the GPU alone, or of those that read their weights."""
    if gpu:
        layers = cudnn_layers()
        return build(layers.CuDNNLSTM, layers.CuDNNGRU)
    lstm = lambda units, **options: L.LSTM(units, recurrent_activation="sigmoid", **options)  # noqa: E731
    gru = lambda units, **options: L.GRU(units, recurrent_activation="sigmoid", reset_after=True, **options)  # noqa: E731
    return build(lstm, gru)


def cudnn_layers() -> Any:
    if keras.__name__ == "tf_keras":
        from tf_keras.api._v1.keras import layers

        return layers
    return tf.compat.v1.keras.layers


@case()
def cudnn_layers_alone(rng):
    """Weights of layers that Keras runs on a GPU only; its LSTM and GRU read them and give the outputs."""

    def build(lstm: Any, gru: Any) -> Any:
        i = Input((T, D), name="x")
        return Model(i, [lstm(H, name="lstm")(i), *gru(H, return_sequences=True, return_state=True, name="gru")(i)])

    return recurrent_pair(build, True), sequences(rng), recurrent_pair(build, False)


@case("legacy_weights.h5")
def cudnn_layers_inside(rng):
    def build(lstm: Any, gru: Any) -> Any:
        return Sequential(
            [
                L.Bidirectional(lstm(2, return_sequences=True), input_shape=(T, D)),
                L.Dropout(0.2),
                Sequential([gru(3, return_sequences=True, input_shape=(T, 4)), L.Dense(3)], name="inner"),
                lstm(2, go_backwards=True),
                L.Dense(2),
            ]
        )

    return recurrent_pair(build, True), sequences(rng), recurrent_pair(build, False)


@case()
def cudnn_stateful(rng):
    def build(lstm: Any, gru: Any) -> Any:
        return Sequential(
            [lstm(3, return_sequences=True, stateful=True, batch_input_shape=(B, T, D)), gru(2, stateful=True)]
        )

    return recurrent_pair(build, True), sequences(rng), recurrent_pair(build, False)
