"""Golden cases: recurrent layers, their cells and wrappers, with each of their options."""

from __future__ import annotations

from typing import Any

from cases import B, D, H, Input, Model, T, branches, case, padded, sequences, tokens
from keras import layers as L  # noqa: N812

SEQUENCE_ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "relu6",
    "softmax",
    "celu",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "squareplus",
    "soft_shrink",
    "sparse_plus",
    "silu",
    "gelu",
    "tanh",
    "tanh_shrink",
    "sigmoid",
    "sparse_sigmoid",
    "exponential",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "hard_shrink",
    "linear",
    "mish",
    "log_softmax",
    "log_sigmoid",
    "sparsemax",
]


def recurrent_options(layer: Any, **own: dict[str, Any]) -> dict[str, Any]:
    """A recurrent class with each of its options in turn."""
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "sequences": {"return_sequences": True},
        "states": {"return_sequences": True, "return_state": True},
        "backwards": {"return_sequences": True, "return_state": True, "go_backwards": True},
        "no_bias": {"use_bias": False},
        "unrolled": {"unroll": True, "return_sequences": True},
        "relu": {"activation": "relu"},
        "dropped": {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 1},
        "regular": {"kernel_regularizer": "l2", "bias_constraint": "non_neg", "recurrent_initializer": "he_normal"},
        **own,
    }
    return {name: layer(H, **kwargs) for name, kwargs in options.items()}


GATED = {"gates": {"recurrent_activation": "hard_sigmoid", "activation": "softsign"}, "rows": {"activation": "softmax"}}


@case()
def simple_rnn_options(rng):
    return branches(rng, sequences(rng), **recurrent_options(L.SimpleRNN))


@case("weights.h5")
def lstm_options(rng):
    return branches(rng, sequences(rng), **recurrent_options(L.LSTM, unit={"unit_forget_bias": False}, **GATED))


@case("h5")
def gru_options(rng):
    before = {"reset_after": False}
    own = {
        "before": before,
        "before_no_bias": before | {"use_bias": False},
        "before_sequences": before | {"return_sequences": True},
    }
    return branches(rng, sequences(rng), **recurrent_options(L.GRU, **own, **GATED))


@case()
def activations_simple_rnn(rng):
    return branches(rng, sequences(rng), **{a: L.SimpleRNN(3, activation=a) for a in SEQUENCE_ACTIVATIONS})


@case()
def activations_lstm(rng):
    acts = [a for a in SEQUENCE_ACTIVATIONS if a != "exponential"]
    pairs = zip(acts, ["sigmoid", "hard_sigmoid", "softmax", "sparse_sigmoid"] * 9, strict=False)
    return branches(rng, sequences(rng), **{a: L.LSTM(2, activation=a, recurrent_activation=r) for a, r in pairs})


@case()
def activations_gru(rng):
    pairs = zip(SEQUENCE_ACTIVATIONS, ["sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax"] * 9, strict=False)
    return branches(
        rng,
        sequences(rng),
        **{a: L.GRU(2, activation=a, recurrent_activation=r, reset_after=n % 2 == 0) for n, (a, r) in enumerate(pairs)},
    )


@case()
def activations_dense(rng):
    return branches(rng, sequences(rng), **{a: L.Dense(4, activation=a) for a in (*SEQUENCE_ACTIVATIONS, "glu")})


@case()
def activations_layers(rng):
    return branches(rng, sequences(rng, B, T, 4), **{a: L.Activation(a) for a in (*SEQUENCE_ACTIVATIONS, "glu")})


@case()
def activation_objects(rng):
    return branches(
        rng,
        sequences(rng),
        relu=L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2),
        leaky=L.LeakyReLU(negative_slope=0.15),
        softmax=L.Softmax(axis=1),
        elu=L.ELU(alpha=0.7),
        inside=L.LSTM(H, activation=L.LeakyReLU(negative_slope=0.05)),
        dense=L.Dense(H, activation=L.ReLU(max_value=0.8)),
    )


def masked(layer: Any) -> dict[str, Any]:
    both = {"return_sequences": True, "return_state": True}
    return {
        "last": layer(H),
        "all": layer(H, **both),
        "backwards": layer(H, go_backwards=True, **both),
        "backwards_last": layer(H, go_backwards=True),
        "zero": layer(H, zero_output_for_mask=True, **both),
        "zero_last": layer(H, zero_output_for_mask=True),
        "unrolled": layer(H, unroll=True, **both),
        "unrolled_zero": layer(H, unroll=True, zero_output_for_mask=True, **both),
    }


@case()
def masked_simple_rnn(rng):
    return branches(rng, padded(rng), mask=True, **masked(L.SimpleRNN))


@case("h5")
def masked_lstm(rng):
    return branches(rng, padded(rng), mask=True, **masked(L.LSTM))


@case()
def masked_gru(rng):
    return branches(rng, padded(rng), mask=True, **masked(L.GRU))


@case()
def masked_gru_reset_before(rng):
    return branches(rng, padded(rng), mask=True, **masked(lambda *a, **k: L.GRU(*a, reset_after=False, **k)))


@case("h5")
def embedding_masks(rng):
    i = Input((6,), dtype="int32", name="tokens")
    e = L.Embedding(7, 3, mask_zero=True)(i)
    plain = L.Embedding(7, 3)(i)
    outputs = {
        "lstm": L.LSTM(H)(e),
        "gru": L.GRU(H, return_sequences=True)(e),
        "rnn": L.SimpleRNN(H, go_backwards=True)(e),
        "both": L.Bidirectional(L.LSTM(H))(e),
        "plain": L.GRU(H)(plain),
        "mean": L.GlobalAveragePooling1D()(e),
    }
    return Model(i, outputs), tokens(rng)[:4]


@case()
def rnn_cells(rng):
    return branches(
        rng,
        sequences(rng),
        simple=L.RNN(L.SimpleRNNCell(2)),
        lstm=L.RNN(L.LSTMCell(3), return_sequences=True, return_state=True),
        gru=L.RNN(L.GRUCell(2, reset_after=False), go_backwards=True, return_sequences=True),
        gru_after=L.RNN(L.GRUCell(2, use_bias=False), unroll=True),
    )


@case("weights.h5")
def stacked_cells(rng):
    i = Input((T, D), name="x")
    cells = [L.LSTMCell(3), L.GRUCell(2), L.LSTMCell(2, use_bias=False)]
    outputs = {
        "listed": L.RNN(cells)(i),
        "named": L.RNN(L.StackedRNNCells([L.SimpleRNNCell(2), L.SimpleRNNCell(3)]), return_sequences=True)(i),
        "both": L.Bidirectional(L.RNN([L.GRUCell(2), L.LSTMCell(2)], return_sequences=True))(i),
        "one": L.RNN([L.GRUCell(2)], return_sequences=True)(i),
    }
    return Model(i, outputs), sequences(rng)


@case()
def stacked_cells_masked(rng):
    cells = {"a": [L.LSTMCell(3), L.GRUCell(2)], "b": [L.SimpleRNNCell(2), L.LSTMCell(2)]}
    return branches(
        rng,
        padded(rng),
        mask=True,
        last=L.RNN(cells["a"]),
        all=L.RNN(cells["b"], return_sequences=True, go_backwards=True),
        zero=L.RNN([L.GRUCell(2), L.GRUCell(3)], return_sequences=True, zero_output_for_mask=True),
    )


def five_modes(return_sequences: bool) -> dict[str, Any]:
    kinds = (L.LSTM, L.GRU, L.SimpleRNN, L.LSTM, L.GRU)
    modes = ("concat", "sum", "mul", "ave", None)
    return {
        str(m): L.Bidirectional(k(H, return_sequences=return_sequences), merge_mode=m)
        for k, m in zip(kinds, modes, strict=True)
    }


@case("h5")
def bidirectional_last(rng):
    return branches(rng, sequences(rng), **five_modes(False))


@case()
def bidirectional_sequences(rng):
    return branches(rng, sequences(rng), **five_modes(True))


@case("h5")
def bidirectional_masked_last(rng):
    return branches(rng, padded(rng), mask=True, **five_modes(False))


@case()
def bidirectional_masked_sequences(rng):
    return branches(rng, padded(rng), mask=True, **five_modes(True))


@case("weights.h5")
def bidirectional_options(rng):
    return branches(
        rng,
        sequences(rng),
        states=L.Bidirectional(L.LSTM(2, return_sequences=True, return_state=True)),
        apart=L.Bidirectional(L.GRU(2, return_state=True), merge_mode=None),
        other=L.Bidirectional(L.LSTM(2), backward_layer=L.GRU(3, go_backwards=True)),
        cells=L.Bidirectional(L.RNN(L.LSTMCell(2), return_sequences=True)),
        named=L.Bidirectional(L.GRU(2, name="forward_gru", reset_after=False), merge_mode="sum"),
    )


@case()
def one_of_everything(rng):
    """One step, one input, one unit, one row."""
    return branches(
        rng, sequences(rng, 1, 1, 1), a=L.SimpleRNN(1), b=L.LSTM(1), c=L.GRU(1), d=L.GRU(1, reset_after=False)
    )


@case()
def odd_sizes(rng):
    return branches(
        rng, sequences(rng, 13, 7, 9), a=L.SimpleRNN(17), b=L.LSTM(9), c=L.GRU(7), d=L.GRU(8, reset_after=False)
    )
