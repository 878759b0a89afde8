"""Whole models over arrays on the (simulated) GPU: what the host gives, without a trip to it, weights uploaded once."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, dispatch, layers, ops
from numba_rnn.errors import DeviceError, DTypeError, ShapeError
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.ops.tree import flatten, map_structure

from ..kernels.cuda.foreign import CupyArray, JaxArray, TorchTensor, host, install  # noqa: TID252 (no package with a name)
from ..kernels.cuda.simulator.driver import DeviceArray, SimulatedDriver  # noqa: TID252 (no package with a name)

TOLERANCE = 2e-6
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* will therefore destroy the mask")


@pytest.fixture
def driver() -> SimulatedDriver:
    """Races are looked for where the layers are tested one by one."""
    return SimulatedDriver()


@pytest.fixture(autouse=True)
def cuda(driver: SimulatedDriver, monkeypatch: pytest.MonkeyPatch, reference: None) -> Iterator[CUDA]:
    backend, get = CUDA(driver), dispatch.get
    monkeypatch.setattr(dispatch, "get", lambda name: backend if name == "cuda" else get(name))
    install(monkeypatch)
    with config.device("auto"):
        yield backend


def filled(model: Any, seed: int = 7) -> Any:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(0, 0.4, w.shape) for w in model.weights]
    model.set_weights(
        [abs(a) + 0.1 if w.name == "moving_variance" else a for w, a in zip(model.weights, arrays, strict=True)]
    )
    return model


def tokens(rng: np.random.Generator, *shape: int) -> Any:
    """Sequences of different lengths, the last steps 0."""
    x = rng.integers(1, 9, shape)
    for row, length in enumerate(rng.integers(1, shape[1] + 1, shape[0])):
        x[row, length:] = 0
    return x


def classifier() -> Any:
    return filled(
        Sequential([
            Input((None,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.SpatialDropout1D(0.2),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.Bidirectional(layers.LSTM(3)), layers.Dropout(0.5),
            layers.Dense(6, activation="relu"), layers.BatchNormalization(), layers.Dense(4, activation="softmax"),
        ])
    )  # fmt: skip


def translator() -> Any:
    source, target = Input((None,), dtype="int32", name="source"), Input((None,), dtype="int32", name="target")
    _, h, c = layers.LSTM(6, return_state=True)(layers.Embedding(9, 4, mask_zero=True)(source))
    y = layers.LSTM(6, return_sequences=True)(layers.Embedding(9, 3)(target), initial_state=[h, c])
    return filled(
        Model(
            {"source": source, "target": target}, {"words": layers.Dense(9, activation="softmax")(y), "state": [h, c]}
        )
    )


def transcriber() -> Any:
    return filled(
        Sequential([
            Input((None, 4)), layers.Masking(), layers.LayerNormalization(),
            layers.Bidirectional(layers.GRU(5, return_sequences=True), "sum"),
            layers.TimeDistributed(layers.Dense(6, activation="relu")),
            layers.TimeDistributed(layers.Dense(7, activation="softmax")),
        ])
    )  # fmt: skip


def branches() -> Any:
    a, b = Input((4, 3), name="a"), Input((4, 3), name="b")
    tail = Sequential(
        [Input((None, 5)), layers.GRU(4, return_sequences=True), layers.LayerNormalization()], name="tail"
    )
    shared = layers.LSTM(5, return_sequences=True)
    x, y = shared(layers.Masking()(a)), shared(b)
    both = layers.Concatenate()([x, layers.Multiply()([x, y])])
    pooled = layers.Add()([layers.GlobalAveragePooling1D()(tail(x)), layers.GlobalMaxPooling1D()(tail(y))])
    return filled(Model([a, b], [pooled, layers.Flatten()(both), layers.RepeatVector(2)(pooled)]))


def data(rng: np.random.Generator, make: Any, rows: int = 3) -> Any:
    if make is classifier:
        return tokens(rng, rows, 5)
    if make is translator:
        return {"source": tokens(rng, rows, 4), "target": tokens(rng, rows, 3)}
    x = rng.normal(size=(2, rows, 4, 4 if make is transcriber else 3)).astype(np.float32)
    x[:, :, 2] = 0
    return x[0] if make is transcriber else list(x)


MODELS = [classifier, translator, transcriber, branches]
# Of weights: a cell has 4, a pair 5, Dense and LayerNormalization 2, BatchNormalization 3, Embedding 1; a call without masks 1.
ARRAYS = {
    classifier: 1 + 5 + 5 + 2 + 3 + 2,
    translator: 1 + 4 + 1 + 4 + 2 + 1,
    transcriber: 2 + 5 + 2 + 2,
    branches: 4 + 4 + 2 + 1,
}


def on_host(model: Any, x: Any) -> Any:
    with config.device("reference"):
        return model.predict(x, verbose=0)


def there(x: Any, kind: type = DeviceArray) -> Any:
    return map_structure(lambda a: kind(a.copy()), x)


def near(found: Any, wanted: Any, kind: type = DeviceArray) -> None:
    assert type(found) is type(wanted) or not isinstance(wanted, (list, tuple, dict))
    for f, w in zip(flatten(found), flatten(wanted), strict=True):
        assert type(f) is kind
        assert (host(f).shape, host(f).dtype) == (w.shape, w.dtype)
        np.testing.assert_allclose(host(f), w, TOLERANCE, TOLERANCE)


@pytest.mark.parametrize("make", MODELS)
def test_models_stay_there(rng: np.random.Generator, driver: SimulatedDriver, make: Any) -> None:
    model, x = make(), data(rng, make)
    wanted = on_host(model, x)
    assert driver.uploads == 0
    near(model.predict(there(x)), wanted)
    once = driver.uploads
    assert once == ARRAYS[make]
    near(model(there(x)), wanted)
    near(model.predict(there(x), device="cuda"), wanted)
    near(model.predict_on_batch(there(x)), wanted)
    assert (driver.uploads, driver.downloads) == (once, 0)


@pytest.mark.parametrize("kind", [TorchTensor, CupyArray, JaxArray])
def test_results_are_of_the_kind_that_came(rng: np.random.Generator, driver: SimulatedDriver, kind: type) -> None:
    for make in MODELS:
        model, x = make(), data(rng, make)
        near(model.predict(there(x, kind)), on_host(model, x), kind)
    assert driver.downloads == 0


@pytest.mark.parametrize("make", MODELS)
def test_new_weights_go_there_once(rng: np.random.Generator, driver: SimulatedDriver, make: Any) -> None:
    model, x = make(), data(rng, make)
    model.predict(there(x))
    filled(model, 8)
    before = driver.uploads
    near(model.predict(there(x)), on_host(model, x))
    once = driver.uploads
    assert before < once
    model.predict(there(x))
    assert driver.uploads == once


@pytest.mark.parametrize("make", MODELS)
def test_batches(rng: np.random.Generator, driver: SimulatedDriver, make: Any) -> None:
    model, x = make(), data(rng, make, 5)
    wanted = on_host(model, x)
    near(model.predict(there(x), batch_size=3), wanted)
    near(model.predict(there(x), steps=2), wanted)
    near(model.predict(there(x), batch_size=2, steps=2), map_structure(lambda y: y[:4], wanted))
    assert driver.downloads == 0


@pytest.mark.parametrize("kind", [DeviceArray, TorchTensor])
def test_workspaces_are_used_again(
    rng: np.random.Generator, driver: SimulatedDriver, cuda: CUDA, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    monkeypatch.setattr(SimulatedDriver, "launch", lambda *_: None)
    gc.collect()
    gc.disable()
    try:
        for make in MODELS:
            model, x = make(), there(data(rng, make), kind)
            held = []
            for _ in range(100):
                before = driver.allocations
                model.predict(x)
                held.append((driver.allocations - before, sum(pool._kept for pool in cuda._pools.values())))
            assert len(set(held[2:])) == 1, "what one call leaves, the next takes"
            assert held[-1][0] == (len(flatten(model.predict(x))) if kind is DeviceArray else 0), (
                "nothing but the results"
            )
    finally:
        gc.enable()


def test_masks_are_made_once(driver: SimulatedDriver, rng: np.random.Generator) -> None:
    """A graph has operations for them; arrays on the GPU have their masks with them."""
    source = Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(source)
    model = filled(Model(source, layers.Concatenate()([layers.LSTM(3)(x), layers.GRU(3)(x)])))
    ids = tokens(rng, 3, 5).astype(np.int32)
    near(model.predict(there(ids)), on_host(model, ids))
    driver.launches.clear()
    model.predict(there(ids))
    names = [launch.name for launch in driver.launches]
    assert names == ["gather", "elementwise", "scan", "scan", "elementwise", "elementwise"]


def test_inputs_are_made_to_fit(rng: np.random.Generator) -> None:
    model = filled(Sequential([Input((4,)), layers.Reshape((4, 1)), layers.GRU(3)]))
    x = rng.normal(size=(2, 4)).astype(np.float32)
    near(model.predict(there(x.astype(np.float64))), on_host(model, x))
    near(model.predict(there(x[:, :, None])), on_host(model, x))
    model = Model(model.inputs, model.outputs)
    with pytest.raises(ShapeError, match=r"expected shape=\(None, 4\), found shape=\(2, 3\)"):
        model.predict(there(x[:, :3]))


def test_host_arrays_beside_others_go_there(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    model, (a, b) = branches(), data(rng, branches)
    near(model.predict([there(a), b]), on_host(model, [a, b]))


def test_copies_have_their_own(rng: np.random.Generator) -> None:
    model, x = classifier(), data(rng, classifier)
    wanted = on_host(model, x)
    model.predict(there(x))
    other = filled(copy.deepcopy(model), 9)
    near(other.predict(there(x)), on_host(other, x))
    near(model.predict(there(x)), wanted)


def test_a_sequential_is_built_by_its_first_call(rng: np.random.Generator) -> None:
    model, x = Sequential([layers.GRU(3), layers.Dense(2)]), rng.normal(size=(2, 3, 4)).astype(np.float32)
    y = model(there(x))
    near(y, on_host(model, x))


def test_operations(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    a, b = Input((4, 3)), Input((4, 3))
    outputs = [
        a + b, 2 - a, a * b, a / (b + 3.5), -a, ops.maximum(a, b), ops.minimum(a, 0.5), ops.tanh(a), ops.relu(a), ops.softmax(b),
        ops.leaky_relu(a), ops.concatenate([a, b], -1), a[:, -1], a[:, ::2, None, 1:], a[:, 3:0:-1], a[..., 0], ops.mean(a, axis=1),
        ops.max(a, axis=-1, keepdims=True), ops.sum(a, axis=1), ops.reshape(a, (-1, 6)), ops.transpose(a, (0, 2, 1)),
        ops.expand_dims(a, -1),
    ]  # fmt: skip
    model, x = Model([a, b], outputs), list(rng.normal(size=(2, 2, 4, 3)).astype(np.float32))
    near(model.predict(there(x)), on_host(model, x))
    before = driver.uploads
    model.predict(there(x))
    assert driver.uploads == before
    for y, reason in (
        (ops.gelu(a), "no such operation"), (ops.leaky_relu(a, 0.5), "its options are"), (ops.sum(a), "one axis at a time"),
        (a + np.ones(3, np.float32), "plain numbers. Received: ndarray"), (a[:, [0, 2]], "not arrays of them"),
    ):  # fmt: skip
        with pytest.raises(DeviceError, match=reason):
            Model([a, b], y).predict(there(x))


class Own(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2


class OwnModel(Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_what_cannot_run_there_is_named(rng: np.random.Generator) -> None:
    a, x = Input((4, 3)), there(rng.normal(size=(2, 4, 3)).astype(np.float32))
    for y, message in (
        (Own(name="mine")(a), r"Layer 'mine' \(Own\)"),
        (ops.cumsum(a), "cumsum"),
        (Sequential([Input((4, 3)), layers.LSTM(4, stateful=False), Own(name="deep")])(a), r"deep' \(Own\)"),
    ):
        with pytest.raises(DeviceError, match=f"{message}.*cannot run on the GPU"):
            Model(a, y).predict(x)
    with pytest.raises(DeviceError, match=r"\(OwnModel\) cannot run on the GPU.*no such layer"):
        OwnModel().predict(x)


def test_wrong_data_is_refused(rng: np.random.Generator) -> None:
    model, x = branches(), there(data(rng, branches))
    with pytest.raises(ValueError, match="expects 2 inputs"):
        model.predict(x[0])
    with pytest.raises(ShapeError, match="the same number of rows"):
        model.predict([x[0], DeviceArray(np.zeros((1, 4, 3), np.float32))])
    with pytest.raises(DTypeError, match="something else beside them"):
        model.predict([x[0], 3.0])
    with pytest.raises(ValueError, match="`batch_size` must be a positive whole number"):
        model.predict(x, batch_size=0)
    with pytest.raises(DeviceError, match="Copy it to the host first"):
        model.predict(x, device="cpu")


@pytest.mark.parametrize("make", [classifier, translator, branches])
def test_arrays_of_the_host_go_there_and_come_back_once(
    rng: np.random.Generator, driver: SimulatedDriver, make: Any
) -> None:
    """`predict` of NumPy arrays with device "cuda": whatever lies between, nothing visits the host."""
    model = filled(make())
    x = data(rng, make)
    want = on_host(model, x)
    near_host(model.predict(x, verbose=0, device="cuda"), want)
    uploads, downloads = driver.uploads, driver.downloads
    near_host(model.predict(x, verbose=0, device="cuda"), want)
    assert driver.uploads == uploads + len(flatten(x))
    assert driver.downloads == downloads + len(flatten(want))


def test_a_layer_that_the_gpu_lacks_runs_on_the_host(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    """Then the model is called layer by layer, its recurrent layers on the GPU."""

    class Doubled(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return 2 * np.asarray(inputs)

    model = filled(Sequential([Input((None, 3)), layers.GRU(4), Doubled()]))
    x = rng.standard_normal((2, 3, 3)).astype("float32")
    want = on_host(model, x)
    for scans in (2, 1):  # the first call finds out that it does not run there
        driver.launches.clear()
        near_host(model.predict(x, verbose=0, device="cuda"), want)
        assert [launch.name for launch in driver.launches].count("scan") == scans


def near_host(found: Any, wanted: Any) -> None:
    for a, b in zip(flatten(found), flatten(wanted), strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
