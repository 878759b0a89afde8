from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import initializers, random

NAMES = [n for n in initializers.__all__ if n[0].isupper() and n not in {"Initializer", "Stored"}]


@pytest.mark.oracle
@pytest.mark.parametrize("name", NAMES)
def test_config_like_keras(keras: Any, name: str) -> None:
    ours, theirs = getattr(initializers, name)(), getattr(keras.initializers, name)()
    if name != "Identity":  # whose gain Keras forgets to write
        assert ours.get_config() == theirs.get_config()
    assert type(initializers.get(name)) is type(ours)
    if name != "Constant":
        assert type(keras.initializers.get(initializers.snake_case(name))).__name__ == name


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal",
                                  "RandomNormal", "RandomUniform", "TruncatedNormal"])  # fmt: skip
def test_distribution_like_keras(keras: Any, name: str) -> None:
    ours = getattr(initializers, name)(seed=1)((300, 200))
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1)((300, 200)))
    assert ours.dtype == theirs.dtype == np.float32
    assert abs(ours.mean()) < 0.02 * ours.std()
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.02)
    np.testing.assert_allclose(np.abs(ours).max(), np.abs(theirs).max(), rtol=0.05 if name != "RandomNormal" else 0.3)


def test_orthogonal() -> None:
    for shape in ((5, 8), (8, 5), (4, 4)):
        m = initializers.Orthogonal(gain=2.0, seed=3)(shape, "float64")
        small = m @ m.T if shape[0] < shape[1] else m.T @ m
        np.testing.assert_allclose(small, 4 * np.eye(min(shape)), atol=1e-12)


def test_seeds_repeat() -> None:
    first, again, other = (initializers.GlorotUniform(seed=s)((3, 4)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    free = initializers.GlorotUniform()  # draws its seed when it is made
    np.testing.assert_array_equal(free((3, 4)), free((3, 4)))
    assert free.get_config()["seed"] is None
    for fresh in (initializers.GlorotUniform(), free.clone()):
        assert np.abs(free((3, 4)) - fresh((3, 4))).max() > 0.01
    random.seed_everything(3)
    first = initializers.GlorotUniform()((3, 4))
    random.seed_everything(3)
    np.testing.assert_array_equal(first, initializers.GlorotUniform()((3, 4)))


def test_a_seed_generator_makes_every_call_differ() -> None:
    made = initializers.RandomNormal(seed=random.SeedGenerator(4, name="s"))
    first, second = made((3, 4)), made((3, 4))
    assert np.abs(first - second).max() > 0.01
    again = initializers.RandomNormal.from_config(made.get_config())
    np.testing.assert_array_equal(again((3, 4)), first)


def test_aliases_and_configs() -> None:
    for name in NAMES:
        assert getattr(initializers, initializers.snake_case(name)) is getattr(initializers, name)
    made = initializers.get({"class_name": "VarianceScaling", "config": {"scale": 2.0, "seed": 1}})
    assert made.get_config()["scale"] == 2.0
    assert initializers.deserialize(initializers.serialize(made)).get_config() == made.get_config()
    assert initializers.get(initializers.zeros).get_config() == {}

    def mine(shape: Any, dtype: Any = None) -> Any:
        return np.full(shape, 7, dtype)

    assert initializers.get(mine) is mine
    array = initializers.get(np.arange(3.0))
    assert array((3,), "float32").dtype == np.float32
    with pytest.raises(ValueError, match=r"Expected `shape` to be \(3,\) for direct tensor"):
        array((4,))


@pytest.mark.oracle
def test_descriptions_like_keras(keras: Any) -> None:
    ours = initializers.serialize(initializers.RandomNormal(seed=random.SeedGenerator(4, name="s")))
    theirs = keras.initializers.serialize(keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(4, name="s")))
    assert ours == theirs
    assert initializers.serialize(initializers.HeNormal(3)) == keras.initializers.serialize(
        keras.initializers.HeNormal(3)
    )


def test_plain_values() -> None:
    np.testing.assert_array_equal(initializers.Constant(2.5)((2, 2)), np.full((2, 2), 2.5))
    np.testing.assert_array_equal(initializers.get(np.arange(3.0))((3,)), [0, 1, 2])
    np.testing.assert_array_equal(initializers.get("identity")((2, 2)), np.eye(2))
    np.testing.assert_array_equal(initializers.get(initializers.Ones)((2,)), [1, 1])
    assert initializers.get(None) is None


def test_descriptions_are_kept_until_needed() -> None:
    stored = initializers.get({"class_name": "Constant", "config": {"value": 3.0}})
    np.testing.assert_array_equal(stored((2,)), [3, 3])
    unknown = initializers.get({"class_name": "Mine", "config": {}})
    with pytest.raises(ValueError, match=r"Could not interpret initializer identifier: {'class_name': 'Mine'"):
        unknown((2,))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: initializers.get("nope"), "Could not interpret initializer identifier: nope"),
        (lambda: initializers.get(3), "Could not interpret initializer identifier: 3"),
        (lambda: initializers.VarianceScaling(scale=0), "`scale` must be positive"),
        (lambda: initializers.VarianceScaling(mode="x"), "Invalid `mode` argument: x"),
        (lambda: initializers.VarianceScaling(distribution="x"), "Invalid `distribution` argument: x"),
        (lambda: initializers.Orthogonal()((3,)), "at least two-dimensional"),
        (lambda: initializers.Identity()((3,)), "2D matrices"),
        (lambda: initializers.RandomNormal(seed="x"), "`seed`"),
    ],
)
def test_refuses(make: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is checked below)
        make()
    assert text in str(caught.value)
