"""What layers answer when asked, against Keras 3.15.1: every layer, before and after it is built."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, layers
from numba_rnn.config import DTypePolicy
from numba_rnn.errors import DTypeError
from numba_rnn.ops.naming import clear_session

S = (3, 5, 4)
OPTIONS: dict[str, Any] = {
    "activation": "relu", "use_bias": False, "kernel_initializer": "he_normal", "dropout": 0.2, "recurrent_dropout": 0.3, "seed": 3,
    "go_backwards": True, "unroll": True, "name": "mine",
}  # fmt: skip
CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cell": (lambda K: K.StackedRNNCells([K.LSTMCell(6), K.SimpleRNNCell(3), K.GRUCell(2)]), None),
    "backward layer": (
        lambda K: K.Bidirectional(
            K.LSTM(6, return_sequences=True),
            backward_layer=K.LSTM(6, return_sequences=True, go_backwards=True, activation="relu", name="back"),
        ),
        S,
    ),
    "time dense": (lambda K: K.TimeDistributed(K.Dense(2)), S),
    "time lstm": (lambda K: K.TimeDistributed(K.LSTM(2)), (2, 3, 5, 4)),
    "time dropout": (lambda K: K.TimeDistributed(K.Dropout(0.2)), S),
    "dense": (lambda K: K.Dense(3, activation="gelu", bias_initializer="ones"), S),
    "dense 2d": (lambda K: K.Dense(3, use_bias=False, name="d"), (2, 4)),
    "embedding": (lambda K: K.Embedding(7, 3), (2, 5)),
    "embedding masked": (lambda K: K.Embedding(7, 3, mask_zero=True), (2, 5)),
    "masking": (lambda K: K.Masking(-1.0), S),
    "dropout": (lambda K: K.Dropout(0.3, noise_shape=(None, 1, 4), seed=4), S),
    "no dropout": (lambda K: K.Dropout(0), S),
    "spatial dropout": (lambda K: K.SpatialDropout1D(0.3), S),
    "gaussian dropout": (lambda K: K.GaussianDropout(0.3), S),
    "gaussian noise": (lambda K: K.GaussianNoise(0.3), S),
    "activation": (lambda K: K.Activation("mish"), S),
    "relu": (lambda K: K.ReLU(1.0, 0.1, 0.2), S),
    "leaky": (lambda K: K.LeakyReLU(0.2), S),
    "elu": (lambda K: K.ELU(0.7), S),
    "softmax": (lambda K: K.Softmax(), S),
    "flatten": (lambda K: K.Flatten(), S),
    "reshape": (lambda K: K.Reshape((2, -1)), S),
    "permute": (lambda K: K.Permute((2, 1)), S),
    "repeat": (lambda K: K.RepeatVector(3), (2, 4)),
    "average pooling": (lambda K: K.GlobalAveragePooling1D(), S),
    "average pooling first": (lambda K: K.GlobalAveragePooling1D(keepdims=True, data_format="channels_first"), S),
    "max pooling": (lambda K: K.GlobalMaxPooling1D(), S),
    "layer norm": (lambda K: K.LayerNormalization(), S),
    "layer norm axes": (lambda K: K.LayerNormalization(axis=[1, 2], center=False), S),
    "batch norm": (lambda K: K.BatchNormalization(), S),
    "batch norm time": (lambda K: K.BatchNormalization(axis=1, scale=False, momentum=0.5), S),
    "concatenate": (lambda K: K.Concatenate(), [S, (3, 5, 2)]),
    "concatenate time": (lambda K: K.Concatenate(axis=1), [S, (3, 2, 4)]),
}
for merging in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"):
    CASES[merging] = (lambda K, m=merging: getattr(K, m)(), [S, S])
for kind in ("SimpleRNN", "LSTM", "GRU"):
    CASES[f"{kind} options"] = (lambda K, k=kind: getattr(K, k)(6, **OPTIONS), S)
    CASES[f"{kind} stateful"] = (lambda K, k=kind: getattr(K, k)(6, stateful=True), S)
    CASES[f"{kind} cell"] = (lambda K, k=kind: getattr(K, f"{k}Cell")(6), None)
for r in ({}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True}):
    for kind in ("SimpleRNN", "LSTM"):
        CASES[f"{kind} {r}"] = (lambda K, k=kind, r=r: getattr(K, k)(6, **r), S)
    CASES[f"RNN {r}"] = (lambda K, r=r: K.RNN(K.GRUCell(6), **r), S)
    CASES[f"stack {r}"] = (lambda K, r=r: K.RNN([K.LSTMCell(6), K.GRUCell(3)], **r), S)
    CASES[f"stack both ways {r}"] = (lambda K, r=r: K.Bidirectional(K.RNN([K.LSTMCell(6), K.GRUCell(3)], **r)), S)
    for merge in ("concat", "sum", None):
        CASES[f"{merge} {r}"] = (lambda K, m=merge, r=r: K.Bidirectional(K.GRU(6, **r), merge_mode=m), S)

PLAIN = (
    "name", "path", "built", "trainable", "supports_masking", "dtype", "compute_dtype", "variable_dtype", "input_dtype", "autocast",
    "losses", "metrics", "metrics_variables", "quantization_mode", "state_size", "units", "return_sequences",
    "stateful", "rate", "axis",
)  # fmt: skip


def asked(layer: Any, shape: Any) -> dict[str, Any]:
    """Everything a layer can be asked, in a form in which two libraries' answers can be equal."""
    found = {a: repr(getattr(layer, a)) for a in PLAIN if hasattr(layer, a)}
    specs = layer.input_spec if isinstance(layer.input_spec, list) else [layer.input_spec]
    found["input_spec"] = repr([isinstance(layer.input_spec, list), *(s and s.get_config() for s in specs)])
    policy = layer.dtype_policy
    found["policy"] = [policy.name, policy.compute_dtype, policy.variable_dtype, policy.get_config()]
    found["config"] = json.loads(json.dumps(layer.get_config(), default=str))
    for name in ("weights", "variables"):
        for which in ("", "trainable_", "non_trainable_"):
            owned = getattr(layer, which + name)
            found[which + name] = [
                (w.path, w.name, tuple(w.shape), str(w.dtype)) for w in owned if "seed" not in w.path
            ]
    found["count"] = layer.count_params() if layer.built else "not built"
    if shape is not None:
        unknown = [(None, *s[1:]) for s in shape] if isinstance(shape, list) else (None, *shape[1:])
        found["shapes"] = repr([layer.compute_output_shape(shape), layer.compute_output_shape(unknown)])
    if not layer.supports_masking or type(layer).__name__ not in {"Masking", "Embedding"}:  # those look at their input
        found["mask"] = repr(layer.compute_mask(None, None))
    return found


def recorded(tensors: Any) -> Any:
    if isinstance(tensors, (list, tuple)):
        return [recorded(t) for t in tensors]
    return tuple(tensors.shape), str(tensors.dtype)


def all_answers(K: Any, make: Callable[[Any], Any], shape: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = make(K)
        answers = {"before": asked(layer, shape)}
        if shape is None:
            return answers
        arrays = [np.ones(s, "float32") for s in shape] if isinstance(shape, list) else np.ones(shape, "float32")
        layer(arrays)
        answers["after"] = asked(layer, shape)
        answers["built for"] = repr(layer.get_build_config())
        answers["again"] = asked(type(layer).from_config(layer.get_config()), None)["config"].keys()
        twin = make(K)
        if not getattr(twin, "stateful", False):
            symbolic = [K.Input(s[1:]) for s in shape] if isinstance(shape, list) else K.Input(shape[1:])
            result = twin(symbolic)
            answers["graph"] = [type(result).__name__ if isinstance(result, (list, tuple)) else 0, recorded(result)]
            answers["ends"] = [recorded(twin.input), recorded(twin.output)]
        return answers


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_like_keras(keras: Any, case: str) -> None:
    make, shape = CASES[case]
    keras.utils.clear_session()
    clear_session()
    assert all_answers(layers, make, shape) == all_answers(keras.layers, make, shape)


def test_ends_of_a_layer() -> None:
    dense = layers.Dense(2)
    with pytest.raises(AttributeError, match=r"The layer dense.* has never been called and thus has no defined output"):
        _ = dense.output
    x = Input((3,))
    y = dense(x)
    dense(Input((3,)))
    assert dense.input is x
    assert dense.output is y


def test_policies() -> None:
    policy = layers.LSTM(2, dtype="float64").dtype_policy
    assert policy == DTypePolicy("float64") == DTypePolicy.from_config(policy.get_config()) != DTypePolicy()
    assert hash(policy) == hash(DTypePolicy("float64"))
    assert repr(policy) == '<DTypePolicy "float64">'
    assert layers.Dense(2, dtype=policy).compute_dtype == "float64"
    with pytest.raises(DTypeError, match="float16"):
        DTypePolicy("mixed_float16")


def test_build_configs_build() -> None:
    lstm = layers.LSTM(2)
    assert lstm.get_build_config() is None
    assert lstm.path is None
    lstm.build((None, None, 3))
    assert lstm.path == lstm.name
    twin = layers.LSTM(2)
    twin.build_from_config(lstm.get_build_config())
    assert [w.shape for w in twin.weights] == [w.shape for w in lstm.weights]
