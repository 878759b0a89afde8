"""Layers over arrays on the (simulated) GPU give what they give on the host, and nothing goes there and back on the way."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

from numba_rnn import config, dispatch, layers
from numba_rnn.errors import DeviceError, ShapeError
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.layers import resident
from numba_rnn.layers.masks import get_mask, set_mask
from numba_rnn.ops.tree import flatten, map_structure

from ..kernels.cuda.simulator.driver import DeviceArray, SimulatedDriver  # noqa: TID252 (no package with a name)
from .conftest import random_weights

B, T, D = 2, 4, 3
TOLERANCE = 2e-6


@pytest.fixture
def driver() -> SimulatedDriver:
    return SimulatedDriver(races=True)


@pytest.fixture(autouse=True)
def cuda(driver: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> Iterator[CUDA]:
    backend, get = CUDA(driver), dispatch.get
    monkeypatch.setattr(dispatch, "get", lambda name: backend if name == "cuda" else get(name))
    with config.device("auto"):
        yield backend


def there(x: Any) -> Any:
    return map_structure(lambda a: DeviceArray(np.array(a)) if isinstance(a, np.ndarray) else a, x)


def inside(layer: Any, x: Any, **arguments: Any) -> Any:
    """The outputs and their masks, as layers hand them on within a call."""
    place = dispatch.place(DeviceArray(np.zeros(1)))

    def bring(a: Any) -> Any:
        if not isinstance(a, np.ndarray):
            return a
        mask = get_mask(a)
        made = place.bring(DeviceArray(np.array(a)))
        return made if mask is None else made.masked(place.bring(DeviceArray(np.array(mask))))

    x, arguments = map_structure(bring, [x, arguments])
    return place, resident.apply(layer, x, **arguments)


def same(layer: Any, x: Any, driver: SimulatedDriver, **arguments: Any) -> None:
    """The layer on the host, alone on the GPU, and there within a call: numbers, shapes, dtypes, masks, trips."""
    rng = np.random.default_rng(11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of masks that are lost, which both say
        with config.device("reference"):
            layer(x, **arguments)
            random_weights(layer, rng)
            wanted = layer(x, **arguments)
        with mock.patch.object(driver, "launch"):  # brings the weights: what it computes nobody looks at
            inside(layer, x, **arguments)
        before = driver.uploads, driver.downloads
        place, found = inside(layer, x, **arguments)
        assert (driver.uploads, driver.downloads) == before, "weights are there, and nothing else has to be"
        alone = None if any(get_mask(a) is not None for a in flatten(x)) else layer(there(x), **there(arguments))
    assert [type(t) for t in (found, wanted)][: isinstance(found, (list, tuple))] in ([], [type(wanted)])
    pairs = list(zip(flatten(found), flatten(wanted), strict=True))
    for f, w in pairs:
        mask = get_mask(w)
        assert (f.mask is None) == (mask is None)
        if mask is not None:
            np.testing.assert_array_equal(place.give(f.mask).memory, mask)
        near(place.give(f), w)
    for f, w in zip(flatten(alone) if alone is not None else [], flatten(wanted), strict=alone is not None):
        near(f, w)


def near(found: Any, wanted: Any) -> None:
    assert type(found) is DeviceArray
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(found.memory, np.asarray(wanted), TOLERANCE, TOLERANCE)


def sequences(rng: np.random.Generator, *shape: int, dtype: str = "float32") -> Any:
    return rng.normal(size=shape or (B, T, D)).astype(dtype)


def masked(rng: np.random.Generator, x: Any) -> Any:
    mask = rng.random(x.shape[:2]) > 0.4
    mask[0, :2], mask[1, 0] = (True, False), False
    return set_mask(x, mask)


ALL = {"return_sequences": True}
RECURRENT = {
    "lstm": lambda: layers.LSTM(5),
    "lstm sequences, states": lambda: layers.LSTM(5, return_sequences=True, return_state=True),
    "gru backwards": lambda: layers.GRU(5, return_sequences=True, go_backwards=True),
    "gru, reset before": lambda: layers.GRU(5, reset_after=False, return_state=True),
    "simple": lambda: layers.SimpleRNN(5, activation="relu", use_bias=False),
    "float64": lambda: layers.LSTM(5, dtype="float64"),
    "zero output": lambda: layers.LSTM(5, return_sequences=True, zero_output_for_mask=True),
    "stack": lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(5)], return_sequences=True, return_state=True),
    "stack backwards": lambda: layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(2)], go_backwards=True),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(5, return_sequences=True, return_state=True)),
    "bidirectional last": lambda: layers.Bidirectional(layers.GRU(5), merge_mode="mul"),
    "bidirectional sum": lambda: layers.Bidirectional(layers.GRU(5, **ALL), merge_mode="sum"),
    "bidirectional ave": lambda: layers.Bidirectional(layers.LSTM(5, **ALL), merge_mode="ave"),
    "bidirectional both": lambda: layers.Bidirectional(layers.LSTM(5, **ALL), merge_mode=None),
    "bidirectional unlike": lambda: layers.Bidirectional(
        layers.LSTM(5, return_sequences=True, return_state=True),
        backward_layer=layers.GRU(2, return_sequences=True, return_state=True, go_backwards=True),
    ),
    "bidirectional stacks": lambda: layers.Bidirectional(layers.RNN([layers.LSTMCell(4), layers.GRUCell(5)], **ALL)),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers(rng: np.random.Generator, driver: SimulatedDriver, name: str) -> None:
    layer, x = RECURRENT[name](), sequences(rng)
    same(layer, x, driver)
    same(layer, masked(rng, x), driver)
    if name != "bidirectional unlike":  # its states are not alike, which no `initial_state` can be
        one = getattr(layer, "state_size", None)
        sizes = flatten(one or [layer.forward_layer.state_size, layer.backward_layer.state_size])
        same(layer, x, driver, initial_state=[sequences(rng, B, n) for n in sizes])


def test_masks_are_taken_from_the_host_too(rng: np.random.Generator) -> None:
    layer, x, mask = layers.GRU(5), sequences(rng), rng.random((B, T)) > 0.5
    with config.device("reference"):
        wanted = layer(x, mask=mask)
    near(layer(there(x), mask=mask), wanted)
    near(layer(there(x), mask=there(mask)), wanted)


def test_directions_are_one_launch(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    layer = layers.Bidirectional(layers.LSTM(5, return_sequences=True))
    layer(there(sequences(rng)))
    driver.launches.clear()
    layer(there(sequences(rng)))
    assert [launch.name for launch in driver.launches] == ["scan"]
    assert driver.launches[0].grid[1] == 2


STEPWISE = {
    "dense": lambda: layers.Dense(4),
    "dense tanh": lambda: layers.Dense(4, activation="tanh", use_bias=False),
    "dense gelu": lambda: layers.Dense(33, activation="gelu"),
    "dense softmax": lambda: layers.Dense(4, activation="softmax"),
    "dense with a layer": lambda: layers.Dense(4, activation=layers.LeakyReLU(0.2)),
    "dense float64": lambda: layers.Dense(4, activation="sigmoid", dtype="float64"),
    "time distributed": lambda: layers.TimeDistributed(layers.Dense(4, activation="log_softmax")),
    "time distributed softmax": lambda: layers.TimeDistributed(layers.Softmax()),
    "activation": lambda: layers.Activation("swish"),
    "softmax activation": lambda: layers.Activation("softmax"),
    "linear": lambda: layers.Activation("linear"),
    "relu": layers.ReLU,
    "relu with all": lambda: layers.ReLU(0.7, 0.1, 0.2),
    "leaky": layers.LeakyReLU,
    "elu": lambda: layers.ELU(0.5),
    "softmax": layers.Softmax,
    "dropout": lambda: layers.Dropout(0.5),
    "spatial dropout": lambda: layers.SpatialDropout1D(0.5),
    "noise": lambda: layers.GaussianNoise(1.0),
    "gaussian dropout": lambda: layers.GaussianDropout(0.5),
    "masking": layers.Masking,
    "layer normalization": layers.LayerNormalization,
    "rms": lambda: layers.LayerNormalization(rms_scaling=True),
    "plain normalization": lambda: layers.LayerNormalization(center=False, scale=False, dtype="float64"),
    "batch normalization": layers.BatchNormalization,
    "of time": lambda: layers.BatchNormalization(axis=1, scale=False),
    "uncentred": lambda: layers.BatchNormalization(center=False),
    "average": layers.GlobalAveragePooling1D,
    "average kept": lambda: layers.GlobalAveragePooling1D(keepdims=True),
    "average first": lambda: layers.GlobalAveragePooling1D("channels_first"),
    "largest": layers.GlobalMaxPooling1D,
    "largest first": lambda: layers.GlobalMaxPooling1D("channels_first", keepdims=True),
    "flatten": layers.Flatten,
    "flatten first": lambda: layers.Flatten("channels_first"),
    "reshape": lambda: layers.Reshape((-1, 2)),
    "permute": lambda: layers.Permute((2, 1)),
}


@pytest.mark.parametrize("name", STEPWISE)
def test_layers_of_one_input(rng: np.random.Generator, driver: SimulatedDriver, name: str) -> None:
    x = sequences(rng)
    x[0, 1], x[1, 3] = 0, 0
    same(STEPWISE[name](), x, driver)
    if not ("softmax" in name or "first" in name):  # which take no such mask, on the host either
        same(STEPWISE[name](), masked(rng, x), driver)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("mask_zero", [False, True])
def test_embedding(rng: np.random.Generator, driver: SimulatedDriver, dtype: str, mask_zero: bool) -> None:
    same(layers.Embedding(5, 3, mask_zero=mask_zero), rng.integers(0, 5, (B, T)).astype(dtype), driver)


def test_an_index_without_a_row_is_told_by_the_next_call(driver: SimulatedDriver) -> None:
    layer = layers.Embedding(5, 3)
    y = layer(there(np.array([[0, 5, 4]])))
    assert np.isnan(y.memory[0, 1]).all()
    assert not np.isnan(y.memory[0, [0, 2]]).any()
    with pytest.raises(IndexError, match="in an earlier call: its rows are NaN"):
        layer(there(np.array([[0]])))
    layer(there(np.array([[0]])))


def test_repeated_vectors(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    same(layers.RepeatVector(3), sequences(rng, B, D), driver)


def test_softmax_of_what_counts(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    same(layers.Softmax(), sequences(rng, B, T), driver, mask=np.array([[1, 0, 1, 1], [0, 1, 0, 0]], np.bool_))


MERGES = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Concatenate")


@pytest.mark.parametrize("name", [*MERGES, "Subtract"])
@pytest.mark.parametrize("masks", [(False, False, False), (True, True, True), (True, False, True)])
def test_merges(rng: np.random.Generator, driver: SimulatedDriver, name: str, masks: tuple[bool, ...]) -> None:
    arrays = [sequences(rng) for _ in range(2 if name == "Subtract" else 3)]
    same(getattr(layers, name)(), [masked(rng, x) if m else x for x, m in zip(arrays, masks, strict=False)], driver)


def test_merges_of_other_shapes(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    same(layers.Add(), [sequences(rng), sequences(rng, B, D)], driver)
    same(layers.Multiply(), [sequences(rng, B, T, 1), sequences(rng, B, 1, D)], driver)
    same(layers.Concatenate(axis=1), [masked(rng, sequences(rng)), sequences(rng, B, 2, D)], driver)
    same(layers.Concatenate(), [sequences(rng, B, 2), sequences(rng, B, 3)], driver)


def test_weights_go_there_once_a_version(rng: np.random.Generator, driver: SimulatedDriver) -> None:
    for layer in (layers.Dense(3), layers.LSTM(4), layers.LayerNormalization(), layers.BatchNormalization()):
        x = sequences(rng)
        layer(there(x))
        random_weights(layer, rng)
        before = driver.uploads
        y = layer(there(x))
        once = driver.uploads - before
        assert once > 0
        layer(there(x))
        assert driver.uploads - before == once
        with config.device("reference"):
            near(y, layer(x))


# Refusals


class Own(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2


class OwnDense(layers.Dense):
    def call(self, inputs: Any) -> Any:
        return super().call(inputs) * 2


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Own(name="mine"), r"Layer 'mine' \(Own\) cannot run on the GPU.*no such layer"),
        (lambda: OwnDense(3, name="mine"), "its `call` is a Python function"),
        (lambda: layers.Dense(3, activation=lambda x: x), "its activation is a Python function"),
        (lambda: layers.Dense(4, activation="glu"), "its activation is 'glu'"),
        (lambda: layers.Softmax(axis=1), "its axis is 1"),
        (lambda: layers.LayerNormalization(axis=1), "its axis is"),
        (lambda: layers.RNN(layers.ProjectedLSTMCell(4, 2)), "its cell is stepped in Python"),
        (lambda: layers.RNN(layers.LSTMCell(4, dtype="float64")), "computes in another dtype"),
        (lambda: layers.LSTM(4, stateful=True), "stateful"),
        (lambda: layers.LSTM(4, activation="softmax"), "mixes the units of a row"),
        (lambda: layers.TimeDistributed(OwnDense(3)), "Python function"),
    ],
)
def test_what_cannot_run_there_says_so(rng: np.random.Generator, make: Any, reason: str) -> None:
    with pytest.raises(DeviceError, match=reason):
        make()(there(sequences(rng)))


def test_training_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(DeviceError, match="training runs on the host"):
        layers.Dropout(0.5)(there(sequences(rng)), training=True)


def test_wrong_shapes_are_refused_as_on_the_host(rng: np.random.Generator) -> None:
    layer = layers.LSTM(4, name="first")
    layer(there(sequences(rng)))
    with pytest.raises(ShapeError, match=r"Layer 'first' \(LSTM\): `x` has the wrong shape. Expected: \(B, T, 3\)"):
        layer(there(sequences(rng, B, T, D + 1)))
    with pytest.raises(ShapeError, match="expected ndim=3"):
        layer(there(sequences(rng, B, D)))
    with pytest.raises(ShapeError):
        layers.Reshape((5,))(there(sequences(rng)))
    with pytest.raises(ShapeError):
        layers.Concatenate()([there(sequences(rng)), there(sequences(rng, B, T + 1, D))])


def test_another_device_is_refused(rng: np.random.Generator) -> None:
    with config.device("cpu"), pytest.raises(DeviceError, match="Copy it to the host first"):
        layers.Dense(3)(there(sequences(rng)))
