"""Calls by the rules of Keras 1 and 2, against what these rules say in so many words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numba_rnn as keras
from numba_rnn import layers
from numba_rnn.models.old_calls import old_call

B, T, D, H = 4, 5, 3, 2


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Sequences padded on the right, on the left, in the middle, and everywhere; none of them full."""
    x = rng.normal(size=(B, T, D)).astype("float32")
    x[0, 3:] = x[1, :2] = x[2, 1:3] = x[3] = 0
    return x


@pytest.fixture
def other(rng: np.random.Generator) -> np.ndarray:
    y = rng.normal(size=(B, T, D)).astype("float32")
    y[0, 1:] = y[3, :2] = 0
    return y


def valid(x: np.ndarray) -> np.ndarray:
    return np.any(x != 0, -1)


def called(
    operation: Any, *inputs: np.ndarray, masked: int = 1, time_major: bool = False, as_list: bool = False, **states: Any
) -> Any:
    """The outputs of an old call; the first `masked` inputs come through a Masking."""
    symbolic = [keras.Input(batch_shape=(None, *a.shape[1:])) for a in inputs]
    through = [layers.Masking()(s) if n < masked else s for n, s in enumerate(symbolic)]
    kept = {k: keras.Input(batch_shape=(None, *v.shape[1:])) for k, v in states.items()}
    kwargs = {"initial_state": list(kept.values())} if kept else {}
    outputs = old_call(operation, [through] if as_list else through, kwargs, time_major)
    outputs = list(outputs) if isinstance(outputs, tuple) else outputs
    model = keras.Model([*symbolic, *kept.values()], {"y": outputs, "next": last(outputs)})
    return model([*inputs, *states.values()])


def last(outputs: Any) -> Any:
    """A layer that shows which mask the (first) outputs have: how many steps are left."""
    y = outputs[0] if isinstance(outputs, list) else outputs
    return layers.GlobalAveragePooling1D()(y) if len(y.shape) == 3 else y


def mean(y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    weights = mask[..., None].astype("float32")
    with np.errstate(invalid="ignore"):
        return np.asarray((y * weights).sum(1) / weights.sum(1))


def test_a_mask_goes_with_states(x: np.ndarray, rng: np.random.Generator) -> None:
    layer = layers.LSTM(H, return_sequences=True)
    h, c = rng.normal(size=(2, B, H)).astype("float32")
    found = called(layer, x, h=h, c=c)
    expected = layer(x, initial_state=[h, c], mask=valid(x))
    np.testing.assert_allclose(found["y"], expected, atol=1e-6)
    assert np.abs(found["y"] - layer(x, initial_state=[h, c])).max() > 0.01


MERGES = {
    "Add": lambda a, b: a + b,
    "Multiply": lambda a, b: a * b,
    "Average": lambda a, b: (a + b) / 2,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Subtract": lambda a, b: a - b,
    "Concatenate": lambda a, b: np.concatenate([a, b], -1),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("kind", MERGES)
def test_layers_that_merge(kind: str, x: np.ndarray, other: np.ndarray) -> None:
    y = MERGES[kind](x, other)
    both = called(getattr(layers, kind)(), x, other, masked=2, as_list=True)
    np.testing.assert_allclose(both["y"], y, atol=1e-6)
    np.testing.assert_allclose(both["next"], mean(y, valid(x) & valid(other)), atol=1e-6)
    one = called(getattr(layers, kind)(), x, other, masked=1, as_list=True)
    np.testing.assert_allclose(one["y"], y, atol=1e-6)
    np.testing.assert_allclose(one["next"], mean(y, valid(x)), atol=1e-6)
    none = called(getattr(layers, kind)(), x, other, masked=0, as_list=True)
    np.testing.assert_allclose(none["next"], y.mean(1), atol=1e-6)


def test_sequences_one_behind_the_other(x: np.ndarray, other: np.ndarray) -> None:
    found = called(layers.Concatenate(axis=1), x[:3], other[:3], masked=2, as_list=True)
    y = np.concatenate([x, other], 1)[:3]
    np.testing.assert_allclose(found["next"], mean(y, valid(y)), atol=1e-6)


@pytest.mark.parametrize("masked", [0, 1])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_time_first(masked: int, return_sequences: bool, x: np.ndarray, rng: np.random.Generator) -> None:
    layer = layers.LSTM(H, return_sequences=return_sequences, return_state=True, go_backwards=True)
    h, c = rng.normal(size=(2, B, H)).astype("float32")
    found = called(layer, x.transpose(1, 0, 2), masked=masked, time_major=True, h=h, c=c)["y"]
    expected = list(layer(x, initial_state=[h, c], mask=valid(x) if masked else None))
    if return_sequences:
        expected[0] = expected[0].transpose(1, 0, 2)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_time_first_passes_the_mask_on(x: np.ndarray) -> None:
    turned = x.transpose(1, 0, 2)
    found = called(layers.GRU(H, return_sequences=True), turned, time_major=True)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found["next"], mean(found["y"], valid(turned)), atol=1e-6)


def test_masks_of_steps(rng: np.random.Generator) -> None:
    """Words of sentences: an Embedding inside makes their mask, a layer over words uses it, one over sentences what is left."""
    words = rng.integers(1, 5, (B, 3, 4)).astype("float32")
    words[0, :, 2:] = words[1, 2] = 0
    embed, over_words, over = layers.Embedding(5, D, mask_zero=True), layers.GRU(H), layers.GRU(H)
    i = keras.Input((3, 4))
    e = old_call(layers.TimeDistributed(embed), [i], {}, False)
    sentences = old_call(layers.TimeDistributed(over_words), [e], {}, False)
    found = keras.Model(i, [sentences, over(sentences)])(words)
    inside = embed(words.reshape(-1, 4))  # with its mask
    expected = np.asarray(over_words(inside)).reshape(B, 3, H)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], over(expected, mask=np.any(words != 0, -1)), atol=1e-6)
