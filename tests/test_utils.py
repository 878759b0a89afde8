from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import layers, utils
from numba_rnn.errors import ShapeError

ROWS = [[1, 2, 3], [4], [], [5, 6, 7, 8, 9]]
STEPS = [[[1, 2], [3, 4]], [[5, 6]], [[7, 8], [9, 10], [11, 12]]]
PADDINGS: list[tuple[Any, dict[str, Any]]] = [
    (rows, {"maxlen": n, "padding": p, "truncating": t})
    for rows in (ROWS, STEPS)
    for n in (None, 2, 4, 7)
    for p in ("pre", "post")
    for t in ("pre", "post")
] + [
    (ROWS, {"value": -1.5, "dtype": "float32"}),
    (ROWS, {"value": 7}),
    ([["a", "b"], ["c"]], {"value": "_", "dtype": object}),
    ([np.array([1.5, 2.5]), np.array([3.5])], {"dtype": "float64"}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("rows", "kwargs"), PADDINGS)
def test_pad_sequences_like_keras(keras: Any, rows: Any, kwargs: Any) -> None:
    got, want = utils.pad_sequences(rows, **kwargs), keras.utils.pad_sequences(rows, **kwargs)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_pad_sequences() -> None:
    assert utils.pad_sequences(ROWS).tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 0, 4], [0] * 5, [5, 6, 7, 8, 9]]
    assert utils.pad_sequences(ROWS, 2, padding="post", truncating="post").tolist() == [[1, 2], [4, 0], [0, 0], [5, 6]]
    assert utils.pad_sequences(STEPS).shape == (3, 3, 2)
    assert numba_rnn.preprocessing.sequence.pad_sequences is utils.pad_sequences


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("x", "n"), [([0, 2, 1], None), ([[0], [3]], None), ([[0, 1], [2, 0]], 5), (np.array([1, 0]), 2), (2, 3)]
)
def test_to_categorical_like_keras(keras: Any, x: Any, n: Any) -> None:
    got, want = utils.to_categorical(x, n), keras.utils.to_categorical(x, n)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.oracle
@pytest.mark.parametrize("order", [1, 2])
def test_normalize_like_keras(keras: Any, order: int) -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0], [-1.0, 2.0]])
    np.testing.assert_allclose(utils.normalize(x, -1, order), keras.utils.normalize(x, -1, order))


def test_small_ones() -> None:
    assert utils.to_categorical([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]
    np.testing.assert_allclose(utils.normalize(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize([3.0, 4.0]), [0.6, 0.8], rtol=1e-6)
    assert utils.is_keras_tensor(numba_rnn.Input((2,)))
    assert not utils.is_keras_tensor(np.ones(2))


def test_set_random_seed_repeats_everything() -> None:
    def draw() -> list[Any]:
        dense = layers.Dense(3)
        dense.build((None, 4))
        dropped = layers.Dropout(0.5)(np.ones((4, 5), "float32"), training=True)
        return [dense.kernel.numpy(), numba_rnn.random.normal((3,)), dropped, np.random.rand(3), [random.random()]]  # noqa: NPY002

    utils.set_random_seed(11)
    first = draw()
    second = draw()
    utils.set_random_seed(11)
    for a, b, c in zip(first, second, draw(), strict=True):
        np.testing.assert_array_equal(a, c)
        assert (np.asarray(a) != np.asarray(b)).any()


def test_clear_session_starts_names_afresh() -> None:
    utils.clear_session()
    assert [layers.LSTM(2).name, layers.LSTM(2).name] == ["lstm", "lstm_1"]
    utils.clear_session()
    assert layers.LSTM(2).name == "lstm"
    numba_rnn.backend.clear_session()
    assert layers.LSTM(2).name == "lstm"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: utils.pad_sequences(3), ValueError, "`sequences` must be iterable"),
        (lambda: utils.pad_sequences([1, 2]), ValueError, "must be a list of iterables. Found non-iterable: 1"),
        (lambda: utils.pad_sequences(ROWS, padding="left"), ValueError, 'Padding type "left" not understood'),
        (lambda: utils.pad_sequences(ROWS, truncating="x"), ValueError, 'Truncating type "x" not understood'),
        (lambda: utils.pad_sequences(ROWS, value="_"), ValueError, "is not compatible with `value`'s type"),
        (
            lambda: utils.pad_sequences([[[1, 2]], [[1]]]),
            ShapeError,
            "of sequence at position 1 is different from expected",
        ),
        (lambda: utils.to_categorical([3], 2), ValueError, "must be below num_classes=2"),
        (lambda: utils.set_random_seed("x"), ValueError, "Expected `seed` argument to be an integer"),
    ],
)
def test_refuses(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


class Rows(utils.PyDataset):
    def __init__(self, x: Any, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.x, self.size = x, size

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __getitem__(self, index: int) -> Any:
        rows = self.x[index * self.size : (index + 1) * self.size]
        return rows, rows.sum(axis=1, keepdims=True)


def test_batches_by_their_places(rng: np.random.Generator) -> None:
    x = rng.normal(size=(10, 3)).astype("float32")
    model = numba_rnn.Sequential([layers.Dense(1, kernel_initializer="ones")])
    np.testing.assert_array_equal(model.predict(Rows(x, 4, workers=2), verbose=0), model.predict(x, verbose=0))
    model.compile(loss="mse")
    assert model.evaluate(Rows(x, 4), verbose=0) == pytest.approx(0, abs=1e-10)
    assert utils.Sequence is utils.PyDataset
    with pytest.raises(NotImplementedError, match="PyDataset needs `__len__`"):
        len(utils.PyDataset())
