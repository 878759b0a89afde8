"""What weights in fewer bytes cost: the rows, the bytes, the input that a model is tried on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numba_rnn import Model, Sequential, layers
from numba_rnn.compressed import STORAGES
from numba_rnn.models import comparison
from numba_rnn.models.comparison import ROWS, STEPS, compare_weights, example_inputs

L = layers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba_rnn.config import settings

    monkeypatch.setattr(settings, "device", "reference")
    monkeypatch.setattr(comparison, "SECONDS", 0.0)


def test_rows(rng: np.random.Generator) -> None:
    model = Sequential([L.Input((None, 3)), L.LSTM(6, return_sequences=True), L.Bidirectional(L.GRU(4)), L.Dense(5)])
    x = rng.standard_normal((2, 7, 3)).astype(np.float32)
    want = model(x)
    rows = {row.storage: row for row in compare_weights(model)}
    assert list(rows) == [None, *STORAGES]
    np.testing.assert_array_equal(model(x), want)

    matrices = [(3, 24), (6, 24), *[(6, 12), (4, 12)] * 2, (8, 5)]
    numbers, columns = sum(k * n for k, n in matrices), sum(n for _, n in matrices)
    rest = 4 * (24 + 2 * 24 + 5)
    assert {s: row.nbytes for s, row in rows.items()} == {
        None: 4 * numbers + rest,
        "bfloat16": 2 * numbers + rest,
        "float16": 2 * numbers + rest,
        "int8": numbers + 4 * columns + rest,
    }
    assert (rows[None].largest, rows[None].mean) == (0, 0)
    for row in rows.values():
        assert row.seconds > 0
        assert row.refused is None
    for storage in STORAGES:
        assert 1e-6 < rows[storage].mean < rows[storage].largest < 0.1
    assert rows["float16"].largest < rows["bfloat16"].largest / 2
    again = list(compare_weights(model))
    assert [row.largest for row in again] == [row.largest for row in rows.values()]


def test_a_storage_that_cannot_be_is_a_row_too() -> None:
    model = Sequential([L.Input((3,)), L.Dense(2)])
    model.set_weights([np.full((3, 2), 1e5), np.zeros(2)])
    _, bfloat16, float16, int8 = compare_weights(model)
    assert float16.refused is not None
    assert "does not fit float16" in float16.refused
    assert math.isnan(float16.largest)
    assert bfloat16.refused is int8.refused is None
    assert model.layers[0].weight_storage is None


def test_stateful_models_start_from_zero_each_time() -> None:
    model = Sequential([L.Input(batch_shape=(3, 5, 2)), L.GRU(4, stateful=True)])
    rows = list(compare_weights(model))
    assert rows[2].largest < 0.01
    assert not np.asarray(model.layers[0].states[0]).any()


def of(model: Any) -> list[np.ndarray]:
    return example_inputs(model, ROWS, np.random.default_rng(1))


def test_inputs_have_the_models_own_shapes() -> None:
    a, b, c = L.Input((None, 3)), L.Input(batch_shape=(2, 4), dtype="float64"), L.Input((), dtype="bool")
    arrays = of(Model([a, b, c], [a, b, c]))
    assert [x.shape for x in arrays] == [(ROWS, STEPS, 3), (2, 4), (ROWS,)]
    assert [x.dtype for x in arrays] == [np.float32, np.float64, np.bool_]
    assert abs(arrays[0].std() - 1) < 0.1


def test_tokens_are_ones_that_the_embedding_knows() -> None:
    words, small, frames = L.Input((None,), name="words"), L.Input((4, 3), dtype="int32"), L.Input((None, 3))
    inner = Sequential([L.Input((None,)), L.Embedding(7, 2)])
    steps = L.TimeDistributed(L.Embedding(5, 2))(small)
    model = Model([words, small, frames], [inner(words), L.Embedding(50, 3)(words), steps, L.GRU(2)(frames)])
    x, y, z = of(model)
    assert (x.dtype, set(np.unique(x))) == (np.float32, {1, 2, 3, 4, 5, 6})
    assert (y.dtype, set(np.unique(y))) == (np.int32, {1, 2, 3, 4})
    assert z.min() < 0
    assert [row.refused for row in compare_weights(model)] == [None] * 4


def test_a_vocabulary_of_one() -> None:
    (x,) = of(Sequential([L.Input((None,)), L.Embedding(1, 2)]))
    assert not x.any()
