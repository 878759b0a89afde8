"""Data in all the forms that models take it: what is cut, what comes in batches, how far it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, models
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.models.batches import Batches

N, D = 7, 2


class Dataset:
    """What Keras calls a PyDataset."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays, self.told = arrays, [""]

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> Any:
        return tuple(a[3 * i : 3 * i + 3] for a in self.arrays)

    def on_epoch_begin(self) -> None:
        self.told.append("begin")

    def on_epoch_end(self) -> None:
        self.told.append("end")


class Endless(Dataset):
    """One without an end."""

    num_batches = None

    def __getitem__(self, i: int) -> Any:
        return tuple(a[:1] * i for a in self.arrays)


class Loader:
    """Iterable and no more, with lists for batches, as loaders of other libraries have them."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays = arrays

    def __iter__(self) -> Iterator[Any]:
        return (list(batch) for batch in zip(*(np.array_split(a, 3) for a in self.arrays), strict=True))


@pytest.fixture
def data() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(N, D)), rng.normal(size=(N, 3)), rng.random(N)


def model() -> Any:
    made = models.Sequential([layers.Input((D,)), layers.Dense(3, name="d")])
    made.compile(loss="mse", weighted_metrics=["mae"])
    return made


def pair() -> Any:
    i, j = layers.Input((D,), name="i"), layers.Input((3,), name="j")
    made = models.Model([i, j], layers.Concatenate()([i, j]))
    made.compile(loss="mse")
    return made


def generator(*arrays: Any) -> Iterator[Any]:
    return (tuple(a[i : i + 2] for a in arrays) for i in range(0, N, 2))


def batches(*arrays: Any) -> list[Any]:
    return [tuple(a[i : i + 4] for a in arrays) for i in (0, 4)]


@pytest.mark.parametrize("form", [generator, batches, Dataset, Loader])
def test_all_forms_come_to_the_same(form: Callable[..., Any], data: Any) -> None:
    made = model()
    x, y, w = data
    wanted = made.predict(x)
    for arrays in (data, data[:2], data[:1]):
        np.testing.assert_allclose(made.predict(form(*arrays)), wanted, rtol=1e-6)
    assert made.evaluate(form(x, y, w)) == pytest.approx(made.evaluate(x, y, sample_weight=w))
    assert made.evaluate(form(x, y)) == pytest.approx(made.evaluate(x, y))


def test_bare_arrays_are_batches_too(data: Any) -> None:
    made, x = model(), data[0]
    wanted = made.predict(x)
    for given in ([x[:2], x[2:]], (x[i : i + 3] for i in (0, 3, 6)), iter([x])):
        np.testing.assert_allclose(made.predict(given), wanted, rtol=1e-6)


def test_a_list_goes_by_the_number_of_inputs(data: Any) -> None:
    made, (x, y, _) = pair(), data
    wanted = np.concatenate([x, y], axis=1).astype("float32")
    parts = [[a[:4], b] for a, b in ((x, y[:4]),)] + [[x[4:], y[4:]]]
    named = [{"i": a, "j": b} for a, b in parts]
    forms: list[Any] = [
        [x, y],
        (x, y),
        {"i": x, "j": y},
        [{"i": x, "j": y}],
        parts,
        named,
        [(p,) for p in parts],
        iter(named),
    ]
    for given in forms:
        np.testing.assert_array_equal(made.predict(given), wanted)
    target = np.zeros((N, 5))
    assert made.evaluate([x, y], target) == made.evaluate([([x, y], target)])
    with pytest.raises(ValueError, match="expects 2 inputs"):
        made.predict([x, y, y])
    one = model()
    np.testing.assert_array_equal(one.predict([x]), one.predict([(x,)]))
    with pytest.raises(ValueError, match="expects 1 inputs"):
        one.predict((x, x))


def test_a_model_without_a_graph_takes_tuples_for_batches(data: Any) -> None:
    class Sum(models.Model):
        def call(self, inputs: Any) -> Any:
            return inputs[0] + inputs[1] if isinstance(inputs, (list, tuple)) else inputs

    x = data[0].astype("float32")
    np.testing.assert_array_equal(Sum().predict([x, x]), 2 * x)
    np.testing.assert_array_equal(Sum().predict([(x[:4],), (x[4:],)]), x)


def test_steps(data: Any) -> None:
    x, y, w = data
    for given in (generator(x, y), Dataset(x, y), Endless(x, y), batches(x, y), Loader(x, y)):
        assert len(list(Batches(given, steps=2))) == 2
    assert [len(b.x) for b in Batches(x, steps=3)] == [3, 3, 1]
    assert [len(b.y) for b in Batches(x, y, batch_size=2, steps=2)] == [2, 2]
    assert [len(b.sample_weight) for b in Batches(x, y, w, batch_size=4)] == [4, 3]
    # Fewer rows than steps: Keras cuts single rows.
    assert [len(b.x) for b in Batches(x[:2], steps=5)] == [1, 1]
    made = model()
    with pytest.warns(UserWarning, match="ran out of data: 9 steps were asked for, 4 batches were there"):
        made.evaluate(generator(x, y), steps=9)
    source = generator(x)
    made.predict(source, steps=1)
    assert len(next(source)[0]) == 2  # no batch more than asked for was taken


def test_totals(data: Any) -> None:
    x = data[0]
    for given, steps, total in (
        (x, None, 1),
        (x, 3, 3),
        (Dataset(x), None, 3),
        (Dataset(x), 2, 2),
        (Loader(x), None, None),
    ):
        assert Batches(given, steps=steps).total == total
    assert Batches(generator(x), steps=2).total is None


def test_a_dataset_is_told(data: Any) -> None:
    given = Dataset(*data)
    model().evaluate(given)
    assert given.told == ["", "begin", "end"]


@pytest.mark.parametrize(
    ("given", "more", "error", "text"),
    [
        (generator, {"y": np.ones(N)}, ValueError, "When `x` gives batches, `y` should not be passed"),
        (Dataset, {"sample_weight": np.ones(N)}, ValueError, "`sample_weight` should not be passed"),
        (lambda x: iter(()), {}, ValueError, "At least one batch is needed. Received: none from tuple_iterator"),
        (lambda x: iter([()]), {}, ValueError, "Received: a tuple of 0"),
        (lambda x: iter([(x, x, x, x)]), {}, ValueError, "Received: a tuple of 4"),
        (lambda x: iter([None]), {}, DTypeError, "Received: None of type NoneType"),
        (lambda x: x, {"y": np.ones(N - 1)}, ShapeError, r"Received: shape \(7, 2\), shape \(6,\)"),
        (lambda x: x, {"y": np.array(["a"] * N)}, DTypeError, "`y` takes arrays of real numbers"),
        (lambda x: x, {"sample_weight": 1.0}, ShapeError, r"shape \(\)"),
        (lambda x: x, {"batch_size": 0}, ValueError, "`batch_size` must be a positive whole number. Received: 0"),
        (lambda x: x, {"steps": True}, ValueError, "`steps` must be a positive whole number. Received: True"),
    ],
)
def test_refusals(given: Any, more: dict[str, Any], error: type[Exception], text: str, data: Any) -> None:
    with pytest.raises(error, match=text):
        list(Batches(given(data[0]), **more))


def test_lists_of_numbers_are_arrays() -> None:
    batch = next(iter(Batches([[1, 2], [3, 4]], [[0], [1]], [1, 2])))
    assert batch.x.shape == (2, 2)
    assert batch.y.shape == (2, 1)
    assert batch.sample_weight.shape == (2,)
    assert model().evaluate([[1, 2], [3, 4]], [[0] * 3] * 2)[0] >= 0
    batch = next(iter(Batches({"a": [[1, 2], [3, 4]]}, {"b": [0, 1], "c": None})))
    assert batch.x["a"].shape == (2, 2)
    assert batch.y["b"].shape == (2,)
    assert batch.y["c"] is None


def test_predict_on_batch(data: Any) -> None:
    made, x = model(), data[0]
    np.testing.assert_array_equal(made.predict_on_batch(x), made.predict(x))
    np.testing.assert_array_equal(made.predict_on_batch(x.tolist()), made.predict(x))


def test_bars(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model().predict(generator(data[0]), verbose=1)
    assert "predict" in capsys.readouterr().err
    model().predict(generator(data[0]), verbose=0)
    assert capsys.readouterr().err == ""
