"""Configs of Keras 1 and 2 rewritten as Keras 3 writes them: JSON in, JSON out, nothing made of it.

Source: tf-keras 2.21 and keras 1.2 to 2.15, the `get_config` of their layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.keras_v2.first import from_keras_1
from numba_rnn.loaders.keras_v2.graphs import GRAPHS, rewrite_graph, sequential_as_graph

__all__ = ["upgrade", "upgrade_compiled"]

RENAMED = {
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "Model": "Functional",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}
# Functions under TensorFlow's names, and the one whose meaning changed.
ACTIVATIONS = {"hard_sigmoid": "keras2_hard_sigmoid", "softmax_v2": "softmax"}
# What says how a layer was computed or first called, not what it computes.
NO_EFFECT = {
    "BatchNormalization": ("fused",),
    "Embedding": ("input_length",),
    "RNN": ("implementation",),
    "SimpleRNN": ("implementation",),
}
NO_OPTIONS_NOW = ("decay", "is_legacy_optimizer", "jit_compile")  # of an optimizer
LAYERS_INSIDE = ("layer", "backward_layer")


def upgrade(config: Any, version: tuple[int, int], biases: Iterable[tuple[str, tuple[int, ...]]] = ()) -> Any:
    """The top object of an old file's config in Keras 3's dialect.

    Args:
        config: JSON; it is not changed.
        version: the Keras that wrote it, (major, minor).
        biases: path and shape of the file's biases, which tell the two kinds of GRU apart where their configs do not.

    Raises:
        ModelFileError: it is no such config, or has an option whose effect cannot be given.
    """
    try:
        return _Upgrade(version, list(biases)).object(config)
    except ModelFileError:
        raise
    except RecursionError:
        raise ModelFileError("The file's config is nested too deeply.") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(
            f"The file's config cannot be read as one of Keras {version[0]}: {type(error).__name__}: {error}."
        ) from error


def upgrade_compiled(config: Any) -> Any:
    """A file's `compile_config`, without what Keras 3 does not take: then it would not even load the model."""
    if not isinstance(config, dict):
        return config
    made = {key: _without_function(value) for key, value in config.items() if value is not None}
    optimizer = made.get("optimizer")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config"), dict):
        options = {k: v for k, v in optimizer["config"].items() if k not in NO_OPTIONS_NOW}
        name = str(optimizer.get("class_name")).removeprefix("Custom>")
        made["optimizer"] = {
            "module": "keras.optimizers",
            "class_name": name,
            "config": options,
            "registered_name": None,
        }
    return made


def _without_function(value: Any) -> Any:
    """Losses and metrics without the function that their class stands for."""
    if isinstance(value, list):
        return [_without_function(v) for v in value]
    if not isinstance(value, dict):
        return value
    made = {k: _without_function(v) for k, v in value.items() if k != "fn"}
    return {**made, "reduction": "sum_over_batch_size"} if made.get("reduction") == "auto" else made


class _Upgrade:
    def __init__(self, version: tuple[int, int], biases: list[tuple[str, tuple[int, ...]]]) -> None:
        self.version, self.biases = version, biases

    def object(self, entry: Any) -> Any:
        """Something with a class name: a layer or model, or an object inside one."""
        if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
            return entry
        if self.version[0] < 2:
            entry = from_keras_1(entry)
        made = {**entry, "class_name": RENAMED.get(entry["class_name"], entry["class_name"])}
        if isinstance(module := made.get("module"), str) and module.startswith("tf_keras"):
            made["module"] = "keras" + module.removeprefix("tf_keras")
        name, config = made["class_name"], made.get("config")
        if name == "Sequential":
            return self._sequential(made)
        if not isinstance(config, dict):
            return made
        if name == "Functional":
            layers = [{**self.object(one), "inbound_nodes": one.get("inbound_nodes", [])} for one in config["layers"]]
            return {**made, "config": rewrite_graph({**config, "layers": layers})}
        made["config"] = config = self._options(config)
        made.update(self._layer(name, entry["class_name"], config))
        return made

    def _options(self, config: dict[str, Any]) -> dict[str, Any]:
        """A layer's options, those that are objects rewritten too."""
        return {key: self._option(key, value) for key, value in config.items()}

    def _option(self, key: str, value: Any) -> Any:
        if key.endswith("activation"):
            value = _activation(value)
        elif key.endswith("_initializer"):
            value = _initializer(value)
        elif key == "dtype":
            value = _dtype(value)
        return [self.object(v) for v in value] if isinstance(value, list) else self.object(value)

    def _layer(self, name: str, was: str, config: dict[str, Any]) -> dict[str, Any]:
        """Bring a layer's options into shape; returns further keys of its entry."""
        shape, _ = config.pop("batch_input_shape", None), config.pop("input_dtype", None)
        for key in NO_EFFECT.get(name, ()):
            config.pop(key, None)
        if name == "InputLayer":
            if shape is not None:
                config["batch_shape"] = shape
            return {}
        if str(config.get("dtype")).startswith(("int", "uint", "bool")):
            del config["dtype"]  # its input's: an Embedding's weights were floats all the same
        if name in {"GRU", "GRUCell"} and "reset_after" not in config:
            config["reset_after"] = was == "CuDNNGRU" or self._has_two_biases(config)
        if name == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
            config["axis"] = config["axis"][0]
        if name == "LeakyReLU" and "alpha" in config:
            config["negative_slope"] = config.pop("alpha")
        if config.pop("num_constants", None):
            raise ModelFileError(
                f"The file's {name} {config.get('name')!r} is called with `constants`, which this library does not have."
            )
        if name == "Bidirectional":
            _both_ways(config)
        time_major = bool(config.pop("time_major", False))
        for key in LAYERS_INSIDE:
            inside = config.get(key)
            if isinstance(inside, dict) and inside.pop("time_major", False):
                if name != "Bidirectional":
                    raise ModelFileError(
                        f"The file's {name} {config.get('name')!r} wraps a layer with `time_major=True`. Expected: False there."
                    )
                time_major = True
        return {"time_major": True} if time_major else {}

    def _sequential(self, entry: dict[str, Any]) -> dict[str, Any]:
        config = entry["config"]
        config = {"layers": config} if isinstance(config, list) else dict(config)  # a list until Keras 2.2.3
        if "name" not in config and isinstance(entry.get("name"), str):
            config["name"] = entry["name"]  # a list's, in a graph
        before = [one if "class_name" in one else _nameless(one) for one in config["layers"]]
        layers = [self.object(one) for one in before]
        if before and layers[0]["class_name"] not in {"InputLayer", *GRAPHS} and (first := _input_of(before[0])):
            layers.insert(0, first)
        config["layers"] = layers
        if any(one.get("time_major") for one in layers):
            return sequential_as_graph({**entry, "config": config})
        return {**entry, "config": config}

    def _has_two_biases(self, config: dict[str, Any]) -> bool:
        """Whether the file's bias for a GRU that does not say it is that of one with `reset_after`, by name and shape."""
        width = 3 * config["units"]
        wanted, names = (
            {(2, width), (2 * width,)},
            {f"{way}{config.get('name')}" for way in ("", "forward_", "backward_")},
        )
        return any(shape in wanted and names & set(path.split("/")) for path, shape in self.biases)


def _activation(value: Any) -> Any:
    """A name or a file's description of a function, under the name that it has today."""
    name = value.get("config") if isinstance(value, dict) and value.get("class_name") == "function" else value
    return ACTIVATIONS.get(name, value) if isinstance(name, str) else value


def _initializer(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    config = {k: v for k, v in value["config"].items() if k != "dtype"}
    if config.get("distribution") == "normal":
        config["distribution"] = "truncated_normal"
    return {**value, "config": config}


def _dtype(value: Any) -> Any:
    """The name behind a policy."""
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        value = value["config"].get("name")
    return value


def _both_ways(config: dict[str, Any]) -> None:
    """Of a layer that already runs backwards, the other one runs forwards: Keras 3 wants that said."""
    layer = config["layer"]
    inner = layer["config"]
    if inner.get("go_backwards") and config.get("backward_layer") is None:
        name = f"backward_{inner.get('name', 'layer')}"
        config["backward_layer"] = {**layer, "config": {**inner, "name": name, "go_backwards": False}}


def _nameless(entry: dict[str, Any]) -> dict[str, Any]:
    """A layer of the first Keras: its class was its name."""
    return {"class_name": entry["name"], "config": {**entry, "name": entry.get("custom_name")}}


def _input_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The InputLayer that the first layer of a Sequential stood for."""
    config: Any = entry.get("config")
    while isinstance(config, dict):
        if isinstance(shape := config.get("batch_input_shape"), list):
            dtype = _dtype(config.get("input_dtype", config.get("dtype")))
            options = {
                "batch_shape": shape,
                "dtype": "float32" if not isinstance(dtype, str) or dtype.startswith("mixed") else dtype,
                "name": f"{config.get('name', 'layer')}_input",
            }
            return {"module": "keras.layers", "class_name": "InputLayer", "config": options, "registered_name": None}
        config = config["layer"].get("config") if isinstance(config.get("layer"), dict) else None
    return None
