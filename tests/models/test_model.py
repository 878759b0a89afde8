"""What models answer when asked, against Keras 3.15.1."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import Input, Sequential, layers
from numba_rnn.ops.naming import clear_session


def chain(K: Any, M: Any) -> Any:
    return M.Sequential(
        [
            M.Input((5, 4)), K.LSTM(3, return_sequences=True), K.BatchNormalization(), K.Dropout(0.1), K.Bidirectional(K.GRU(2)),
            K.Dense(2),
        ]
    )  # fmt: skip


def branches(K: Any, M: Any) -> Any:
    a, b = M.Input((None, 4), name="a"), M.Input((3,), name="b")
    h, s, _ = K.LSTM(3, return_state=True)(a)
    y = K.Add()([h, K.Dense(3)(b)])
    return M.Model([a, b], [y, K.Concatenate()([y, s])], name="branches")


def by_name(K: Any, M: Any) -> Any:
    a, b = M.Input((None, 4), name="a"), M.Input((3,), name="b")
    h = K.LSTM(3)(a)
    return M.Model({"a": a, "b": b}, {"x": K.Add()([h, b]), "y": h})


def nested(K: Any, M: Any) -> Any:
    inputs = M.Input((5, 4), name="in")
    y = chain(K, M)(inputs)
    return M.Model(inputs, [y, *branches(K, M)([inputs, K.Dense(3)(y)])])


def frozen(K: Any, M: Any) -> Any:
    model = chain(K, M)
    model.layers[0].trainable = False
    return model


MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    f.__name__: f for f in (chain, branches, by_name, nested, frozen)
}  # fmt: skip
PLAIN = (
    "name", "path", "built", "trainable", "supports_masking", "losses", "metrics", "metrics_names", "dtype", "input_shape",
    "output_shape",
)  # fmt: skip


def answers(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {name: repr(getattr(model, name)) for name in PLAIN}
    found["layers"] = [(layer.name, type(layer).__name__, layer.trainable, layer.path) for layer in model.layers]
    found["outputs"] = [[tuple(t.shape) for t in tensors] for tensors in (model.inputs, model.outputs)]
    specs = model.input_spec
    found["spec"] = specs and [(s.get_config(), s.name, s.allow_last_axis_squeeze) for s in specs]
    for name in ("weights", "variables"):
        for which in ("", "trainable_", "non_trainable_"):
            found[which + name] = [w.path for w in getattr(model, which + name) if "seed" not in w.path]
    found["count"] = model.count_params()
    shapes = {"branches": [(2, 5, 4), (2, 3)], "functional": {"a": (2, 5, 4), "b": (2, 3)}}.get(model.name, (2, 5, 4))
    found["shapes"] = repr(model.compute_output_shape(shapes))
    found["config"] = sorted(model.get_config())
    found["get_layer"] = [model.get_layer(index=1).name, model.get_layer(model.layers[-1].name).name]
    for options in ({}, {"expand_nested": True, "line_length": 100}):
        text: list[str] = []
        model.summary(print_fn=text.append, **options)
        found[f"summary {options}"] = re.findall(r"params: ([\d,]+ \([^)]*\))", "\n".join(text))
    return found


@pytest.mark.oracle
@pytest.mark.parametrize("kind", MAKERS)
def test_like_keras(keras: Any, kind: str) -> None:
    keras.utils.clear_session()
    clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = answers(MAKERS[kind](keras.layers, keras))
    assert answers(MAKERS[kind](layers, numba_rnn)) == theirs


def test_shapes_of_a_chain_that_is_not_built() -> None:
    model = Sequential([layers.LSTM(3, return_sequences=True), layers.TimeDistributed(layers.Dense(2))])
    assert model.compute_output_shape((None, 7, 4)) == (None, 7, 2)
    assert not model.built


def test_names_follow_one_another_until_the_session_is_cleared() -> None:
    def names() -> list[str]:
        model = Sequential([Input((3,)), layers.Dense(1), layers.Dense(1)])
        inputs = Input((3,))
        return [model.name, *(x.name for x in model.layers), numba_rnn.Model(inputs, model(inputs)).name]

    clear_session()
    assert names() == ["sequential", "dense", "dense_1", "functional_1"]  # a Sequential's own graph took the first
    assert names() == ["sequential_1", "dense_2", "dense_3", "functional_3"]
    clear_session()
    assert names()[0] == "sequential"


def test_a_model_inside_uses_its_mask_and_says_nothing(rng: np.random.Generator) -> None:
    inner = Sequential([layers.LSTM(3)])
    model = Sequential([Input((5, 4)), layers.Masking(), inner])
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    x[:, 3:] = 0
    np.testing.assert_allclose(model(x), inner(x[:, :3]), rtol=1e-5)
