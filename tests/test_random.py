from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import random


@pytest.mark.parametrize(
    ("draw", "dtype"),
    [
        (lambda **k: random.normal((3, 5), 1.0, 2.0, **k), "float32"),
        (lambda **k: random.truncated_normal((3, 5), dtype="float64", **k), "float64"),
        (lambda **k: random.uniform((3, 5), -1, 3, **k), "float32"),
        (lambda **k: random.randint((3, 5), 2, 900, **k), "int32"),
        (lambda **k: random.categorical(np.zeros((3, 900), "float32"), 5, **k), "int32"),
        (lambda **k: random.dropout(np.ones((3, 5), "float64"), 0.5, **k), "float64"),
        (lambda **k: random.shuffle(np.arange(15.0).reshape(5, 3), **k).T, "float64"),
    ],
)
def test_seeds(draw: Any, dtype: str) -> None:
    first, again, other = draw(seed=1), draw(seed=1), draw(seed=2)
    assert (first.shape, first.dtype.name) == ((3, 5), dtype)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    seeds, twins = random.SeedGenerator(3), random.SeedGenerator(3)
    run = [draw(seed=seeds) for _ in range(3)]
    np.testing.assert_array_equal(run, [draw(seed=twins) for _ in range(3)])
    assert (run[0] != run[1]).any()
    assert (run[1] != run[2]).any()
    random.seed_everything(8)
    run = [draw(), draw()]
    assert (run[0] != run[1]).any()
    random.seed_everything(8)
    np.testing.assert_array_equal(run, [draw(), draw()])
    with pytest.raises(ValueError, match="must be either an integer or an instance of `SeedGenerator`"):
        draw(seed="x")


def test_distributions() -> None:
    n = random.normal((200, 300), 1.0, 2.0, seed=1)
    np.testing.assert_allclose([n.mean(), n.std()], [1, 2], atol=0.03)
    t = random.truncated_normal((200, 300), 1.0, 2.0, seed=1)
    assert np.abs(t - 1).max() <= 4
    np.testing.assert_allclose([t.mean(), t.std()], [1, 2 * 0.8796], atol=0.03)
    u = random.uniform((200, 300), -1, 3, seed=1)
    assert -1 <= u.min() < -0.99
    assert 2.99 < u.max() < 3
    i = random.randint((200, 300), 2, 5, seed=1)
    np.testing.assert_allclose(np.bincount(i.ravel()) / i.size, [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=0.01)
    c = random.categorical(np.log([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]), 20000, seed=1)
    np.testing.assert_allclose([np.bincount(row) / 20000 for row in c], [[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]], atol=0.015)


def test_dropout() -> None:
    x = np.linspace(1, 2, 12000, dtype=np.float32).reshape(100, 40, 3)
    y = random.dropout(x, 0.25, seed=1)
    kept = y != 0
    np.testing.assert_allclose(kept.mean(), 0.75, atol=0.02)
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-6)
    y = random.dropout(x, 0.25, noise_shape=(None, 1, 3), seed=1)
    same = (y != 0).all(1) | (y == 0).all(1)
    assert same.all()
    assert 0.15 < (y[:, 0] == 0).mean() < 0.35
    assert random.dropout(x, 0) is x
    assert not random.dropout(x, 1.0).any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        random.dropout(x, 1.5)


def test_shuffle_keeps_slices() -> None:
    x = np.arange(24).reshape(2, 12)
    y = random.shuffle(x, axis=1, seed=4)
    assert sorted(map(tuple, y.T)) == sorted(map(tuple, x.T))
    assert (x != y).any()


def test_seed_generator() -> None:
    seeds = random.SeedGenerator(7, name="s")
    assert seeds.get_config() == {"seed": 7, "name": "s"}
    np.testing.assert_array_equal(seeds.next(), [7, 0])
    np.testing.assert_array_equal(seeds.state, [7, 1])
    assert seeds.state.dtype == np.uint32
    np.testing.assert_array_equal(random.SeedGenerator.from_config(seeds.get_config()).state, [7, 0])
    assert random.SeedGenerator().get_config()["seed"] is None
    with pytest.raises(ValueError, match="must be an integer"):
        random.SeedGenerator("x")


@pytest.mark.oracle
def test_states_like_keras(keras: Any) -> None:
    theirs, ours = keras.random.SeedGenerator(5), random.SeedGenerator(5)
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(theirs.next()), ours.next())
    np.testing.assert_array_equal(np.asarray(theirs.state), ours.state)
    assert sorted(theirs.get_config()) == sorted(ours.get_config())


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (lambda: random.uniform((2,), dtype="int32"), "requires a floating point `dtype`"),
        (lambda: random.randint((2,), 0, 3, dtype="float32"), "requires an integer `dtype`"),
        (lambda: random.categorical(np.zeros(3), 2), "2-D tensor"),
        (lambda: random.seed_everything("x"), "Expected `seed` argument to be an integer"),
    ],
)
def test_refuses(draw: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        draw()
