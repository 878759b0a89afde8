"""Layers side by side with Keras': the same constructor, the same weights, the same input, then outputs and masks compared."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers
from numba_rnn.ops.naming import clear_session
from numba_rnn.ops.tree import flatten


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are tested over the oracle backend: what kernels compute has tests of its own."""
    from numba_rnn.config import settings

    monkeypatch.setattr(settings, "device", "reference")


def random_weights(layer: Any, rng: np.random.Generator) -> None:
    """Different numbers everywhere; variances positive."""
    arrays = [rng.normal(0, 0.6, w.shape).astype(w.dtype) for w in layer.weights]
    layer.set_weights(
        [abs(a) + 0.1 if w.name == "moving_variance" else a for w, a in zip(layer.weights, arrays, strict=True)]
    )


def to_keras(keras: Any, x: Any, mask: Any = None) -> Any:
    """A tensor of Keras', with a mask attached where there is one."""
    if isinstance(x, list):
        return [to_keras(keras, a, m) for a, m in zip(x, mask or [None] * len(x), strict=True)]
    tensor = keras.ops.convert_to_tensor(x)
    if mask is not None:
        tensor._keras_mask = keras.ops.convert_to_tensor(mask)
    return tensor


def with_mask(x: Any, mask: Any = None) -> Any:
    if isinstance(x, list):
        return [with_mask(a, m) for a, m in zip(x, mask or [None] * len(x), strict=True)]
    return layers.masks.set_mask(x, mask)


@pytest.fixture
def like_keras(keras: Any, rng: np.random.Generator) -> Callable[..., Any]:
    """`like_keras(make, x, mask=attached, **call)`: make(K) builds the layer from either library's `layers`."""

    def check(make: Callable[[Any], Any], x: Any, mask: Any = None, tolerance: float = 1e-5, **call: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keras.utils.clear_session()
            clear_session()
            theirs, ours = make(keras.layers), make(layers)
            theirs(to_keras(keras, x, mask), **call)
            ours(with_mask(x, mask), **call)
            random_weights(ours, rng)
            assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
            assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
            theirs.set_weights(ours.get_weights())
            wanted, got = theirs(to_keras(keras, x, mask), **call), ours(with_mask(x, mask), **call)
        assert type(wanted) is type(got) or not isinstance(wanted, (list, tuple))
        wanted, got = flatten(wanted), flatten(got)
        assert len(wanted) == len(got)
        for want, have in zip(wanted, got, strict=True):
            assert np.asarray(have).dtype == np.asarray(want).dtype
            np.testing.assert_allclose(np.asarray(have), np.asarray(want), rtol=tolerance, atol=tolerance)
            want_mask, have_mask = getattr(want, "_keras_mask", None), getattr(have, "_keras_mask", None)
            assert (want_mask is None) == (have_mask is None)
            if want_mask is not None:
                np.testing.assert_array_equal(np.asarray(have_mask), np.asarray(want_mask))
        assert ours.get_config().keys() == theirs.get_config().keys()
        return ours

    return check
