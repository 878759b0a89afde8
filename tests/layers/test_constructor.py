"""Classes of one's own without `get_config`: what they were made with is remembered where a config can hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Sequential, layers


class Plain(layers.Layer):
    def __init__(self, units: int, sizes: Any = (1, 2), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.sizes = units, sizes

    def call(self, x: Any) -> Any:
        return x


class Closed(layers.Layer):
    def __init__(self, units: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.units = units


class Starred(layers.Layer):
    def __init__(self, *units: int) -> None:
        super().__init__()


class Function(layers.Layer):
    def __init__(self, function: Any) -> None:
        super().__init__()


class Wider(layers.Dense):
    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(2 * units, **kwargs)


def test_arguments_are_remembered() -> None:
    config = Plain(3, sizes=[4, None], name="me", trainable=False).get_config()
    assert {k: config[k] for k in ("units", "sizes", "name", "trainable")} == {
        "units": 3,
        "sizes": [4, None],
        "name": "me",
        "trainable": False,
    }
    again = Plain.from_config(config)
    assert [again.units, again.sizes, again.name, again.trainable] == [3, [4, None], "me", False]
    assert Plain(3).get_config()["sizes"] == (1, 2)  # defaults too
    assert Plain(3).clone(name="other").get_config() == {**Plain(3).get_config(), "name": "other"}


def test_only_what_the_constructor_takes() -> None:
    assert Closed(3, name="c").get_config() == {"units": 3, "name": "c"}
    assert Closed.from_config(Closed(3).get_config()).units == 3
    assert Starred().get_config() == {}


@pytest.mark.parametrize("layer", [Starred(3, 4), Function(np.tanh)])
def test_the_rest_needs_a_config(layer: Any) -> None:
    with pytest.raises(NotImplementedError, match=rf"{type(layer).__name__} .* must override `get_config\(\)`"):
        layer.get_config()
    with pytest.raises(NotImplementedError, match="get_config"):
        Sequential([layer]).get_config()


def test_a_layer_of_the_library_gives_its_own() -> None:
    config = Wider(3, activation="relu").get_config()
    assert config["units"] == 6
    assert config["activation"] == "relu"


def test_layers_given_to_a_constructor_are_not_found_twice() -> None:
    class Around(layers.Layer):
        def __init__(self, first: Any, second: Any) -> None:
            super().__init__()
            self.b, self.a = second, first

    first, second = layers.Dense(1), layers.Dense(2)
    assert Around(first, second).sublayers() == [second, first]


@pytest.mark.oracle
def test_like_keras(keras: Any) -> None:
    class Theirs(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, units: int, sizes: Any = (1, 2), **kwargs: Any) -> None:
            super().__init__(**kwargs)

    for options in ({}, {"sizes": [3], "trainable": False, "name": "me"}):
        assert Plain(3, **options).get_config().keys() == Theirs(3, **options).get_config().keys()
    with pytest.raises(NotImplementedError, match="get_config"):
        Theirs(3, sizes=np.tanh).get_config()
