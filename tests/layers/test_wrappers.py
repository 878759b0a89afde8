"""Bidirectional, TimeDistributed, RNN over stacks of cells."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numba_rnn import layers
from numba_rnn.errors import ShapeError

B, T, D = 3, 5, 4
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, T, D)).astype("float32")


@pytest.mark.oracle
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
def test_bidirectional(like_keras: Any, x: Any, merge: Any) -> None:
    for i, (seq, state, masked) in enumerate(itertools.product((False, True), repeat=3)):
        options = {"return_sequences": seq, "return_state": state}
        cell = ("LSTM", "GRU", "SimpleRNN")[i % 3]
        like_keras(
            lambda K, c=cell, o=options: K.Bidirectional(getattr(K, c)(3, **o), merge_mode=merge),
            x,
            MASK if masked else None,
        )


@pytest.mark.oracle
def test_bidirectional_pairs(like_keras: Any, x: Any, rng: np.random.Generator) -> None:
    like_keras(
        lambda K: K.Bidirectional(
            K.LSTM(3, return_sequences=True), backward_layer=K.GRU(2, return_sequences=True, go_backwards=True)
        ),
        x,
        MASK,
    )
    like_keras(
        lambda K: K.Bidirectional(K.GRU(3), merge_mode="mul", backward_layer=K.LSTM(1, go_backwards=True)), x, MASK
    )
    like_keras(lambda K: K.Bidirectional(K.RNN([K.LSTMCell(3), K.GRUCell(2)], return_sequences=True)), x, MASK)
    states = [rng.normal(size=(B, 3)).astype("float32") for _ in range(4)]
    like_keras(lambda K: K.Bidirectional(K.LSTM(3, return_state=True)), x, initial_state=states)


@pytest.mark.oracle
def test_bidirectional_names_and_config(keras: Any) -> None:
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(3, name="forward_foo"), name="b")
    ours = layers.Bidirectional(layers.LSTM(3, name="forward_foo"), name="b")
    assert (ours.forward_layer.name, ours.backward_layer.name) == ("forward_foo", "backward_forward_foo")
    assert ours.get_config() == theirs.get_config()
    again = layers.Bidirectional.from_config(theirs.get_config())
    assert again.get_config() == theirs.get_config()


def test_bidirectional_refuses() -> None:
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: layers.Bidirectional("x"), ValueError, "Please initialize `Bidirectional` layer"),
        (lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=3), ValueError, "`backward_layer` need to be"),
        (
            lambda: layers.Bidirectional(layers.LSTM(2), merge_mode="max"),
            ValueError,
            "Invalid merge mode. Received: max",
        ),
        (lambda: layers.Bidirectional(layers.LSTM(2, go_backwards=True)), ValueError, "different `go_backwards` value"),
        (lambda: layers.Bidirectional(layers.Dense(2)), TypeError, "recurrent"),
        (
            lambda: layers.Bidirectional(
                layers.GRU(2), backward_layer=layers.GRU(2, go_backwards=True, return_state=True)
            ),
            ValueError,
            'attribute "return_state", got "False" for forward layer and "True"',
        ),
    ]
    for make, error, text in cases:
        with pytest.raises(error, match=text):
            make()
    with pytest.raises(AttributeError, match="must be stateful"):
        layers.Bidirectional(layers.GRU(2)).reset_state()


@pytest.mark.oracle
def test_stacks(like_keras: Any, x: Any, rng: np.random.Generator) -> None:
    def stack(K: Any, **options: Any) -> Any:
        return K.RNN([K.GRUCell(3), K.LSTMCell(2), K.SimpleRNNCell(4)], **options)

    for flags in itertools.product((False, True), repeat=3):
        names = ("return_sequences", "go_backwards", "zero_output_for_mask")
        options = {**dict(zip(names, flags, strict=True)), "return_state": flags[0] is flags[1]}
        like_keras(lambda K, o=options: stack(K, **o), x, MASK)
    states = [[rng.normal(size=(B, 3))], [rng.normal(size=(B, 2)), rng.normal(size=(B, 2))], [rng.normal(size=(B, 4))]]
    states = [[s.astype("float32") for s in cell] for cell in states]
    like_keras(lambda K: stack(K, return_state=True), x, initial_state=states)
    like_keras(lambda K: K.RNN(K.GRUCell(3), return_sequences=True), x, MASK)


def test_cells_step_like_their_layer(x: Any) -> None:
    for cell in (layers.LSTMCell(3), layers.GRUCell(2), layers.SimpleRNNCell(4)):
        layer = layers.RNN(cell, return_sequences=True)
        whole = layer(x)
        states = cell.get_initial_state(batch_size=B)
        for t in range(T):
            y, states = cell(x[:, t], states)
            np.testing.assert_allclose(y, whole[:, t], atol=1e-6)


def test_stack_refuses(x: Any) -> None:
    with pytest.raises(ValueError, match="Argument `cell` should have a `call` method"):
        layers.RNN(3)
    with pytest.raises(ShapeError, match="must hold 3 arrays"):
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(3)])(x, initial_state=[x[:, 0, :3]])


@pytest.mark.oracle
@pytest.mark.parametrize(
    "inner",
    [
        lambda K: K.Dense(3, activation="tanh"),
        lambda K: K.LayerNormalization(),
        lambda K: K.BatchNormalization(),
        lambda K: K.Dropout(0.5),
        lambda K: K.Activation("softmax"),
    ],
)
def test_time_distributed(like_keras: Any, x: Any, inner: Any) -> None:
    like_keras(lambda K: K.TimeDistributed(inner(K)), x, MASK)


@pytest.mark.oracle
def test_time_distributed_over_sequences(like_keras: Any, rng: np.random.Generator) -> None:
    frames = rng.normal(size=(2, 3, T, D)).astype("float32")
    like_keras(lambda K: K.TimeDistributed(K.LSTM(3)), frames)
    like_keras(lambda K: K.TimeDistributed(K.Flatten()), frames)
    like_keras(lambda K: K.TimeDistributed(K.Embedding(7, 2)), rng.integers(0, 7, (2, 3, 4)).astype("int32"))


def test_time_distributed_refuses(x: Any) -> None:
    with pytest.raises(ValueError, match="Please initialize `TimeDistributed`"):
        layers.TimeDistributed("x")
    layer = layers.TimeDistributed(layers.Dense(2))
    with pytest.raises(ShapeError, match=r"at least 3 dimensions, received: \(3, 4\)"):
        layer(x[:, 0])
    with pytest.raises(ShapeError, match="incompatible with the input shape"):
        layer(x, mask=MASK[:, :2])
