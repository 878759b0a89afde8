"""Initializers by name, by description, by numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import initializers, random
from numba_rnn.ops.naming import snake_case

NAMES = [n for n in initializers.__all__ if n[0].isupper() and n not in {"FAMILY", "Stored"} and "Initializer" not in n]


@pytest.mark.oracle
@pytest.mark.parametrize("name", NAMES)
def test_config_like_keras(keras: Any, name: str) -> None:
    ours, theirs = getattr(initializers, name)(), getattr(keras.initializers, name)()
    if name != "Identity":  # whose gain Keras forgets to write
        assert ours.get_config() == theirs.get_config()
    assert type(initializers.get(name)) is type(ours)
    if name != "Constant":
        assert type(keras.initializers.get(snake_case(name))).__name__ == name


def test_aliases_and_configs() -> None:
    for name in NAMES:
        assert getattr(initializers, snake_case(name)) is getattr(initializers, name)
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
    ],
)
def test_refuses(make: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is checked below)
        make()
    assert text in str(caught.value)
