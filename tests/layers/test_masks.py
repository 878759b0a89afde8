"""Masks and layers of one's own: what reaches `call`, what travels on; and whether recurrent layers pass masks on at all."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers
from numba_rnn.config import settings
from numba_rnn.layers.masks import get_mask, set_mask
from numba_rnn.layers.serialization import serialize
from numba_rnn.models import deserialize_model

MASK = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]], bool)


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(3, 4, 2)).astype("float32")


def sums(*masks: Any) -> list[Any]:
    return [None if m is None else int(np.asarray(m).sum()) for m in masks]


def own_classes(K: Any) -> dict[str, Any]:
    """Layers that do with masks what layers do, of either library."""

    class Forwards(K.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, inputs: Any) -> Any:
            return inputs * 2

    class Uses(K.Layer):  # type: ignore[misc]
        def call(self, inputs: Any, mask: Any = None) -> Any:
            self.seen = sums(mask)
            return inputs * 2

    class Two(K.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, a: Any, b: Any, a_mask: Any = None, b_mask: Any = None) -> Any:
            self.seen = sums(a_mask, b_mask)
            return a + b

    class Listed(K.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, inputs: Any, mask: Any = None) -> Any:
            self.seen = sums(*(mask or ()))
            return inputs[0] + inputs[1]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return mask[1]

    class Shortens(K.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, inputs: Any) -> Any:
            return inputs[:, 1:]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None if mask is None else mask[:, 1:]

    class Inside(K.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.masking = K.Masking()

        def call(self, inputs: Any) -> Any:
            return self.masking(inputs)

    return {c.__name__: c for c in (Forwards, Uses, Two, Listed, Shortens, Inside)}


def behaviour(K: Any, tensor: Any, M: Any, x: Any) -> list[Any]:
    """Everything that the classes above see and hand on."""
    own = {name: make() for name, make in own_classes(K).items()}
    masked, other = tensor(x, MASK), tensor(x, ~MASK)
    results = {
        "forwards": own["Forwards"](masked),
        "uses": own["Uses"](masked),
        "two": own["Two"](masked, other),
        "listed": own["Listed"]([masked, other]),
        "shortens": own["Shortens"](masked),
        "inside": own["Inside"](tensor(x * MASK[..., None], None)),
        "model": M([K.Input((4, 2)), K.Masking(), own_classes(K)["Forwards"](), own_classes(K)["Shortens"]()])(
            tensor(x * MASK[..., None], None)
        ),
    }
    seen = [own["Uses"].seen, own["Two"].seen, own["Listed"].seen]
    own["Two"](masked, tensor(x, None))
    seen.append(own["Two"].seen)
    own["Two"](masked, other, b_mask=tensor(MASK & False, None))
    seen.append(own["Two"].seen)
    own["Uses"](masked, mask=tensor(~MASK, None))
    seen.append(own["Uses"].seen)
    masks = {
        k: None if get_mask(y) is None else np.asarray(get_mask(y)).astype(int).tolist() for k, y in results.items()
    }
    return [seen, masks]


WANTED = [
    [[8], [8, 4], [8, 4], [8, None], [8, 0], [4]],
    {
        "forwards": MASK.astype(int).tolist(),
        "uses": None,
        "two": MASK.astype(int).tolist(),
        "listed": (~MASK).astype(int).tolist(),
        "shortens": MASK[:, 1:].astype(int).tolist(),
        "inside": MASK.astype(int).tolist(),
        "model": MASK[:, 1:].astype(int).tolist(),
    },
]


def test_layers_of_ones_own(x: Any) -> None:
    assert behaviour(layers, set_mask, Sequential, x) == WANTED


@pytest.mark.oracle
def test_like_keras(keras: Any, x: Any) -> None:
    def tensor(values: Any, mask: Any) -> Any:
        made = keras.ops.convert_to_tensor(values)
        if mask is not None:
            made._keras_mask = keras.ops.convert_to_tensor(mask)
        return made

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `Uses` does not say that it supports masks
        assert behaviour(keras.layers, tensor, keras.Sequential, x) == WANTED


def test_states_end_the_automatic_mask(x: Any) -> None:
    gru = layers.GRU(2, return_sequences=True)
    h = np.ones((3, 2), "float32")
    y = gru(set_mask(x, MASK), initial_state=h)
    np.testing.assert_array_equal(y, gru(x, initial_state=h))
    assert (gru(x, initial_state=h, mask=MASK) != y).any()


def test_one_step_goes_with_any_mask(x: Any) -> None:
    pooling = layers.GlobalAveragePooling1D()
    np.testing.assert_allclose(pooling(x[:, :1], mask=MASK), x[:, 0], rtol=1e-6)
    np.testing.assert_allclose(pooling(x, mask=MASK[:1]), x[:, :2].mean(1), rtol=1e-6)
    with pytest.raises(ValueError, match="one entry a row and step"):
        pooling(x, mask=MASK[:, :3])


WRAPPED = {
    "LSTM": lambda: layers.LSTM(2, return_sequences=True),
    "RNN": lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)], return_sequences=True),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True)),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(2)),
}


@pytest.fixture
def rule() -> Any:
    yield config.set_masks
    config.set_masks("auto")


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_rule_of_3_16(x: Any, rule: Any, kind: str) -> None:
    passing = WRAPPED[kind]()
    assert get_mask(passing(set_mask(x, MASK))) is not None
    rule("3.16")
    ending = WRAPPED[kind]()
    y = ending(set_mask(x, MASK))  # which does not warn: the mask was used
    assert get_mask(y) is None
    ending.set_weights(passing.get_weights())
    np.testing.assert_array_equal(ending(set_mask(x, MASK)), passing(set_mask(x, MASK)))
    assert get_mask(passing(set_mask(x, MASK))) is not None  # made before


def nested() -> Any:
    inner = Sequential([layers.GRU(3, return_sequences=True), layers.TimeDistributed(layers.Dense(3))], name="inner")
    return Sequential([Input((4,)), layers.Embedding(9, 3, mask_zero=True), inner, layers.LSTM(2)])


@pytest.mark.parametrize("setting", ["auto", "3.15", "3.16"])
@pytest.mark.parametrize("version", [(3, 15), (3, 16)])
def test_files_are_read_by_their_version(rule: Any, setting: str, version: tuple[int, int]) -> None:
    model, ids = nested(), np.array([[3, 1, 0, 0], [2, 0, 5, 0]])
    rule(setting)
    made = deserialize_model(serialize(model), version)
    made.set_weights(model.get_weights())
    passes = setting == "3.15" or (setting == "auto" and version == (3, 15))
    assert np.allclose(made(ids), model(ids)) == passes
    assert all(layer.supports_masking == passes for layer in made.layers[1].layers)


def test_graphs_obey_what_they_recorded(rule: Any) -> None:
    ids = np.array([[3, 1, 0, 0], [2, 0, 5, 0]])
    inputs = Input((4,))
    y = layers.LSTM(2)(layers.GRU(3, return_sequences=True)(layers.Embedding(9, 3, mask_zero=True)(inputs)))
    model = Model(inputs, y)
    rule("3.16")
    ending = Model(i := Input((4,)), model.layers[-1](layers.GRU(3, return_sequences=True)(model.layers[1](i))))
    ending.layers[2].set_weights(model.layers[2].get_weights())
    assert not np.allclose(ending(ids), model(ids))


def test_the_rule_is_one_of_three(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"must be one of auto, 3\.15, 3\.16\. Received: '3\.14'"):
        rule("3.14")
    assert settings.masks == "auto"


def test_a_layer_with_a_compute_mask_of_its_own_hands_masks_on(x: Any) -> None:
    class Halves(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return [inputs[:, :2], inputs[:, 2:]]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None if mask is None else [mask[:, :2], mask[:, 2:]]

    first, second = Halves()(set_mask(x, MASK))
    assert sums(get_mask(first), get_mask(second)) == sums(MASK[:, :2], MASK[:, 2:])
