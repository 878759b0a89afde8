"""Small files that ask for much: each is refused in words, at once, without the memory it asks for."""

from __future__ import annotations

import io
import itertools
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn import ModelFileError
from numba_rnn.loaders import load_model

Json = dict[str, Any]


def keras_file(path: Path, config: Json, fill: Callable[[h5py.File], Any] | None = None) -> Path:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        if fill is not None:
            fill(file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def layer(kind: str, name: str | None = None, *nodes: Json, module: str = "keras.layers", **config: Any) -> Json:
    named = {} if name is None else {"name": name}
    return {"module": module, "class_name": kind, "config": {**named, **config}, **named, "inbound_nodes": list(nodes)}


def op(kind: str, name: str, *nodes: Json, **config: Any) -> Json:
    return layer(kind, name, *nodes, module="keras.src.ops.numpy", **config)


def tensor(name: str, index: int = 0) -> Json:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 4], "dtype": "float32", "keras_history": [name, index, 0]},
    }


def call(*args: Any) -> Json:
    return {"args": list(args), "kwargs": {}}


def given(name: str, *shape: Any) -> Json:
    return layer("InputLayer", name, batch_shape=[None, *shape])


def sequential(*layers: Json, **more: Any) -> Json:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, **more}


def graph(layers: list[Json], output: str, inputs: tuple[str, ...] = ("x",), name: str = "m", index: int = 0) -> Json:
    ends = {"input_layers": [[i, 0, 0] for i in inputs], "output_layers": [output, index, 0]}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "name": name,
        "config": {"name": name, "layers": layers, **ends},
    }


def doubling(depth: int) -> Json:
    """Models within models, each called twice by the next: 2 to the power of `depth` calls."""
    inner = graph([given("x", 4), layer("Dense", "d", call(tensor("x")), units=4)], "d", name="m0")
    for n in range(1, depth):
        twice = [call(tensor("x")), call(tensor(f"m{n - 1}"))]
        inner = graph([given("x", 4), {**inner, "inbound_nodes": twice}], f"m{n - 1}", name=f"m{n}", index=2)
    return inner


def one_op(kind: str, *shape: int, **config: Any) -> Json:
    return graph([given("x", *shape), op(kind, "t", call(tensor("x")), **config)], "t")


def two(kind: str, a: tuple[int, ...], b: tuple[int, ...]) -> Json:
    return graph([given("x", *a), given("y", *b), op(kind, "t", call(tensor("x"), tensor("y")))], "t", ("x", "y"))


def chain(count: int) -> Json:
    """Calls in the wrong order, each waiting for the next."""
    names = ["x", *(f"t{n}" for n in range(count))]
    calls = [op("Tanh", name, call(tensor(before))) for before, name in itertools.pairwise(names)]
    return graph([*reversed(calls), given("x", 4)], names[-1])


def array(dtype: str) -> Json:
    return {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": dtype}}


ONES = {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}}
HOSTILE = {
    "units": (sequential(given("x", 5, 4), layer("LSTM", units=10**9)), "do not fit"),
    "more units": (sequential(given("x", 5, 4), layer("LSTM", units=10**30)), "do not fit"),
    "embedding": (sequential(given("x", 5), layer("Embedding", input_dim=10**12, output_dim=10**6)), "do not fit"),
    "layers": (sequential(given("x", 5), *[layer("Dense", f"d{n}", units=10_000) for n in range(50_000)]), "describes too much"),
    "nested calls": (doubling(40), "too long to build"),
    "dtype": (sequential(given("x", 5, 4), layer("Masking", mask_value=array("S2000000000"))), "Invalid dtype"),
    "objects": (sequential(given("x", 5, 4), layer("Masking", mask_value=array("O"))), "Invalid dtype"),
    "flatten": (sequential(given("x", 10**5, 10**5), layer("Flatten"), layer("Dense", units=3)), "too large"),
    "tensor": (one_op("Tanh", 10_000, 10_000), "too large"),
    "repeat": (one_op("Repeat", 4, repeats=10**8, axis=-1), "too large"),
    "tile": (one_op("Tile", 4, repeats=[10**5, 10**5]), "too large"),
    "one hot": (one_op("OneHot", 4, num_classes=10**9), "too large"),
    "pad": (one_op("Pad", 4, pad_width=[[0, 0], [0, 10**9]]), "too large"),
    "broadcast": (one_op("BroadcastTo", 1, shape=[3, 10**9]), "too large"),
    "sum of rows and columns": (two("Add", (20_000, 1), (1, 20_000)), "too large"),
    "product": (two("Matmul", (20_000, 1), (1, 20_000)), "too large"),
    "long product": (two("Matmul", (3000, 3000), (3000, 3000)), "too large"),
    "outer": (two("Outer", (2000,), (2000,)), "too large"),
    "constants": (graph([given("x", 4), op("Repeat", "t", call(ONES), repeats=10**10)], "t"), "no tensor"),
    "a loop": (graph([given("x", 4), op("Tanh", "a", call(tensor("b"))), op("Tanh", "b", call(tensor("a")))], "b"), "loops"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_asks_for_much(name: str, tmp_path: Path) -> None:
    config, words = HOSTILE[name]
    path = keras_file(tmp_path / "m.keras", config)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(ModelFileError, match=words):
            load_model(path)
        seconds, most = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Fifty thousand layers are 5 MB of JSON; tracing makes it some times as slow.
    assert most < 20e6 + 20 * path.stat().st_size
    assert seconds < 20


def test_calls_in_the_wrong_order_are_made_in_time(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_group("layers")

    start = time.process_time()
    model = load_model(keras_file(tmp_path / "m.keras", chain(300), fill))
    assert time.process_time() - start < 5
    x = np.float32([[0.1, -0.2, 0.3, 1.0]])
    expected = x
    for _ in range(300):
        expected = np.tanh(expected)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5)


def test_weights_that_unpack_to_much(tmp_path: Path) -> None:
    """Each is small enough; together they are a bomb."""

    def fill(file: h5py.File) -> None:
        for n in range(20):
            group = file.create_group("layers/dense" + (f"_{n}" if n else "") + "/vars")
            group.create_dataset("0", (2000, 2000), "f4", chunks=(2000, 2000), compression="gzip")[...] = 0
            group["1"] = np.zeros(2000, "f4")

    layers = [layer("Dense", f"d{n}", units=2000) for n in range(20)]
    with pytest.raises(ModelFileError, match="a bomb"):
        load_model(keras_file(tmp_path / "m.keras", sequential(given("x", 2000), *layers), fill))


def test_metrics_of_any_size_are_left_alone(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = np.ones((4, 1), "f4")
        file["layers/dense/vars/1"] = np.ones(1, "f4")

    metrics = [layer("AUC", f"a{n}", num_thresholds=500_000) for n in range(100)]
    config = sequential(given("x", 4), layer("Dense", units=1), compile_config={"loss": "mse", "metrics": metrics})
    model = load_model(keras_file(tmp_path / "m.keras", config, fill))
    assert not getattr(model, "compiled", False)
    np.testing.assert_allclose(model(np.ones((1, 4), "f4")), [[5.0]])
