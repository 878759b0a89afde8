"""Layers as Keras 1 described them, in Keras 2's words.

Source: keras 1.2.2, the `get_config` of its layers; keras 2.2, `keras.legacy.interfaces`, which took these words.
"""

from __future__ import annotations

from typing import Any

from numba_rnn.errors import ModelFileError

__all__ = ["from_keras_1"]

WEIGHTED = {
    "output_dim": "units",
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
RECURRENT = {
    **WEIGHTED,
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
NAMES: dict[str, dict[str, str]] = {
    "Dense": WEIGHTED,
    "SimpleRNN": RECURRENT,
    "LSTM": RECURRENT,
    "GRU": RECURRENT,
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "InputLayer": {"input_dtype": "dtype"},
}
INITIALIZERS = {"zero": "zeros", "one": "ones", "normal": "random_normal", "uniform": "random_uniform"}
MERGES = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
# What was said of the input, of speed, and of a dropout that a layer before it gives today.
DROPPED = {"input_length", "consume_less", "forget_bias_init", "mode", "batch_size"}


def from_keras_1(entry: dict[str, Any]) -> dict[str, Any]:
    """A layer's JSON in Keras 2's words; what is in those already stays as it is.

    Raises:
        ModelFileError: it was computed in a way that Keras 2 no longer had.
    """
    name, config = entry["class_name"], entry.get("config")
    if not isinstance(config, dict):
        return entry
    if name == "Merge":
        return _merge(config)
    if name == "BatchNormalization" and config.get("mode", 0) != 0:
        raise ModelFileError(
            f"The file's BatchNormalization {config.get('name')!r} has mode={config['mode']}. Expected: 0, which alone is left."
        )
    name = "Dense" if name == "TimeDistributedDense" else name
    words = NAMES.get(name, {})
    made: dict[str, Any] = {}
    for key, value in config.items():
        if key in DROPPED or (key == "input_dim" and name != "Embedding") or (key == "dropout" and name == "Embedding"):
            continue
        made[words.get(str(key), str(key))] = (
            _described(value) if key.endswith(("_regularizer", "_constraint")) else value
        )
    for key in [key for key in made if key.endswith("_initializer")]:
        made[key] = INITIALIZERS.get(made[key], made[key]) if isinstance(made[key], str) else made[key]
    if name == "LSTM" and "forget_bias_init" in config:
        made["unit_forget_bias"] = config["forget_bias_init"] == "one"
    return {**entry, "class_name": name, "config": made}


def _described(value: Any) -> Any:
    """A regularizer or constraint, whose class was one key among its options."""
    if not isinstance(value, dict) or "class_name" in value:
        return value
    options = {key: v for key, v in value.items() if key != "name"}
    if {"l1", "l2"} & options.keys():
        return {"class_name": "L1L2", "config": options}
    if "m" in options:
        options["max_value"] = options.pop("m")
    return {"class_name": value.get("name"), "config": options}


def _merge(config: dict[str, Any]) -> dict[str, Any]:
    mode, name = config.get("mode"), config.get("name")
    if config.get("mode_type", "raw") != "raw" or mode not in MERGES or config.get("layers"):
        raise ModelFileError(
            f"The file's Merge {name!r} has mode={str(mode)[:50]!r}{' and layers of its own' if config.get('layers') else ''}. "
            f"Expected: a graph's, with one of {', '.join(MERGES)}."
        )
    options = {"name": name, "trainable": config.get("trainable", True)}
    if mode == "concat":
        options["axis"] = config.get("concat_axis", -1)
    return {"class_name": MERGES[mode], "config": options}
