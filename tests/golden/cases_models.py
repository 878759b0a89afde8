"""Golden cases: models, Sequential and functional, and every layer that does not recur."""

from __future__ import annotations

import keras
from cases import B, D, H, Input, Model, Sequential, T, branches, case, padded, sequences, tokens
from keras import layers as L  # noqa: N812
from keras import ops


@case("h5", "weights.h5")
def sequential_lstm(rng):
    return Sequential(
        [Input((T, D)), L.LSTM(3, return_sequences=True), L.LSTM(2), L.Dense(3, activation="softmax")]
    ), sequences(rng)


@case("weights.h5")
def sequential_gru_any_length(rng):
    model = Sequential(
        [Input((None, D)), L.GRU(3, return_sequences=True), L.Dropout(0.5), L.GRU(2, reset_after=False), L.Dense(1)]
    )
    return model, sequences(rng, B, 9, D)


@case("h5")
def sequential_renamed(rng):
    """Layer names that the weight file does not follow: it counts by class."""
    return Sequential(
        [
            Input((T, D)),
            L.LSTM(2, return_sequences=True, name="lstm_7"),
            L.Bidirectional(L.LSTM(2, return_sequences=True), name="b"),
            L.LSTM(3, name="a"),
            L.Dense(2, name="dense_1"),
            L.Dense(2, name="dense"),
        ]
    ), sequences(rng)


@case()
def sequential_built_by_data(rng):
    model = Sequential([L.GRU(H), L.Dense(2)])
    x = sequences(rng)
    model(x)
    return model, x


@case("h5")
def sequential_embedding(rng):
    return Sequential(
        [
            Input((6,)),
            L.Embedding(7, 3, mask_zero=True),
            L.LSTM(3, return_sequences=True),
            L.GRU(2),
            L.Dense(2, activation="sigmoid"),
        ]
    ), tokens(rng).astype("float32")


@case()
def sequential_masking(rng):
    return Sequential(
        [
            Input((6, D)),
            L.Masking(0.0),
            L.Dense(3),
            L.Dropout(0.1),
            L.Activation("tanh"),
            L.LayerNormalization(),
            L.SimpleRNN(3, return_sequences=True),
            L.BatchNormalization(),
            L.GRU(2, return_sequences=True),
            L.GlobalAveragePooling1D(),
        ]
    ), padded(rng)[:4]


@case()
def sequential_masking_bidirectional(rng):
    return Sequential(
        [
            Input((6, D)),
            L.Masking(0.0),
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode="sum"),
            L.TimeDistributed(L.Dense(3)),
            L.LSTM(2),
        ]
    ), padded(rng)


@case("weights.h5")
def time_distributed(rng):
    i = Input((T, 4, D), name="x")
    a = L.TimeDistributed(L.LSTM(2))(i)
    b = L.TimeDistributed(L.Dense(2, activation="relu"))(i)
    c = L.TimeDistributed(Sequential([Input((4, D)), L.GRU(2), L.Dense(3)]))(i)
    d = L.TimeDistributed(L.Flatten())(i)
    return Model(i, [a, b, c, d]), sequences(rng, B, T, 4, D)


@case("h5")
def core_layers(rng):
    return branches(
        rng,
        sequences(rng),
        dense=L.Dense(2, use_bias=False),
        dropout=L.Dropout(0.4),
        spatial=L.SpatialDropout1D(0.4),
        reshape=L.Reshape((D, -1)),
        flatten=L.Flatten(),
        norm=L.LayerNormalization(epsilon=1e-2),
        norm_axes=L.LayerNormalization(axis=[1, 2], scale=False),
        norm_plain=L.LayerNormalization(center=False, scale=False),
        batch=L.BatchNormalization(),
        batch_axis=L.BatchNormalization(axis=1, epsilon=0.1, scale=False),
        batch_plain=L.BatchNormalization(center=False),
        mean=L.GlobalAveragePooling1D(),
        max=L.GlobalMaxPooling1D(keepdims=True),
        mean_first=L.GlobalAveragePooling1D(data_format="channels_first"),
        masking=L.Masking(0.5),
    )


@case()
def noise_and_shaping(rng):
    i = Input((T, D), name="x")
    h = L.GaussianNoise(0.5)(L.GaussianDropout(0.3, seed=3)(L.Permute((2, 1))(i)))
    last = L.LSTM(2)(h)
    return Model(i, [h, L.RepeatVector(3)(last), L.GRU(2, return_sequences=True)(L.RepeatVector(2)(last))]), sequences(
        rng
    )


@case()
def merging(rng):
    i = [Input((T, D), name=n) for n in "abc"]
    outputs = {
        "concat": L.Concatenate()(i),
        "concat_time": L.Concatenate(axis=1)(i),
        "add": L.Add()(i),
        "multiply": L.Multiply()(i),
        "average": L.Average()(i),
        "subtract": L.Subtract()(i[:2]),
        "max": L.Maximum()(i),
        "min": L.Minimum()(i),
    }
    return Model(i, outputs), [sequences(rng) for _ in i]


@case("h5")
def merging_broadcast(rng):
    a, b = Input((T, D), name="a"), Input((D,), name="b")
    return Model([a, b], [L.Add()([a, b]), L.Multiply()([b, a])]), [sequences(rng), sequences(rng, B, D)]


@case("h5")
def several_inputs_and_outputs(rng):
    a, b = Input((T, D), name="a"), Input((4,), name="b")
    h = L.Concatenate()([L.GRU(3)(a), L.Dense(2)(b)])
    return Model([a, b], [L.Dense(2, name="p")(h), L.Dense(1, name="q")(h)]), [sequences(rng), sequences(rng, B, 4)]


@case("weights.h5")
def dict_inputs(rng):
    inputs = {"words": Input((T, D), name="words"), "extra": Input((2,), name="extra")}
    h = L.LSTM(3, return_sequences=True, return_state=True)(inputs["words"])
    y = L.Concatenate()([h[1], inputs["extra"]])
    return Model(inputs, {"class": L.Dense(2)(y), "steps": h[0]}), {
        "words": sequences(rng),
        "extra": sequences(rng, B, 2),
    }


@case("h5", "weights.h5")
def shared_layers(rng):
    a, b = Input((T, D), name="left"), Input((T, D), name="right")
    lstm, dense = L.LSTM(3), L.Dense(2)
    return Model([a, b], L.Concatenate()([dense(lstm(a)), dense(lstm(b)), lstm(a)])), [sequences(rng), sequences(rng)]


@case()
def shared_masked(rng):
    a, b = Input((6,), name="left", dtype="int32"), Input((6,), name="right", dtype="int32")
    e, lstm = L.Embedding(7, 3, mask_zero=True), L.Bidirectional(L.LSTM(2))
    return Model([a, b], L.Average()([lstm(e(a)), lstm(e(b))])), [tokens(rng), tokens(rng)]


@case("h5", "weights.h5")
def nested_sequential(rng):
    inner = Sequential([Input((T, D)), L.GRU(3, return_sequences=True), L.Dense(2)], name="inner")
    i = Input((T, D), name="x")
    return Model(i, [L.LSTM(2)(inner(i)), inner(i * 0.5)]), sequences(rng)


@case("weights.h5")
def nested_functional(rng):
    a, b = Input((T, D), name="in_a"), Input((T, D), name="in_b")
    h = L.LSTM(3, return_sequences=True)(L.Concatenate()([a, b]))
    inner = Model([a, b], [L.GRU(2)(h), h], name="inner")
    x, y = Input((T, D), name="x"), Input((T, D), name="y")
    first, second = inner([x, y]), inner([y, x])
    return Model([x, y], [L.Dense(2)(first[0]), second[0], L.SimpleRNN(2)(second[1])]), [sequences(rng), sequences(rng)]


@case("h5")
def nested_functional_plain(rng):
    a = Input((T, D), name="in_a")
    inner = Model(a, L.GRU(2, return_sequences=True)(a), name="inner")
    x = Input((T, D), name="x")
    return Model(x, L.Dense(2)(inner(x))), sequences(rng)


@case()
def nested_in_sequential(rng):
    a = Input((T, D))
    inner = Model(a, L.Bidirectional(L.GRU(2, return_sequences=True))(a))
    deep = Sequential([Sequential([Input((T, 4)), L.LSTM(3, return_sequences=True)]), L.SimpleRNN(2)])
    return Sequential([Input((T, D)), inner, deep, L.Dense(2)]), sequences(rng)


@case()
def nested_masked(rng):
    inner = Sequential([Input((6, 3)), L.LSTM(3, return_sequences=True), L.GRU(2)], name="inner")
    i = Input((6,), dtype="int32", name="tokens")
    return Model(i, inner(L.Embedding(7, 3, mask_zero=True)(i))), tokens(rng)


@case("h5", "weights.h5")
def encoder_decoder(rng):
    a, b = Input((T, D), name="encoder"), Input((None, 2), name="decoder")
    _, h, c = L.LSTM(3, return_state=True)(a)
    y, h2, c2 = L.LSTM(3, return_sequences=True, return_state=True)(b, initial_state=[h, c])
    return Model([a, b], [L.Dense(4, activation="softmax")(y), h2, c2]), [sequences(rng), sequences(rng, B, 7, 2)]


@case("h5")
def encoder_decoder_masked(rng):
    """The masks of both embeddings; the decoder's is dropped, as Keras does wherever an initial state is given."""
    a, b = Input((6,), name="encoder", dtype="int32"), Input((6,), name="decoder", dtype="int32")
    e = L.Embedding(7, 3, mask_zero=True)
    _, h = L.GRU(3, return_state=True)(e(a))
    y = L.GRU(3, return_sequences=True)(e(b), initial_state=h)
    return Model([a, b], L.Dense(7)(y)), [tokens(rng), tokens(rng)]


@case()
def encoder_decoder_bidirectional(rng):
    a, b = Input((T, D), name="encoder"), Input((T, 2), name="decoder")
    _, *states = L.Bidirectional(L.LSTM(2, return_state=True))(a)
    y = L.Bidirectional(L.LSTM(2, return_sequences=True))(b, initial_state=states)
    return Model([a, b], y), [sequences(rng), sequences(rng, B, T, 2)]


@case()
def explicit_masks(rng):
    x = Input((6, D), name="x")
    m = Input((6,), dtype="bool", name="m")
    h = Input((H,), name="h")
    outputs = [
        L.LSTM(H, return_sequences=True)(x, mask=m),
        L.GRU(H, return_sequences=True)(x, initial_state=h, mask=m),
        L.Bidirectional(L.SimpleRNN(H))(x, mask=m),
        L.GRU(H, return_sequences=True, zero_output_for_mask=True)(x, initial_state=h, mask=m),
    ]
    return Model([x, m, h], outputs), [sequences(rng, 5, 6, D), tokens(rng) > 0, sequences(rng, 5, H)]


@case()
def arithmetic(rng):
    i, j = Input((T, D), name="x"), Input((T, D), name="z")
    h = i * 2.0 - 1.0
    g = L.GRU(3, return_sequences=True)(h)
    outputs = {
        "scaled": h,
        "turned": 1.0 - i,
        "half": i / 2.0,
        "under": 1.0 / (2.0 + i * i),
        "minus": -i,
        "power": i**2,
        "sum": i + j,
        "product": i * j,
        "difference": i - j,
        "ratio": i / (j * j + 1.0),
        "last": g[:, -1],
        "some": g[:, 1:4:2, :2],
        "step": g[:, 2, :],
        "abs": abs(i),
        "rnn": L.LSTM(2)(h + j),
    }
    return Model([i, j], outputs), [sequences(rng), sequences(rng)]


@case()
def operations(rng):
    i, j = Input((T, D), name="x"), Input((T, D), name="z")
    outputs = {
        "expand": ops.expand_dims(i, 1),
        "squeeze": ops.squeeze(ops.expand_dims(i, 2), 2),
        "concat": ops.concatenate([i, j], axis=-1),
        "reshape": ops.reshape(i, (-1, T * D)),
        "transpose": ops.transpose(i, (0, 2, 1)),
        "mean": ops.mean(i, axis=1),
        "sum": ops.sum(i, axis=-1, keepdims=True),
        "max": ops.max(i, axis=1),
        "min": ops.min(i, axis=-1),
        "tanh": ops.tanh(i),
        "sigmoid": ops.sigmoid(i),
        "relu": ops.relu(i),
        "softmax": ops.softmax(i),
        "exp": ops.exp(i),
        "sqrt": ops.sqrt(ops.square(i)),
        "log": ops.log(ops.abs(i) + 1.0),
        "maximum": ops.maximum(i, j),
        "minimum": ops.minimum(i, 0.0),
        "stack": ops.stack([i, j], axis=1),
        "add": ops.add(i, j),
        "subtract": ops.subtract(i, j),
        "multiply": ops.multiply(i, j),
        "divide": ops.divide(i, 3.0),
        "power": ops.power(i, 2.0),
        "negative": ops.negative(i),
        "matmul": ops.matmul(i, ops.transpose(j, (0, 2, 1))),
        "flip": ops.flip(i, axis=1),
    }
    return Model([i, j], outputs), [sequences(rng), sequences(rng)]


@case()
def float64(rng):
    keras.config.set_dtype_policy("float64")
    try:
        model = Sequential([Input((T, D)), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GRU(2), L.Dense(2)])
    finally:
        keras.config.set_dtype_policy("float32")
    return model, rng.normal(size=(B, T, D))


@case()
def mixed_dtypes(rng):
    i = Input((T, D), name="x")
    h = L.GRU(3, return_sequences=True, dtype="float64")(i)
    return Model(i, [h, L.LSTM(2)(h)]), sequences(rng)


@case("weights.h5")
def stateful(rng):
    return Sequential(
        [
            Input(batch_shape=(B, T, D)),
            L.LSTM(3, return_sequences=True, stateful=True),
            L.GRU(2, stateful=True),
            L.Dense(2),
        ]
    ), sequences(rng)
