"""Each word of the old configs by itself."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.keras_v2 import upgrade, upgrade_compiled
from numba_rnn.models import deserialize_model

LSTM = {
    "name": "lstm",
    "trainable": True,
    "units": 3,
    "return_sequences": True,
    "activation": "tanh",
    "recurrent_activation": "hard_sigmoid",
}


def layer(kind: str, **options: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": options}


def upgraded(kind: str, version: tuple[int, int] = (2, 4), **options: Any) -> dict[str, Any]:
    return dict(upgrade(layer(kind, **options), version)["config"])


def sequential(*layers: dict[str, Any], **options: Any) -> dict[str, Any]:
    return layer("Sequential", name="model", layers=list(layers), **options)


def test_the_config_given_stays_as_it_was() -> None:
    config = sequential(
        layer("Bidirectional", name="b", batch_input_shape=[None, 4, 2], layer=layer("LSTM", **LSTM, time_major=False))
    )
    before = copy.deepcopy(config)
    upgrade(config, (2, 4))
    assert config == before


@pytest.mark.parametrize("key", ["activation", "recurrent_activation"])
@pytest.mark.parametrize(
    "value",
    [
        "hard_sigmoid",
        {"module": "builtins", "class_name": "function", "config": "hard_sigmoid", "registered_name": "function"},
    ],
)
def test_hard_sigmoid_is_that_of_keras_2(key: str, value: Any) -> None:
    assert upgraded("LSTM", **{key: value})[key] == "keras2_hard_sigmoid"


def test_activations_under_tensorflows_names() -> None:
    assert upgraded("Dense", activation="softmax_v2")["activation"] == "softmax"
    own = {"module": "m", "class_name": "function", "config": "mine", "registered_name": "m>mine"}
    for activation in ("swish", None, own):
        assert upgraded("Dense", activation=activation)["activation"] == activation


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float64", "float64"),
        ({"class_name": "Policy", "config": {"name": "float64"}}, "float64"),
        ({"class_name": "PolicyV1", "config": {"name": "float32", "loss_scale": None}}, "float32"),
    ],
)
def test_policies(dtype: Any, name: str) -> None:
    assert upgraded("Dense", units=2, dtype=dtype)["dtype"] == name


def test_an_embedding_of_whole_numbers_had_weights_of_floats() -> None:
    config = upgrade(
        sequential(
            layer(
                "Embedding",
                name="e",
                input_dim=5,
                output_dim=2,
                input_length=3,
                batch_input_shape=[None, 3],
                dtype="int32",
            )
        ),
        (2, 1),
    )
    first, embedding = config["config"]["layers"]
    assert first["config"] == {"batch_shape": [None, 3], "dtype": "int32", "name": "e_input"}
    assert embedding["config"] == {"name": "e", "input_dim": 5, "output_dim": 2}


def test_layers_of_the_gpu() -> None:
    assert upgrade(layer("CuDNNLSTM", name="a", units=2), (2, 2)) == layer("LSTM", name="a", units=2)
    assert upgrade(layer("CuDNNGRU", name="a", units=2), (2, 2)) == layer("GRU", name="a", units=2, reset_after=True)


BIASES = {
    "none in the file": ([], False),
    "one": ([("gru_1/gru_1/bias:0", (9,))], False),
    "two": ([("gru_1/gru_1/bias:0", (2, 9))], True),
    "two in one": ([("gru_1/gru_1/bias:0", (18,))], True),
    "in a Bidirectional": ([("b/forward_gru_1/gru_cell/bias:0", (2, 9))], True),
    "of another layer": ([("gru_2/gru_2/bias:0", (2, 9))], False),
    "of other units": ([("gru_1/gru_1/bias:0", (2, 12))], False),
}


@pytest.mark.parametrize(("biases", "after"), BIASES.values(), ids=BIASES)
def test_reset_after_where_the_config_does_not_say(biases: Any, after: bool) -> None:
    made = upgrade(layer("GRU", name="gru_1", units=3), (2, 1), biases)
    assert made["config"]["reset_after"] is after
    kept = upgrade(layer("GRU", name="gru_1", units=3, reset_after=not after), (2, 1), biases)
    assert kept["config"]["reset_after"] is not after


def test_a_bidirectional_of_a_layer_that_runs_backwards() -> None:
    inner = layer("GRU", name="g", units=2, reset_after=True, go_backwards=True)
    config = upgraded("Bidirectional", name="b", layer=inner)
    assert config["layer"]["config"]["go_backwards"] is True
    assert config["backward_layer"]["config"] == {**inner["config"], "name": "backward_g", "go_backwards": False}


def test_options_without_effect_go() -> None:
    assert upgraded("SimpleRNN", units=2, implementation=1, time_major=False) == {"units": 2}
    assert upgraded("BatchNormalization", axis=[2], fused=True) == {"axis": 2}
    assert upgraded("LeakyReLU", alpha=0.1) == {"negative_slope": 0.1}
    initializer = layer("VarianceScaling", distribution="normal", scale=1.0, dtype="float32")
    assert upgraded("Dense", kernel_initializer=initializer) == {
        "kernel_initializer": layer("VarianceScaling", distribution="truncated_normal", scale=1.0)
    }


def test_a_sequential_was_a_list() -> None:
    lstm = layer("LSTM", **LSTM, batch_input_shape=[None, 4, 2])
    config = upgrade({"class_name": "Sequential", "config": [lstm, layer("Dense", name="d", units=1)]}, (2, 2))
    model = deserialize_model(config, (2, 2))
    assert [one.name for one in model.layers] == ["lstm", "d"]
    assert model.input_shape == (None, 4, 2)
    assert model.layers[0].recurrent_activation.__name__ == "keras2_hard_sigmoid"


def test_a_nested_list_has_its_name_in_the_graph() -> None:
    inner = {
        "class_name": "Sequential",
        "name": "part",
        "config": [layer("LSTM", **LSTM, batch_input_shape=[None, 4, 2])],
    }
    assert upgrade(inner, (2, 0))["config"]["name"] == "part"


def test_the_shape_may_be_the_inner_layers() -> None:
    inner = layer("LSTM", **LSTM, batch_input_shape=[7, 4, 2])
    model = deserialize_model(upgrade(sequential(layer("Bidirectional", name="b", layer=inner)), (2, 2)), (2, 2))
    assert model.input_shape == (7, 4, 2)


def test_time_major_in_a_sequential(rng: np.random.Generator) -> None:
    def model(time_major: bool, *, both_ways: bool) -> Any:
        first = layer("LSTM", **LSTM, time_major=time_major)
        if both_ways:
            first = layer("Bidirectional", name="b", layer=first)
        first["config"]["batch_input_shape"] = [None, 5, 2]
        config = upgrade(sequential(first, layer("Dense", name="d", units=2)), (2, 4))
        made = deserialize_model(config, (2, 4))
        rng = np.random.default_rng(3)
        made.set_weights([rng.normal(size=w.shape) for w in made.weights])
        return made

    x = rng.normal(size=(4, 5, 2)).astype("float32")  # (T, B, D)
    for both_ways in (False, True):
        expected = model(False, both_ways=both_ways)(x.transpose(1, 0, 2)).transpose(1, 0, 2)
        np.testing.assert_allclose(model(True, both_ways=both_ways)(x), expected, atol=1e-6)


WRONG = {
    "no layers": (layer("Sequential", name="s"), "cannot be read.*KeyError"),
    "layers are a number": (layer("Sequential", layers=3), "cannot be read"),
    "units are none": (layer("GRU", units=None), "cannot be read.*TypeError"),
    "constants": (layer("RNN", name="r", cell=layer("LSTMCell", units=2), num_constants=1), "RNN 'r'.*constants"),
    "time major inside": (
        layer("TimeDistributed", name="t", layer=layer("GRU", units=2, time_major=True)),
        "'t' wraps.*time_major",
    ),
    "time major without a shape": (sequential(layer("LSTM", **LSTM, time_major=True)), "time_major.*input shape"),
}


@pytest.mark.parametrize(("config", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read(config: Any, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        upgrade(config, (2, 4))


def test_what_keras_3_does_not_take_to_compile() -> None:
    given = {
        "optimizer": {"class_name": "Custom>Adam", "config": {"learning_rate": 0.1, "jit_compile": False}},
        "loss": layer("MeanSquaredError", reduction="auto", name="mse", fn="mean_squared_error"),
        "metrics": [["mae"]],
        "steps_per_execution": None,
    }
    assert upgrade_compiled(given) == {
        "optimizer": {
            "module": "keras.optimizers",
            "class_name": "Adam",
            "config": {"learning_rate": 0.1},
            "registered_name": None,
        },
        "loss": layer("MeanSquaredError", reduction="sum_over_batch_size", name="mse"),
        "metrics": [["mae"]],
    }
    assert upgrade_compiled(None) is None
