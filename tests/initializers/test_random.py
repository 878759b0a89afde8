"""What is drawn, and from which seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import initializers, random


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


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: initializers.VarianceScaling(scale=0), "`scale` must be positive"),
        (lambda: initializers.VarianceScaling(mode="x"), "Invalid `mode` argument: x"),
        (lambda: initializers.VarianceScaling(distribution="x"), "Invalid `distribution` argument: x"),
        (lambda: initializers.Orthogonal()((3,)), "at least two-dimensional"),
        (lambda: initializers.RandomNormal(seed="x"), "`seed`"),
    ],
)
def test_refuses(make: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is checked below)
        make()
    assert text in str(caught.value)
