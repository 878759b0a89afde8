from __future__ import annotations

import json
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, models, ops
from numba_rnn.errors import ModelFileError, ShapeError
from numba_rnn.ops.naming import clear_session
from numba_rnn.ops.tree import flatten

T, D, VOCABULARY = 5, 3, 7
OURS = types.SimpleNamespace(
    layers=layers, ops=ops, Model=models.Model, Sequential=models.Sequential, Input=layers.Input, tanh=ops.tanh
)


def masked_merge(K: Any) -> Any:
    L = K.layers
    tokens, frames = K.Input((T,), dtype="int32", name="tokens"), K.Input((T, D), name="frames")
    a = L.LSTM(4, return_sequences=True)(L.Embedding(VOCABULARY, 4, mask_zero=True)(tokens))
    b = L.Bidirectional(L.GRU(2, return_sequences=True))(L.Masking()(frames))
    joined = L.Concatenate()([a, b])
    outs = [f()([a, b]) for f in (L.Add, L.Multiply, L.Average, L.Maximum)]
    pooled = L.GlobalAveragePooling1D()(L.TimeDistributed(L.Dense(2))(joined))
    return K.Model([tokens, frames], [pooled, L.SimpleRNN(3)(joined), *(L.GRU(2)(o) for o in outs), *outs])


def encoder_decoder(K: Any) -> Any:
    L = K.layers
    source, target = K.Input((None, D), name="source"), K.Input((None, D), name="target")
    _, h, c = L.LSTM(4, return_state=True)(L.Masking()(source))
    y = L.LSTM(4, return_sequences=True)(L.Masking()(target), initial_state=[h, c])
    return K.Model({"source": source, "target": target}, {"y": L.Dense(2)(y), "h": h})


def shared(K: Any) -> Any:
    L = K.layers
    left, right = K.Input((T, D), name="left"), K.Input((T, D), name="right")
    rnn, dense = L.GRU(3), L.Dense(3)
    a, b = rnn(left), rnn(right)
    return K.Model([left, right], [dense(a) * 2.0 - dense(b), dense(dense(a))])


def nested(K: Any) -> Any:
    L = K.layers
    i = K.Input((D,), name="inner_in")
    inner = K.Model(i, L.Dense(D, name="inner_dense")(i), name="inner")
    head = K.Sequential([K.Input((D,)), L.Dense(2, name="head_dense")], name="head")
    x = K.Input((T, D), name="x")
    y, h, c = L.LSTM(D, return_state=True)(x)
    return K.Model(
        [x],
        [
            head(inner(y)),
            inner(h),
            L.Add()([inner(c), y]),
            L.TimeDistributed(K.Sequential([L.Dense(2)], name="step"))(x),
        ],
    )


def nested_masked(K: Any) -> Any:
    L = K.layers
    i = K.Input((T, 4), name="inner_in")
    inner = K.Model(i, L.LSTM(3, return_sequences=True)(L.Dense(4)(i)), name="inner")
    chain = K.Sequential([L.Dropout(0.1), L.GRU(3, return_sequences=True)], name="chain")
    tokens = K.Input((T,), dtype="int32", name="tokens")
    e = L.Embedding(VOCABULARY, 4, mask_zero=True)(tokens)
    return K.Model(tokens, [L.GRU(2)(inner(e)), L.GRU(2)(chain(e)), inner(e)])


def operations(K: Any) -> Any:
    L, o = K.layers, K.ops
    x = K.Input((T, D), name="x")
    y = L.LSTM(3, return_sequences=True)(x)
    last = y[:, -1, :]
    z = (2.0 - last) * o.mean(y, axis=1) / (o.exp(last) + 1.0) - (-last) ** 2
    w = o.squeeze(o.expand_dims(o.tanh(z), 1), 1)
    v = o.concatenate([o.relu(w), o.sigmoid(w), o.softmax(w)], axis=-1)
    flag = o.logical_and(last > 0, o.logical_not(o.not_equal(last, last)))
    tail = o.where(flag, o.cast(flag, "float32"), o.maximum(last, 0.1))
    swapped = o.matmul(y, o.transpose(y, (0, 2, 1)))
    sums = [
        o.sum(y, axis=[1, 2]),
        o.max(y, axis=1, keepdims=True),
        o.any(y > 0.5, axis=-1),
        y[..., 0],
        o.flip(y, axis=1),
    ]
    return K.Model(x, [v, tail, swapped, o.reshape(y, (-1, 5, 3, 1)), o.stack([last, z]), *sums])


def training_argument(K: Any) -> Any:
    # A call with any keyword does not record the mask that it uses.
    L = K.layers
    tokens = K.Input((T,), dtype="int32", name="tokens")
    e = L.Embedding(VOCABULARY, 4, mask_zero=True)(tokens)
    return K.Model(tokens, L.GRU(3)(L.Dropout(0.2)(e, training=False), training=False))


def unused_mask(K: Any) -> Any:
    L = K.layers
    x = K.Input((T, D), name="x")
    y = L.Masking()(x)
    return K.Model(x, [L.Flatten()(y), L.LSTM(2)(L.BatchNormalization()(L.LayerNormalization()(y)))])


def late_shared(K: Any) -> Any:
    L = K.layers
    x = K.Input((T, D), name="x")
    a, b = L.Dense(D, name="a"), L.Dense(D, name="b")
    return K.Model(x, L.Concatenate()([a(b(a(x))), b(x)]))


def passed_through(K: Any) -> Any:
    # A nested model returns its input as it is; one input of the outer model is not used.
    L = K.layers
    i = K.Input((T, D), name="inner_in")
    inner = K.Model(i, {"same": i, "other": L.Dense(D, name="inner_dense")(i)}, name="inner")
    spare, x = K.Input((2,), name="spare"), K.Input((T, D), name="x")
    y = inner(x)
    return K.Model([spare, x], [L.GRU(2)(L.Add()([y["same"], y["other"]])), y["same"][..., :1]])


def size_from_another(K: Any) -> Any:
    # One sequence has an unknown length, the other says how long both are.
    L = K.layers
    x, z = K.Input((None, D), name="x"), K.Input((6, 1), name="z")
    deep = L.Reshape((2, 6, 3))(L.Dense(6)(z))  # of another rank: batches do not lie on the same axis from the end
    return K.Model([x, z], [L.SimpleRNN(2)(L.Multiply()([x, z])), x + z, L.Add()([deep, x])])


BUILDERS: dict[str, Callable[[Any], Any]] = {
    f.__name__: f
    for f in (
        masked_merge, encoder_decoder, shared, nested, nested_masked, operations, training_argument, unused_mask, late_shared,
        passed_through, size_from_another,
    )
}  # fmt: skip


def data(model: Any, rng: np.random.Generator) -> Any:
    made = {}
    for t in model.inputs:
        shape = (4, *(n or 6 for n in t.shape[1:]))
        if t.dtype == "int32":
            made[t.name] = rng.integers(0, VOCABULARY, shape).astype("int32")
            made[t.name][0, 2:] = 0
        else:
            made[t.name] = rng.normal(size=shape).astype("float32")
            made[t.name][1, -2:] = 0
            made[t.name][2, 1] = 0
    return made if isinstance(model.input, dict) or len(made) > 1 else next(iter(made.values()))


def compare(wanted: Any, got: Any) -> None:
    assert isinstance(got, dict) == isinstance(wanted, dict)
    wanted, got = flatten(wanted), flatten(got)
    assert len(wanted) == len(got)
    for want, have in zip(wanted, got, strict=True):
        assert type(have) is np.ndarray
        assert have.dtype == np.asarray(want).dtype
        np.testing.assert_allclose(have, np.asarray(want), rtol=1e-5, atol=1e-5)


def both(keras: Any, build: Callable[[Any], Any], rng: np.random.Generator) -> tuple[Any, Any]:
    keras.utils.clear_session()
    clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = build(keras), build(OURS)
    ours.set_weights(
        [
            abs(rng.normal(0, 0.6, w.shape)) if "variance" in w.name else rng.normal(0, 0.6, w.shape)
            for w in ours.weights
        ]
    )
    theirs.set_weights(ours.get_weights())
    return theirs, ours


@pytest.mark.oracle
@pytest.mark.parametrize("name", BUILDERS)
def test_like_keras(keras: Any, rng: np.random.Generator, name: str) -> None:
    theirs, ours = both(keras, BUILDERS[name], rng)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert ours.count_params() == theirs.count_params()
    x = data(ours, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs.predict(x, verbose=0)
    compare(wanted, ours.predict(x))


@pytest.mark.oracle
@pytest.mark.parametrize("name", BUILDERS)
def test_read_from_keras(keras: Any, rng: np.random.Generator, name: str) -> None:
    theirs, _ = both(keras, BUILDERS[name], rng)
    read = models.deserialize_model(json.loads(theirs.to_json()))
    assert [layer.name for layer in read.layers] == [layer.name for layer in theirs.layers]
    read.set_weights([np.asarray(w) for w in theirs.get_weights()])
    x = data(read, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs(x, training=False)  # without the seconds that a graph takes to compile
    compare(wanted, read.predict(x))


@pytest.mark.oracle
@pytest.mark.parametrize("name", BUILDERS)
def test_keras_reads_ours(keras: Any, rng: np.random.Generator, name: str) -> None:
    _, ours = both(keras, BUILDERS[name], rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = keras.models.model_from_json(ours.to_json())
        read.set_weights(ours.get_weights())
        x = data(ours, rng)
        compare(read(x, training=False), ours.predict(x))


@pytest.mark.parametrize("name", BUILDERS)
def test_round_trip(rng: np.random.Generator, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BUILDERS[name](OURS)
        again = models.deserialize_model(json.loads(model.to_json()))
    again.set_weights(model.get_weights())
    x = data(model, rng)
    compare(model.predict(x), again.predict(x))


def test_an_object_that_occurs_twice_is_made_once(rng: np.random.Generator) -> None:
    dense = layers.Dense(D, name="shared")
    i, x = layers.Input((D,), name="i"), layers.Input((T, D), name="x")
    inner = models.Model(i, dense(i), name="inner")
    y = layers.GRU(D, name="g")(x)
    model = models.Model(x, [inner(y), dense(y)])
    config = json.loads(model.to_json())
    for entry in config["config"]["layers"]:
        for one in [entry, *(entry["config"].get("layers") or [])]:
            if one["name"] == "shared":
                one["shared_object_id"] = 4711
    read = models.deserialize_model(config)
    assert read.get_layer("shared") is read.get_layer("inner").get_layer("shared")
    read.set_weights([rng.normal(size=w.shape) for w in read.weights])
    a, b = read.predict(rng.normal(size=(2, T, D)))
    np.testing.assert_array_equal(a, b)


def small() -> Any:
    x = layers.Input((T, D), name="x")
    return models.Model(x, layers.Dense(2, name="d")(layers.GRU(3, name="g")(x)), name="small")


def test_inputs_are_standardised(rng: np.random.Generator) -> None:
    model = small()
    x = rng.normal(size=(4, T, D)).astype("float32")
    y = model(x)
    for given in ([x], {"x": x, "extra": x}, x.astype("float64"), x[..., None]):
        np.testing.assert_array_equal(model(given), y)
    bad: list[tuple[Any, type[Exception], str]] = [
        (x[:, :2], ShapeError, r"'x': expected shape=\(None, 5, 3\), found shape=\(4, 2, 3\)"),
        (x[..., :2], ShapeError, "expected shape"),
        ({"z": x}, ValueError, 'Missing data for input "x"'),
        ([x, x], ValueError, "expects 1 inputs"),
        (None, ValueError, "not optional"),
    ]
    for given, error, text in bad:
        with pytest.raises(error, match=text):
            model(given)


def test_predict_in_batches(rng: np.random.Generator) -> None:
    model = small()
    x = rng.normal(size=(37, T, D)).astype("float32")
    whole = np.asarray(model(x))
    for size in (1, 8, 36, 37, 64):
        np.testing.assert_allclose(model.predict(x, batch_size=size, verbose=0), whole, atol=1e-6)
    assert model.predict(x, batch_size=8, steps=2).shape == (16, 2)
    with pytest.raises(ValueError, match="`batch_size` must be a positive"):
        model.predict(x, batch_size=0)
    with pytest.raises(ShapeError, match="same number of rows"):
        model.predict((x, x[:3]))


def test_predict_shows_a_bar(rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    x = rng.normal(size=(9, T, D)).astype("float32")
    model.predict(x, batch_size=2)
    assert capsys.readouterr().err == ""
    model.predict(x, batch_size=2, verbose=1)
    seen = capsys.readouterr()
    assert "100%" in seen.err
    assert seen.out == ""


def test_graph_is_checked() -> None:
    x, z = layers.Input((3,), name="x"), layers.Input((3,), name="z")
    with pytest.raises(ValueError, match="Graph disconnected: the outputs depend on the input 'z'"):
        models.Model(x, layers.Add()([x, z]))
    with pytest.raises(ValueError, match='The name "d" is used 2 times'):
        models.Model(x, layers.Dense(2, name="d")(layers.Dense(2, name="d")(x)))
    with pytest.raises(ValueError, match="must be symbolic tensors"):
        models.Model(x, np.ones(3))


def test_middle_of_a_graph_is_a_model(rng: np.random.Generator) -> None:
    model = small()
    features = models.Model(model.input, model.get_layer("g").output)
    x = rng.normal(size=(4, T, D)).astype("float32")
    np.testing.assert_array_equal(model.get_layer("d")(features(x)), model(x))


def test_steps_one_after_another_that_share_more_than_one_tensor(rng: np.random.Generator) -> None:
    x = layers.Input((T, D))
    stem = layers.Dense(3)
    _, h, c = layers.LSTM(4, return_state=True)(stem(x))
    model = models.Model(x, layers.Concatenate()([c, h]))
    data = rng.standard_normal((2, T, D)).astype("float32")
    _, h, c = model.layers[2](stem(data))
    np.testing.assert_array_equal(model(data), np.concatenate([c, h], 1))


def test_layers_are_found() -> None:
    model = small()
    assert model.get_layer("d") is model.get_layer(index=2) is model.layers[-1]
    with pytest.raises(ValueError, match=r"No such layer: z. Existing layers are: \['x', 'g', 'd'\]"):
        model.get_layer("z")
    with pytest.raises(ValueError, match="Provide either"):
        model.get_layer()


def test_training_is_refused() -> None:
    model = small()
    model.compile("adam", loss="mse")
    assert model.get_compile_config() == {"optimizer": "adam", "loss": "mse"}
    with pytest.raises(NotImplementedError, match="Training is not there yet"):
        model.fit(None, None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["layers"][1].update(class_name="Conv9D"), "class 'Conv9D'"),
        (lambda c: c["layers"][1].update(class_name="Lambda"), "Lambda"),
        (lambda c: c["layers"][1].update(registered_name="Custom>GRU"), "Custom>GRU"),
        (lambda c: c["layers"][1].update(module="keras.src.ops.numpy"), "operation 'GRU'"),
        (lambda c: c["layers"][1]["config"].update(peephole=True), "option 'peephole' = True"),
        (lambda c: c["layers"][1]["config"].update(units=-1), "GRU 'g' cannot be made"),
        (lambda c: c["layers"][1]["config"].update(dtype="bfloat16"), "bfloat16"),
        (lambda c: c["layers"].pop(1), "'g', which it does not have"),
        (lambda c: c.update(output_layers=["d", 3, 0]), "call 3 of 'd'"),
        (lambda c: c.update(output_layers=["d", 0, 1]), "output 1 of 'd'"),
        (lambda c: c.pop("input_layers"), "input_layers"),
        (lambda c: c["layers"][1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["d", 0, 0]), "loops"),
    ],
)
def test_bad_files_are_refused(change: Any, text: str) -> None:
    config = json.loads(small().to_json())
    change(config["config"])
    with pytest.raises(ModelFileError) as caught:
        models.deserialize_model(config)
    assert text in str(caught.value)


def test_unknown_options_without_a_value_are_ignored(rng: np.random.Generator) -> None:
    config = json.loads(small().to_json())
    config["config"]["layers"][1]["config"].update(
        future=None, other=False, third=[], kernel_initializer={"class_name": "Mine"}
    )
    model = models.deserialize_model(config)
    with pytest.raises(ValueError, match="Could not interpret initializer identifier"):
        model.get_weights()
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    assert model(np.ones((1, T, D), "float32")).shape == (1, 2)


def test_newer_keras_does_not_forward_masks(rng: np.random.Generator) -> None:
    x = layers.Input((T, D), name="x")
    y = layers.GRU(3, return_sequences=True, name="a")(layers.Masking(name="m")(x))
    model = models.Model(x, layers.GRU(2, name="b")(y))
    config = json.loads(model.to_json())
    last = next(layer for layer in config["config"]["layers"] if layer["name"] == "b")
    last["inbound_nodes"][0]["kwargs"] = {}
    batch = rng.normal(size=(2, T, D)).astype("float32")
    batch[:, 3:] = 0
    old, new = (models.deserialize_model(config, version=v) for v in ((3, 15), (3, 16)))
    for read in (old, new):
        read.set_weights(model.get_weights())
    np.testing.assert_array_equal(old(batch), model(batch))
    unmasked = new.get_layer("b")(np.asarray(new.get_layer("a")(new.get_layer("m")(batch))))
    np.testing.assert_array_equal(new(batch), unmasked)
    assert np.abs(new(batch) - old(batch)).max() > 1e-3
