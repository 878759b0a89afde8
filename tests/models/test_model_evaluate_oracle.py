"""`compile` and `evaluate` against Keras itself: order and names of results, several outputs, weights, masks, generators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numba_rnn

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

N, T, D, C = 22, 5, 3, 4
Rng = np.random.Generator


def vector(lib: Any) -> Any:
    layers = lib.layers
    return lib.Sequential(
        [layers.Input((T, D)), layers.GRU(6, name="g"), layers.Dense(C, activation="softmax", name="out")]
    )


def steps(lib: Any) -> Any:
    layers = lib.layers
    i = layers.Input((T, D))
    h = layers.LSTM(6, return_sequences=True, name="g")(layers.Masking(name="m")(i))
    return lib.Model(i, layers.Dense(C, activation="softmax", name="out")(h))


def unit(lib: Any) -> Any:
    layers = lib.layers
    i = layers.Input((T, D))
    return lib.Model(i, [layers.Dense(1, activation="sigmoid", name="out")(layers.SimpleRNN(6, name="g")(i))])


def two(lib: Any) -> Any:
    layers = lib.layers
    i, j = layers.Input((T, D), name="i"), layers.Input((2,), name="j")
    h = layers.GRU(6, name="g")(i)
    b = layers.Dense(C, activation="softmax", name="b")(h)
    return lib.Model([i, j], [b, layers.Dense(1, name="a")(layers.Concatenate(name="c")([h, j]))])


def named(lib: Any) -> Any:
    layers = lib.layers
    i = layers.Input((T, D))
    h = layers.GRU(6, name="g")(i)
    return lib.Model(i, {"z": layers.Dense(C, activation="softmax", name="b")(h), "y": layers.Dense(1, name="a")(h)})


def sequences(rng: Rng) -> Any:
    x = rng.normal(size=(N, T, D)).astype("float32")
    x[np.arange(T) >= rng.integers(1, T + 1, N)[:, None]] = 0
    return x


def one_hot(rng: Rng, *shape: int) -> Any:
    return np.eye(C, dtype="float32")[rng.integers(0, C, shape)]


def weights(rng: Rng, *shape: int) -> Any:
    return rng.random(shape).astype("float32")


Case = tuple[Callable[[Any], Any], dict[str, Any], Callable[[Rng], dict[str, Any]]]
PAIR: Callable[[Rng], list[Any]] = lambda rng: [one_hot(rng, N), weights(rng, N, 1)]  # noqa: E731
INPUTS: Callable[[Rng], list[Any]] = lambda rng: [sequences(rng), weights(rng, N, 2)]  # noqa: E731

CASES: dict[str, Case] = {
    "loss alone": (vector, {"loss": "mse"}, lambda r: {"x": sequences(r), "y": one_hot(r, N)}),
    "metrics by names": (
        vector,
        {"loss": "categorical_crossentropy", "metrics": ["accuracy", "mae", "AUC", "precision"]},
        lambda r: {"x": sequences(r), "y": one_hot(r, N), "sample_weight": weights(r, N)},
    ),
    "classes": (
        vector,
        {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"], "weighted_metrics": ["acc", "acc"]},
        lambda r: {"x": sequences(r), "y": r.integers(0, C, N), "sample_weight": weights(r, N), "batch_size": 5},
    ),
    "crossentropy by shapes": (vector, {"loss": "crossentropy"}, lambda r: {"x": sequences(r), "y": r.integers(0, C, (N, 1))}),
    "loss in a list": (vector, {"loss": ["mae"], "loss_weights": [0.3]}, lambda r: {"x": sequences(r), "y": one_hot(r, N)}),
    "loss in a dict": (steps, {"loss": {"out": "mae"}}, lambda r: {"x": sequences(r), "y": one_hot(r, N, T)}),
    "metrics in a dict": (
        vector,
        {"loss": "mae", "loss_weights": 0.5, "metrics": {"out": ["mse", "mae"]}},
        lambda r: {"x": sequences(r), "y": one_hot(r, N)},
    ),
    "cut by steps": (vector, {"loss": "mae"}, lambda r: {"x": sequences(r), "y": one_hot(r, N), "steps": 4}),
    "some steps": (
        vector, {"loss": "mae", "metrics": ["mse"]},
        lambda r: {"x": sequences(r), "y": one_hot(r, N), "steps": 2, "batch_size": 4},
    ),
    "one output in a list": (
        unit,
        {"loss": "binary_crossentropy", "metrics": ["accuracy", "mse"], "weighted_metrics": ["mse"]},
        lambda r: {"x": sequences(r), "y": r.integers(0, 2, (N, 1)), "sample_weight": weights(r, N)},
    ),
    "targets a vector": (
        unit,
        {"loss": "bce", "metrics": ["acc", "recall"]},
        lambda r: {"x": sequences(r), "y": r.integers(0, 2, N)},
    ),
    "masks": (
        steps,
        {"loss": "categorical_crossentropy", "metrics": ["accuracy", "mse", "RootMeanSquaredError"]},
        lambda r: {"x": sequences(r), "y": one_hot(r, N, T), "batch_size": 6},
    ),
    "masks and weights of steps": (
        steps,
        {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"], "weighted_metrics": ["acc"]},
        lambda r: {"x": sequences(r), "y": r.integers(0, C, (N, T)), "sample_weight": weights(r, N, T), "batch_size": 6},
    ),
    "masks and weights of rows": (
        steps,
        {"loss": "mse", "weighted_metrics": ["mse"]},
        lambda r: {"x": sequences(r), "y": one_hot(r, N, T), "sample_weight": weights(r, N, 1), "batch_size": 6},
    ),
    "one loss for two": (two, {"loss": "mse"}, lambda r: {"x": INPUTS(r), "y": PAIR(r)}),
    "a list of losses": (
        two,
        {"loss": ["categorical_crossentropy", "mae"], "loss_weights": [0.2, 2.0], "metrics": [["accuracy", "mae"], ["mse"]]},
        lambda r: {"x": INPUTS(r), "y": PAIR(r), "sample_weight": weights(r, N), "batch_size": 9},
    ),
    "dicts": (
        two,
        {
            "loss": {"a": "mae", "b": "categorical_crossentropy"},
            "loss_weights": {"b": 0.7, "a": 2.0},
            "metrics": {"a": ["mse"]},
            "weighted_metrics": {"b": ["accuracy"], "a": ["mse"]},
        },
        lambda r: {
            "x": dict(zip(("i", "j"), INPUTS(r), strict=True)),
            "y": PAIR(r),
            "sample_weight": [weights(r, N), weights(r, N)],
        },
    ),
    "no loss for one": (
        two, {"loss": ["categorical_crossentropy", None], "metrics": [None, "mse"]},
        lambda r: {"x": INPUTS(r), "y": PAIR(r)},
    ),
    "targets in a tuple": (two, {"loss": ["mse", "mae"]}, lambda r: {"x": INPUTS(r), "y": tuple(PAIR(r))}),
    "named outputs": (
        named,
        {"loss": {"z": "mse", "y": "mae"}, "loss_weights": {"z": 3.0, "y": 0.5}, "metrics": {"z": ["acc"], "y": ["mse", "mae"]}},
        lambda r: {"x": sequences(r), "y": dict(zip(("z", "y"), PAIR(r), strict=True)), "sample_weight": weights(r, N)},
    ),
    "one loss for named outputs": (
        named, {"loss": "mse", "metrics": {"z": "mae"}},
        lambda r: {"x": sequences(r), "y": dict(zip(("z", "y"), PAIR(r), strict=True))},
    ),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def both(make: Any, keras: Any, rng: Rng) -> tuple[Any, Any]:
    theirs, ours = make(keras), make(numba_rnn)
    # Predictions away from 0 and 1: Keras on TensorFlow computes crossentropies from the logits before a softmax.
    values = [rng.normal(size=w.shape, scale=0.4).astype("float32") for w in theirs.weights]
    theirs.set_weights(values)
    ours.set_weights(values)
    return ours, theirs


def close(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    assert type(ours) is type(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


def test_evaluate(case: Case, keras: Any, rng: Rng) -> None:
    make, compiling, data = case
    ours, theirs = both(make, keras, rng)
    ours.compile(**compiling)
    # In graphs, TensorFlow's rows are unknown, and Keras forgets them in the means of several outputs' losses.
    theirs.compile(**compiling, run_eagerly=True)
    given = data(rng)
    for _ in range(2):
        close(ours.evaluate(**given, verbose=0), theirs.evaluate(**given, verbose=0))
    close(ours.evaluate(**given, verbose=0, return_dict=True), theirs.evaluate(**given, verbose=0, return_dict=True))
    assert ours.metrics_names == theirs.metrics_names
    assert [type(m).__name__ for m in ours.metrics[2:]] == [type(m).__name__ for m in theirs.metrics[2:]]
    batch = {k: v for k, v in given.items() if k in {"x", "y", "sample_weight"}}
    if "sample_weight" not in batch or not isinstance(batch["y"], (dict, list)):
        close(ours.test_on_batch(**batch, return_dict=True), theirs.test_on_batch(**batch, return_dict=True))


@pytest.mark.parametrize("kind", ["generator", "dataset"])
@pytest.mark.parametrize("limit", [None, 2])
def test_batches(kind: str, limit: int | None, keras: Any, rng: Rng) -> None:
    ours, theirs = both(vector, keras, rng)
    for model in (ours, theirs):
        model.compile(loss="mse", metrics=["accuracy"], weighted_metrics=["mae"])
    x, y, w = sequences(rng), one_hot(rng, N), weights(rng, N)

    class Data(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return math.ceil(N / 8)

        def __getitem__(self, i: int) -> Any:
            return tuple(a[8 * i : 8 * i + 8] for a in (x, y, w))

    def batches() -> Any:
        data = Data()
        return data if kind == "dataset" else (data[i] for i in range(len(data)))

    close(ours.evaluate(batches(), steps=limit, verbose=0), theirs.evaluate(batches(), steps=limit, verbose=0))
    close(ours.predict(batches(), steps=limit, verbose=0), theirs.predict(batches(), steps=limit, verbose=0))


def wrong_targets(model: Any, rng: Rng) -> None:
    model.compile(loss="mse")
    model.evaluate(sequences(rng), weights(rng, N, C + 1), verbose=0)


def rows(model: Any, rng: Rng) -> None:
    model.compile(loss="mse")
    model.evaluate(sequences(rng), one_hot(rng, N - 1), verbose=0)


def unknown(**compiling: Any) -> Callable[[Any, Rng], None]:
    def run(model: Any, rng: Rng) -> None:
        model.compile(**compiling)
        model.evaluate(sequences(rng), one_hot(rng, N), verbose=0)

    return run


REFUSED: dict[str, Callable[[Any, Rng], None]] = {
    "before compile": lambda m, r: m.evaluate(sequences(r), one_hot(r, N), verbose=0),
    "unknown loss": unknown(loss="nonsense"),
    "unknown metric": unknown(loss="mse", metrics=["nonsense"]),
    "unknown optimizer": unknown(optimizer="nonsense", loss="mse"),
    "a loss as metric": unknown(loss="mse", metrics=["huber"]),
    "metrics no list": unknown(loss="mse", metrics="mse"),
    "weights no float": unknown(loss="mse", loss_weights=2),
    "too many weights": unknown(loss="mse", loss_weights=[1.0, 2.0]),
    "no loss": unknown(metrics=["mse"]),
    "rows": rows,
    "reduction": unknown(loss=None, metrics=None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str, keras: Any, rng: Rng) -> None:
    ours, theirs = both(vector, keras, rng)
    for model in (theirs, ours):
        with pytest.raises(ValueError):  # noqa: PT011
            REFUSED[what](model, np.random.default_rng(1))
