"""`numba_rnn.saving`: what Keras' namespace does, its errors, and classes of one's own in files."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import Input, ModelFileError, Sequential, initializers, layers, load_model, ops, saving
from numba_rnn.config import device
from numba_rnn.custom import REGISTERED, _names


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Nothing that a test registers stays."""
    kept, names = dict(REGISTERED), dict(_names)
    with device("reference"):
        yield
    for now, before in ((REGISTERED, kept), (_names, names)):
        now.clear()
        now.update(before)


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(2, 5, 3)).astype("float32")


def small() -> Any:
    return Sequential([Input((5, 3)), layers.LSTM(4), layers.Dense(2)])


def own_classes(k: Any) -> tuple[Any, Any, Any]:
    """A layer with weights, a layer around layers, a model: the same classes, of `k`, this library or Keras."""

    class Scale(k.layers.Layer):
        def __init__(self, factor: float = 2.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape: Any) -> None:
            self.shift = self.add_weight(shape=(), trainable=False, name="shift", initializer="ones")
            self.scale = self.add_weight(shape=(input_shape[-1],), name="scale")
            self.built = True

        def call(self, x: Any) -> Any:
            return x * self.scale * self.factor + self.shift

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    class Block(k.layers.Layer):
        def __init__(self, units: int, inner: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.inner = k.layers.Dense(units, activation="tanh") if inner is None else inner
            self.steps = [Scale(), k.layers.LSTM(units, return_sequences=True)]
            self._last = k.layers.Dense(units)

        def call(self, x: Any) -> Any:
            return self._last(self.steps[1](self.steps[0](self.inner(x))))

        def get_config(self) -> dict[str, Any]:
            inner = k.saving.serialize_keras_object(self.inner)
            return {**super().get_config(), "units": self.units, "inner": inner}

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return cls(**{**config, "inner": k.saving.deserialize_keras_object(config["inner"])})

    class Net(k.Model):
        def __init__(self, units: int = 3, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.before, self.zlast, self._hidden = k.layers.Dense(units), k.layers.Dense(units), k.layers.Dense(1)
            self.many = [
                k.layers.LSTM(units, return_sequences=True),
                [k.layers.GRU(units, return_sequences=True)],
                {"q": k.layers.LSTM(units, return_sequences=True)},
            ]
            self.last, self.inner = k.layers.LSTM(units), k.Sequential([k.layers.Dense(units)])
            self.block, self.ztail = Block(units), [k.layers.Dense(units)]

        def call(self, x: Any) -> Any:
            for layer in (self.before, self.many[0], self.many[1][0], self.many[2]["q"], self.block, self.last):
                x = layer(x)
            for layer in (self.inner, self.zlast, self._hidden, self.ztail[0]):
                x = layer(x)
            return x

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    return Scale, Block, Net


def named(*classes: type) -> dict[str, Any]:
    return {cls.__name__: cls for cls in classes}


def randomised(model: Any, x: Any, rng: np.random.Generator) -> Any:
    model(x)
    for weight in model.weights:
        weight.assign(rng.normal(0.0, 0.5, tuple(weight.shape)))
    return model


def own_models(k: Any) -> dict[str, Any]:
    scale, block, net = own_classes(k)
    return {"Sequential": k.Sequential([k.Input((5, 3)), scale(3.0), block(3)]), "Net": net(2)}


# Files


def test_functions_are_the_models_methods(tmp_path: Path, x: Any) -> None:
    model, other = small(), small()
    saving.save_model(model, tmp_path / "m.keras")
    saving.save_weights(model, tmp_path / "m.weights.h5")
    saving.load_weights(other, tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_array_equal(
        saving.load_model(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_extensions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Invalid filepath extension for saving.*Received: filepath=.*x\.foo"):
        small().save(tmp_path / "x.foo")
    for name in ("x.h5", "x.keras", "weights.h5.txt"):
        with pytest.raises(
            ValueError, match=rf"The filename must end in `\.weights\.h5`\. Received: filepath=.*{name}"
        ):
            small().save_weights(tmp_path / name)
    with pytest.raises(ValueError, match="zipped=False"):
        small().save(tmp_path / "x.keras", zipped=False)
    with pytest.raises(TypeError, match="named by a string or a path"):
        small().save(3)
    with pytest.raises(TypeError, match="compression"):
        small().save(tmp_path / "x.keras", compression=9)
    assert not os.listdir(tmp_path)


def test_overwrite_and_folders(tmp_path: Path) -> None:
    for save, name in ((small().save, "m.keras"), (small().save_weights, "m.weights.h5")):
        save(str(tmp_path / name), overwrite=False)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(FileExistsError, match=r"overwrite=False"):
            save(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_bytes() == before
        save(tmp_path / name)
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            save(tmp_path / "none" / name)


def test_model_that_is_not_built(tmp_path: Path, x: Any) -> None:
    model = Sequential([layers.LSTM(4)])
    with pytest.raises(ValueError, match="has not yet been built"):
        model.save_weights(tmp_path / "m.weights.h5")
    with pytest.warns(UserWarning, match="has not yet been built"):
        model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert not loaded.built
    assert loaded(x).shape == (2, 4)


def test_skipping_what_does_not_fit(tmp_path: Path, rng: np.random.Generator, x: Any) -> None:
    one = randomised(small(), x, rng)
    other = randomised(Sequential([Input((5, 3)), layers.LSTM(4), layers.Dense(7)]), x, rng)
    dense = other.layers[1].get_weights()
    for name in ("m.weights.h5", "m.keras", "m.h5"):
        (one.save_weights if "weights" in name else one.save)(tmp_path / name)
        with pytest.raises(ModelFileError, match="do not fit"):
            other.load_weights(tmp_path / name)
        with pytest.warns(UserWarning, match=r"'dense.*do not fit.*keeps its own"):
            other.load_weights(tmp_path / name, skip_mismatch=True)
        for a, b in zip(other.layers[0].get_weights(), one.layers[0].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(other.layers[1].get_weights(), dense, strict=True):
            np.testing.assert_array_equal(a, b)


def test_missing_files_are_both_kinds_of_error(tmp_path: Path) -> None:
    for kind in (ValueError, FileNotFoundError):
        with pytest.raises(kind, match=r"File not found: filepath=.*none\.keras"):
            load_model(tmp_path / "none.keras")
        with pytest.raises(kind, match=r"File not found: filepath=.*none\.weights\.h5"):
            small().load_weights(tmp_path / "none.weights.h5")


def test_export_says_what_to_do() -> None:
    with pytest.raises(NotImplementedError, match=r"`save` the model as `\.keras`"):
        small().export("somewhere")


def test_compiled_model(tmp_path: Path, x: Any) -> None:
    model, y = small(), np.ones((2, 2), "float32")
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    plain = load_model(tmp_path / "m.keras", compile=False)
    assert not plain.compiled
    plain.save(tmp_path / "again.keras")  # what the file said is kept
    assert load_model(tmp_path / "again.keras").evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize(
    "compiled",
    [
        {"loss": {"class_name": "os.system", "config": {"command": "true"}}},
        {"loss": "mse", "metrics": [{"class_name": "AUC", "config": {"num_thresholds": 10**12}}]},
        {"optimizer": "nope", "loss": "mse"},
        {"loss": {"class_name": "function", "config": "nope"}},
        ["mse"],
        "mse",
    ],
    ids=str,
)
def test_compiled_as_nobody_knows(compiled: Any, tmp_path: Path, x: Any) -> None:
    small().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps({**json.loads(members["config.json"]), "compile_config": compiled}).encode()
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    model = load_model(tmp_path / "n.keras")
    assert not model.compiled
    assert model.predict(x, verbose=0).shape == (2, 2)


# Classes and functions of one's own


@pytest.mark.parametrize("name", ["Sequential", "Net"])
def test_own_layers_and_models(name: str, tmp_path: Path, rng: np.random.Generator, x: Any) -> None:
    model = randomised(own_models(numba_rnn)[name], x, rng)
    model.save(tmp_path / "m.keras")
    custom = named(*own_classes(numba_rnn))
    loaded = load_model(tmp_path / "m.keras", custom)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.count_params() == model.count_params()
    with saving.custom_object_scope(custom):
        np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(x), model(x))
    with pytest.raises(ModelFileError, match=r"its author's own class.*custom_objects.*register_keras_serializable"):
        load_model(tmp_path / "m.keras")


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Sequential", "Net"])
def test_own_layers_and_models_of_keras(
    name: str, keras: Any, tmp_path: Path, rng: np.random.Generator, x: Any
) -> None:
    theirs = randomised(own_models(keras)[name], x, rng)
    expected = np.asarray(theirs(x))
    theirs.save(tmp_path / "theirs.keras")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours = load_model(tmp_path / "theirs.keras", named(*own_classes(numba_rnn)))
    np.testing.assert_allclose(ours(x), expected, rtol=1e-5, atol=1e-5)
    other = randomised(own_models(numba_rnn)[name], x, rng)
    other.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_array_equal(other(x), ours(x))
    ours.save(tmp_path / "ours.keras")
    back = keras.models.load_model(tmp_path / "ours.keras", named(*own_classes(keras)))
    np.testing.assert_allclose(np.asarray(back(x)), expected, rtol=1e-6, atol=1e-6)
    other.save_weights(tmp_path / "ours.weights.h5")
    randomised(theirs, x, rng).load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(np.asarray(theirs(x)), expected, rtol=1e-6, atol=1e-6)


def test_registered_class(tmp_path: Path, x: Any) -> None:
    @saving.register_keras_serializable("mine", name="Twice")
    class Doubling(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    assert saving.get_registered_name(Doubling) == "mine>Twice"
    assert saving.get_registered_object("mine>Twice") is Doubling
    assert saving.get_custom_objects()["mine>Twice"] is Doubling
    Sequential([Input((5, 3)), Doubling(name="d")]).save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert type(loaded.get_layer("d")) is Doubling
    np.testing.assert_array_equal(loaded(x), 2 * x)
    saving.get_custom_objects().clear()
    with pytest.raises(ModelFileError, match="mine>Twice"):
        load_model(tmp_path / "m.keras")


def test_registered_function(tmp_path: Path, x: Any) -> None:
    @saving.register_keras_serializable("mine")
    def bent(x: Any) -> Any:
        return x / (1 + x * x)

    model = Sequential([Input((5, 3)), layers.Dense(2, activation=bent), layers.LSTM(2, activation="mine>bent")])
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(x), model(x))
    REGISTERED.clear()
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras", {"mine>bent": bent})(x), model(x))
    with pytest.raises(ModelFileError, match="bent"):
        load_model(tmp_path / "m.keras")


def test_what_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match=r"does not have a get_config\(\) method"):
        saving.register_keras_serializable()(type("Plain", (), {}))


def test_names() -> None:
    class Plain(layers.Layer):
        pass

    assert saving.get_registered_name(Plain) == "Plain"
    assert saving.get_registered_object("Plain") is None
    assert saving.get_registered_object("Plain", {"Plain": Plain}) is Plain
    assert saving.get_registered_object("Plain", module_objects={"Plain": Plain}) is Plain
    with saving.CustomObjectScope({"Plain": Plain}):
        assert saving.get_registered_object("Plain") is Plain
        with saving.custom_object_scope({"Other": layers.LSTM}):
            assert saving.get_registered_object("Plain") is Plain
    assert saving.get_registered_object("Plain") is None


def test_objects_to_json_and_back() -> None:
    for obj in (layers.LSTM(3, activation="relu", name="l"), initializers.Orthogonal(gain=2.0), small()):
        config = json.loads(json.dumps(saving.serialize_keras_object(obj)))
        again = saving.deserialize_keras_object(config)
        assert type(again) is type(obj)
        assert again.get_config() == obj.get_config()
    data = {"a": [1, None, "b", 2.5], "c": np.arange(3.0)}
    again = saving.deserialize_keras_object(json.loads(json.dumps(saving.serialize_keras_object(data))))
    assert again["a"] == data["a"]
    np.testing.assert_array_equal(again["c"], data["c"])
    assert saving.deserialize_keras_object({"class_name": "__tuple__", "items": [1, 2]}) == (1, 2)
    assert saving.deserialize_keras_object(saving.serialize_keras_object(ops.tanh)) is not None


def test_json_that_names_anything_else() -> None:
    for config in (
        {"module": "os", "class_name": "system", "config": "true", "registered_name": "system"},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "exec"},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}},
    ):
        with pytest.raises(ValueError, match=r"system|exec|Lambda"):
            saving.deserialize_keras_object(config, safe_mode=False)


class Grid(layers.Layer):
    """A layer that says itself what it was built for."""

    def get_config(self) -> Any:
        return {"name": self.name}

    def get_build_config(self) -> Any:
        return {"sides": self.sides}

    def build_from_config(self, config: Any) -> None:
        self.lay(*config["sides"])

    def lay(self, width: int, height: int) -> None:
        self.sides = (width, height)
        self.kernel = self.add_weight((width, height), "ones")
        self.built = True


def test_own_build_config() -> None:
    grid = Grid()
    grid.lay(2, 3)
    config = saving.serialize_keras_object(grid)
    assert config["build_config"] == {"sides": [2, 3]}
    again = saving.deserialize_keras_object(config, {"Grid": Grid})
    assert again.kernel.shape == (2, 3)
