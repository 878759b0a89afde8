"""Calls in the words of Keras 1 and 2, and what they become."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import numba_rnn as keras
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.keras_v2 import upgrade
from numba_rnn.models import deserialize_model, model_from_json

VERSION = (2, 4)


def entry(kind: str, name: str, nodes: Any, **options: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "trainable": True, **options},
        "inbound_nodes": nodes,
    }


def source(name: str, *shape: int | None) -> dict[str, Any]:
    return entry("InputLayer", name, [], batch_input_shape=[None, *shape], dtype="float32")


def graph(layers: list[dict[str, Any]], inputs: Any, outputs: Any, name: str = "model") -> dict[str, Any]:
    config = {"name": name, "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Model", "config": config}


def made(config: dict[str, Any]) -> Any:
    return deserialize_model(upgrade(config, VERSION), VERSION)


def recurrent(kind: str, name: str, nodes: Any, **options: Any) -> dict[str, Any]:
    return entry(kind, name, nodes, units=2, **options)


def test_calls_in_keras_3s_words() -> None:
    layers = [
        source("x", 4, 3),
        source("h", 2),
        recurrent("GRU", "g", [[["x", 0, 0, {"mask": None, "training": False}], ["h", 0, 0, {}]]], reset_after=True),
        entry("Add", "add", [[["g", 0, 0, {}], ["h", 0, 0, {}]]]),
        entry("Dense", "d", [[["add", 0, 0]], [["g", 0, 0]]], units=1),
    ]
    config = upgrade(graph(layers, [["x", 0, 0], ["h", 0, 0]], [["d", 1, 0]]), VERSION)
    assert config["class_name"] == "Functional"

    def ref(name: str) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}

    nodes = {one["name"]: one["inbound_nodes"] for one in config["config"]["layers"]}
    assert nodes["g"] == [{"args": [ref("x")], "kwargs": {"training": False, "initial_state": [ref("h")]}}]
    assert nodes["add"] == [{"args": [[ref("g"), ref("h")]], "kwargs": {}}]
    assert nodes["d"] == [{"args": [ref("add")], "kwargs": {}}, {"args": [ref("g")], "kwargs": {}}]
    assert config["config"]["output_layers"] == ["d", 1, 0]
    assert config["config"]["input_layers"] == [["x", 0, 0], ["h", 0, 0]]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_nested_models_counted_from_one_or_from_none(kind: str, start: int, rng: np.random.Generator) -> None:
    inside = [source("i", 4, 2), recurrent("SimpleRNN", "r", [[["i", 0, 0, {}]]], return_sequences=True)]
    if kind == "Sequential":
        nested: Any = {"class_name": kind, "config": {"name": "inner", "layers": inside}}
    else:
        nested = {**graph(inside, [["i", 0, 0]], [["r", 0, 0]], "inner"), "class_name": kind}
    nested.update(name="inner", inbound_nodes=[[["x", 0, 0, {}]], [["inner", start, 0, {}]]])
    model = made(graph([source("x", 4, 2), nested], [["x", 0, 0]], [["inner", start + 1, 0], ["inner", start, 0]]))
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    twice, once = model(x)
    inner = model.layers[1]
    np.testing.assert_allclose(once, inner(x), atol=1e-6)
    np.testing.assert_allclose(twice, inner(inner(x)), atol=1e-6)
    assert np.abs(np.asarray(twice) - once).max() > 1e-3


def test_dicts_of_inputs_and_outputs() -> None:
    layers = [source("a", 3), source("b", 3), entry("Subtract", "s", [[["a", 0, 0, {}], ["b", 0, 0, {}]]])]
    model = made(graph(layers, {"left": ["a", 0, 0], "right": ["b", 0, 0]}, {"out": ["s", 0, 0]}))
    one, two = np.ones((2, 3), "float32"), np.full((2, 3), 3, "float32")
    np.testing.assert_array_equal(model({"left": two, "right": one})["out"], two - one)


def test_a_single_output_is_no_list() -> None:
    model = made(graph([source("a", 3), entry("Flatten", "f", [[["a", 0, 0]]])], [["a", 0, 0]], [["f", 0, 0]]))
    assert model(np.ones((2, 3), "float32")).shape == (2, 3)


def test_a_layer_called_like_an_operation_is_one() -> None:
    """Files of Keras 2 name no modules, and their graphs had no operations of Keras'."""
    layers = [source("a", 3), entry("Multiply", "multiply", [[["a", 0, 0, {}], ["a", 0, 0, {}]]])]
    model = made(graph(layers, [["a", 0, 0]], [["multiply", 0, 0]]))
    assert type(model.layers[1]) is keras.layers.Multiply


def test_names_of_masks_do_not_meet_those_of_layers() -> None:
    keras.utils.clear_session()
    layers = [
        source("a", 4, 3),
        entry("Masking", "not_equal", [[["a", 0, 0, {}]]]),
        entry("Dense", "any", [[["not_equal", 0, 0, {}]]], units=2),
        recurrent("LSTM", "logical_and", [[["any", 0, 0, {}]]]),
    ]
    model = made(graph(layers, [["a", 0, 0]], [["logical_and", 0, 0]]))
    names = [one.name for one in model.operations]
    assert len(set(names)) == len(names)


WRONG = {
    "no such layer": ([entry("Dense", "d", [[["y", 0, 0, {}]]], units=1)], "refers to"),
    "no such call": ([entry("Dense", "d", [[["x", 3, 0, {}]]], units=1)], "waits for a call of 'x'"),
    "no such output": ([entry("Dense", "d", [[["x", 0, 2, {}]]], units=1)], "output 2 of 'x'"),
    "a loop": ([entry("Dense", "d", [[["d", 0, 0, {}]]], units=1)], "loops"),
    "a call of nothing": ([entry("Dense", "d", [[]], units=1)], "called on no tensor"),
    "a call of a number": ([entry("Dense", "d", [3], units=1)], "cannot be read"),
    "constants": (
        [recurrent("GRU", "d", [[["x", 0, 0, {"constants": [["x", 0, 0]]}]]])],
        "'d' is called with `constants`",
    ),
    "no calls": (
        [{"class_name": "Dense", "config": {"name": "d", "units": 1}, "inbound_nodes": None}],
        "cannot be read",
    ),
    "a number for a name": ([entry("Dense", 3, [], units=1)], "named 3"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("layers", "words"), WRONG.values(), ids=WRONG)
def test_graphs_that_are_none(layers: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        made(graph([source("x", 4, 3), *layers], [["x", 0, 0]], [["d", 0, 0]]))


def test_architectures_alone(rng: np.random.Generator) -> None:
    """`to_json` of an old Keras, which names its version; Keras 3's does not."""
    lstm = {
        "class_name": "LSTM",
        "config": {"name": "l", "units": 2, "recurrent_activation": "hard_sigmoid", "batch_input_shape": [None, 4, 3]},
    }
    text = '{"class_name": "Sequential", "config": [%s], "keras_version": "%s", "backend": "tensorflow"}'
    model = model_from_json(text % (json.dumps(lstm), "2.2.4"))
    assert model.layers[0].recurrent_activation.__name__ == "keras2_hard_sigmoid"
    assert model(rng.normal(size=(2, 4, 3)).astype("float32")).shape == (2, 2)
    again = model_from_json(model.to_json())
    assert again.layers[0].recurrent_activation.__name__ == "keras2_hard_sigmoid"
    with pytest.raises(ModelFileError, match=r"'4\.1'"):
        model_from_json(text % (json.dumps(lstm), "4.1"))
