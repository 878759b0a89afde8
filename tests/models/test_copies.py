"""Models and layers as pickles and deep copies: weights, options and states, nothing compiled, and nothing shared."""

from __future__ import annotations

import copy
import os
import pickle  # noqa: TID251 (what worker processes are sent; the library itself imports none)
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, functional, layers, ops
from numba_rnn.cells import CELLS
from numba_rnn.config import settings
from numba_rnn.layers.masks import get_mask
from numba_rnn.models.functional import Functional
from numba_rnn.ops.tree import flatten

MAKE: dict[str, Callable[[], Any]] = {}
PER_LAYER = 1_500  # bytes that a layer may take beside its weights: names, options, shapes, its place in the graph


def case(make: Callable[[], Any]) -> Callable[[], Any]:
    MAKE[make.__name__] = make
    return make


def filled(model: Any) -> Any:
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


@case
def chain() -> Any:
    inner = Sequential([layers.Dense(9), layers.Dropout(0.3, seed=1)], name="inner")
    stack = [layers.LSTMCell(6), layers.GRUCell(5)]
    return filled(
        Sequential(
            [
                Input((None, 4)),
                layers.Masking(),
                layers.Bidirectional(layers.GRU(7, return_sequences=True)),
                inner,
                layers.TimeDistributed(layers.Dense(8, activation="relu")),
                layers.RNN(stack, return_sequences=True),
                layers.LayerNormalization(),
                layers.SimpleRNN(3),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )


@case
def graph() -> Any:
    a, b = Input((None, 4), name="a"), Input((3,), name="b")
    shared = layers.Dense(5)
    h, c = layers.GRU(8, return_state=True)(layers.Masking()(a))
    y = layers.Concatenate()([shared(h), shared(layers.Dense(8)(b))]) * 2.0
    return filled(Model({"a": a, "b": b}, {"y": ops.tanh(y)[:, 1:], "c": c, "again": ops.sum(h, axis=-1)}))


@case
def fewer_bytes() -> Any:
    model = filled(Sequential([Input((None, 4)), layers.LSTM(64, return_sequences=True), layers.Dense(16)]))
    model.compress_weights("int8")
    return model


@case
def compiled() -> Any:
    model = filled(Sequential([Input((None, 4)), layers.GRU(6), layers.Dense(3, activation="softmax")]))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@case
def stateful() -> Any:
    return filled(Sequential([Input(batch_shape=(2, None, 4)), layers.GRU(5, stateful=True)]))


class Written(Model):
    """A model with a `call` of its own, and something beside its layers."""

    def __init__(self, labels: dict[str, int]) -> None:
        super().__init__()
        self.labels = labels
        self.recurrent, self.last = layers.LSTM(6), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.last(self.recurrent(x))


class Drawn(Model):
    """A model that makes its graph itself."""

    def __init__(self, units: int) -> None:
        x = Input((None, 4))
        super().__init__(x, layers.Dense(3)(layers.GRU(units)(x)))


@case
def written() -> Any:
    model = Written({"yes": 1})
    model(np.zeros((1, 2, 4), "float32"))
    return filled(model)


@case
def drawn() -> Any:
    return filled(Drawn(5))


@case
def one_layer() -> Any:
    layer = layers.Bidirectional(layers.LSTM(6))
    layer(np.zeros((1, 2, 4), "float32"))
    return filled(layer)


def sequences() -> Any:
    x = np.random.default_rng(3).normal(size=(2, 5, 4)).astype("float32")
    x[0, 3:] = 0
    return x


def outputs(model: Any) -> list[Any]:
    x, b = sequences(), np.random.default_rng(4).normal(size=(2, 3)).astype("float32")
    named = isinstance(model, Functional) and isinstance(model.input, dict)
    return [np.asarray(y) for y in flatten(model({"a": x, "b": b} if named else x))]


WAYS = {"pickle": lambda model: pickle.loads(pickle.dumps(model)), "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAKE)
def test_a_copy_gives_the_same_and_shares_nothing(name: str, way: str) -> None:
    model = MAKE[name]()
    outputs(model)
    copied = WAYS[way](model)
    for have, want in zip(outputs(copied), outputs(model), strict=True):
        np.testing.assert_array_equal(have, want)
    assert type(copied) is type(model)
    assert not {id(w) for w in copied.weights} & {id(w) for w in model.weights}
    assert [w.path for w in copied.weights] == [w.path for w in model.weights]
    before = outputs(model) if name != "stateful" else None
    copied.set_weights([w + 1 for w in copied.get_weights()])
    if before is not None:
        for have, want in zip(outputs(model), before, strict=True):
            np.testing.assert_array_equal(have, want)
        assert not np.array_equal(outputs(copied)[0], before[0])
    with pytest.raises(ValueError, match="read-only"):
        copied.weights[0].value[:] = 0


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"written"}))
def test_a_copy_has_the_same_config(name: str) -> None:
    model = MAKE[name]()
    copied = pickle.loads(pickle.dumps(model))
    assert copied.get_config() == model.get_config()
    again = pickle.loads(pickle.dumps(copied))
    assert len(pickle.dumps(again)) == len(pickle.dumps(copied))  # nothing piles up


ON = [*(("reference", name) for name in MAKE), ("cpu", "fewer_bytes"), ("cpu", "one_layer")]


@pytest.mark.parametrize(("device", "name"), ON)
def test_a_pickle_is_small_whatever_was_run_before(device: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "device", device)
    model = MAKE[name]()
    fresh = len(pickle.dumps(model))
    outputs(model)
    outputs(model)
    data = pickle.dumps(model)
    count = len(model._flatten_layers()) if isinstance(model, Model) else 4  # a pair of layers and their cells
    assert len(data) < sum(w.value.nbytes for w in model.weights) + PER_LAYER * (count + 1)
    assert len(data) <= fresh + 100  # the states of what is stateful


def test_a_layer_takes_no_other_along() -> None:
    model = filled(Sequential([Input((None, 4)), layers.LSTM(64, return_sequences=True), layers.Dense(3)]))
    assert len(pickle.dumps(model.layers[1])) < 4_000
    alone = pickle.loads(pickle.dumps(model.layers[1]))
    x = np.ones((2, 64), "float32")
    np.testing.assert_array_equal(alone(x), model.layers[1](x))


def test_states_go_along() -> None:
    model = MAKE["stateful"]()
    x = sequences()
    model(x)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied(x), model(x))
    copied.reset_state()
    assert not np.array_equal(copied(x), model(x))


def test_weights_that_were_never_asked_for_are_the_same() -> None:
    model = Sequential([Input((None, 4)), layers.LSTM(5)])
    copied = pickle.loads(pickle.dumps(model))
    for have, want in zip(copied.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)


def test_a_model_that_was_never_built() -> None:
    copied = pickle.loads(pickle.dumps(Sequential([layers.Dense(3)])))
    assert copied(np.ones((2, 4), "float32")).shape == (2, 3)
    started = copy.deepcopy(Sequential([Input((4,))]))
    started.add(layers.Dense(2))
    assert started.output_shape == (None, 2)


def test_what_was_compiled_is_evaluated() -> None:
    model = MAKE["compiled"]()
    x, y = sequences(), np.array([0, 2])
    copied = pickle.loads(pickle.dumps(model))
    assert copied.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_layers_shared_by_models_stay_shared() -> None:
    model = MAKE["graph"]()
    part = Model(model.input, {"c": model.output["c"]})
    both = pickle.loads(pickle.dumps([model, part]))
    assert {id(w) for w in both[1].weights} <= {id(w) for w in both[0].weights}
    both[0].set_weights([w + 1 for w in both[0].get_weights()])
    np.testing.assert_array_equal(both[1].get_weights()[0], part.get_weights()[0] + 1)
    assert both[1].get_config() == part.get_config()


def test_a_copied_graph_is_built_on() -> None:
    x = Input((None, 4))
    model = Model(x, layers.LSTM(5, return_sequences=True)(layers.Masking()(x)))
    copied = pickle.loads(pickle.dumps(model))
    assert get_mask(copied.output) is not None
    longer = Model(copied.input, layers.GlobalAveragePooling1D()(copied.output))
    want = Model(model.input, layers.GlobalAveragePooling1D()(model.output))
    data = sequences()
    np.testing.assert_array_equal(longer(data), want(data))  # the mask came along


def test_a_graph_that_begins_in_the_middle() -> None:
    whole = filled(Sequential([Input((4,)), layers.Dense(6), layers.Dense(3), layers.Dense(2)]))
    tail = Model(whole.layers[0].output, whole.output)
    h = np.ones((2, 6), "float32")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tail))(h), tail(h))


def test_a_deep_model() -> None:
    model = Sequential([Input((3,)), *(layers.Dense(3) for _ in range(150))])
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_a_copy_takes_the_short_way_at_its_second_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays and weights that were pickled have dtypes that are equal, but other objects."""
    layer, x = pickle.loads(pickle.dumps((layers.Dense(3), np.ones((2, 4), "float32"))))
    layer(x)
    calls: list[Any] = []
    monkeypatch.setattr(layers.Layer, "_checked_call", lambda *a: calls.append(a))
    assert layer(np.ones((2, 4), "float32")) is not None
    assert not calls


def test_prepared_cells_are_data_too(rng: np.random.Generator) -> None:
    cell = functional.prepare(CELLS["gru"], rng.normal(size=(4, 18)).astype("float32"), rng.normal(size=(6, 18)))
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    want = functional.scan(cell, x)[0]
    np.testing.assert_array_equal(functional.scan(pickle.loads(pickle.dumps(cell)), x)[0], want)


@pytest.mark.parametrize("weights", [None, "int8"])
def test_prepared_products_are_data_too(
    weights: str | None, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "device", "cpu")
    linear = functional.Linear(rng.normal(size=(16, 5)).astype("float32"), rng.normal(size=5), weights)
    x = rng.normal(size=(2, 16)).astype("float32")
    want = linear(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(linear))(x), want)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make", [lambda model: model.stream(2), lambda model: model.streams(2)], ids=["session", "pool"]
)
def test_what_runs_is_not_copied_but_its_state(make: Any, way: str) -> None:
    """A copy of a kept call would go on writing into the memory of the first."""
    running = make(filled(Sequential([Input((None, 4)), layers.LSTM(5)])))
    with pytest.raises(TypeError, match=r"neither pickled nor copied.*state.*`restore"):
        WAYS[way](running)


def test_another_process_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a user's class has made no graph yet."""
    here = Path(__file__)
    monkeypatch.setitem(sys.modules, here.stem, sys.modules[__name__])
    for cls in (Written, Drawn):
        monkeypatch.setattr(cls, "__module__", here.stem)
    models = {name: make() for name, make in MAKE.items()}
    (tmp_path / "models").write_bytes(pickle.dumps(models))
    code = f"""
import pickle, sys, numpy as np
sys.path += {[str(here.parent), str(here.parents[2])]}
with open("models", "rb") as file:
    models = pickle.load(file)
import {here.stem} as made
np.savez("outputs", **{{name: made.outputs(model)[0] for name, model in models.items()}})
"""
    env = {**os.environ, "NUMBA_RNN_DEVICE": "reference"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=200, env=env)
    with np.load(tmp_path / "outputs.npz") as found:
        for name, model in models.items():
            np.testing.assert_array_equal(found[name], outputs(model)[0])
