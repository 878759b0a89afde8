"""Three of the twenty things that a re-implementation of Keras gets wrong, those about files; see `tests/layers/test_traps.py`."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import numba_rnn
from numba_rnn import Input, Model, Sequential, layers
from numba_rnn.config import device

T, D, H = 5, 4, 2


def groups(model: Any, folder: Path) -> dict[str, str]:
    """Where a `.weights.h5` keeps what: the groups below `layers` and the names written on them."""
    model.save_weights(folder / "m.weights.h5")
    with h5py.File(folder / "m.weights.h5") as file:
        # A name stands on the group of a layer's own weights.
        return {key: str(group["vars"].attrs.get("name", "")) for key, group in file["layers"].items()}


def test_09_groups_are_numbered_by_class_not_named(tmp_path: Path) -> None:
    recurrent = [layers.LSTM(2, return_sequences=True, name="z"), layers.GRU(2, return_sequences=True, name="lstm")]
    last = layers.LSTM(2, name="a")
    sequential = Sequential([Input((T, D)), *recurrent, last])
    assert groups(sequential, tmp_path) == {"lstm": "z", "gru": "lstm", "lstm_1": "a"}
    # A functional model counts its inputs, and no operations.
    a = Input((T, D), name="in")
    y = layers.LSTM(2, return_sequences=True, name="q")(layers.Masking(name="m")(a))
    functional = Model(a, layers.LSTM(3, name="p")(y + y))
    assert set(groups(functional, tmp_path)) == {"input_layer", "masking", "lstm", "lstm_1"}
    assert groups(functional, tmp_path)["lstm_1"] == "p"


def test_10_references_between_nodes() -> None:
    def refs(kwargs: Any) -> list[Any]:
        text = json.dumps(kwargs)
        found = []
        for part in text.split('"keras_history": ')[1:]:
            found.append(json.loads(part[: part.index("]") + 1]))
        return found

    i = Input((D,))
    inner = Model(i, layers.Dense(2)(i), name="graph")
    chain = Sequential([Input((2,)), layers.Dense(2)], name="chain")
    shared = layers.Dense(D, name="shared")
    a = Input((D,), name="a")
    z = inner(shared(shared(a)))
    y = chain(z)
    model = Model(a, [layers.Add(name="sum")([y, y + 1.0]), z, y])
    config = model.get_config()
    nodes = {one["name"]: one["inbound_nodes"] for one in config["layers"]}
    assert len(nodes["shared"]) == 2  # a shared layer has a node a call
    assert [refs(nodes[name]) for name in ("shared", "graph", "chain")] == [
        [["a", 0, 0], ["shared", 0, 0]],
        [["shared", 1, 0]],
        [["graph", 0, 0]],
    ]
    # As an end of the graph a nested functional model counts from 1, a nested Sequential from 0.
    assert config["output_layers"] == [["sum", 0, 0], ["graph", 1, 0], ["chain", 0, 0]]
    # The operation Add and the layer Add differ by module alone.
    adds = [one for one in config["layers"] if one["class_name"] == "Add"]
    assert sorted(one["module"] for one in adds) == ["keras.layers", "keras.src.ops.numpy"]
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    v = np.random.default_rng(0).normal(size=(3, D)).astype("float32")
    with device("reference"):
        for have, want in zip(again(v), model(v), strict=True):
            np.testing.assert_array_equal(have, want)


def test_18_noise_in_files(rng: np.random.Generator, tmp_path: Path) -> None:
    model = Sequential([Input((T, D)), layers.LSTM(H), layers.Dense(2)])
    x = rng.normal(size=(3, T, D)).astype("float32")
    model.save(tmp_path / "m.keras")

    def noisy(thing: Any) -> Any:
        if isinstance(thing, list):
            return [noisy(one) for one in thing]
        if not isinstance(thing, dict):
            return thing
        thing = {key: noisy(value) for key, value in thing.items()}
        if isinstance(thing.get("config"), dict) and "class_name" in thing:
            thing["build_config"] = {"input_shape": [9, 9, 9]}
            thing["shared_object_id"] = id(thing)
            if thing.get("module") == "keras.layers":
                thing["config"] |= {"quantization_config": None, "invented_later": None}
        return thing

    def rewrite(change: Any) -> Any:
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = change(json.loads(members["config.json"]))
        config["compile_config"] = {"optimizer": {"module": "os", "class_name": "system"}, "loss": "nope"}
        members["config.json"] = json.dumps(config).encode()
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        (tmp_path / "noisy.keras").write_bytes(memory.getvalue())
        return numba_rnn.load_model(tmp_path / "noisy.keras")

    with device("reference"):
        np.testing.assert_array_equal(rewrite(noisy)(x), model(x))

    def loud(config: Any) -> Any:
        config["config"]["layers"][1]["config"]["invented_later"] = 3
        return config

    with pytest.raises(ValueError, match="invented_later"):
        rewrite(loud)
