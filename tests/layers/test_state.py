"""States that layers keep: read, assigned, reset in whole or by rows, in layers, wrappers and models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import Sequential, layers
from numba_rnn.ops.tree import flatten

B, T, D, H = 4, 3, 2, 3

MAKERS = {
    "SimpleRNN": lambda: layers.SimpleRNN(H, stateful=True),
    "LSTM": lambda: layers.LSTM(H, stateful=True),
    "GRU": lambda: layers.GRU(H, stateful=True),
    "stack": lambda: layers.RNN([layers.LSTMCell(H), layers.GRUCell(2)], stateful=True),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(H, stateful=True)),
}


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, T, D)).astype("float32")


@pytest.mark.parametrize("name", MAKERS)
def test_states_are_carried_and_reset(name: str, x: Any) -> None:
    layer = MAKERS[name]()
    first = layer(x)
    second = layer(x)
    assert np.abs(second - first).max() > 1e-3
    layer.reset_states()
    assert all((np.asarray(s) == 0).all() for s in flatten(layer.states))
    np.testing.assert_array_equal(layer(x), first)
    np.testing.assert_array_equal(layer(x), second)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "rows", [[0, 2], np.array([True, False, True, False]), slice(0, 3, 2), np.array([0, 2])], ids=repr
)
def test_rows_are_reset_alone(name: str, rows: Any, x: Any) -> None:
    layer = MAKERS[name]()
    first, second = layer(x), layer(x)
    layer.reset_state()
    layer(x)
    layer.reset_states(rows=rows)
    y = layer(x)
    np.testing.assert_array_equal(y[[0, 2]], first[[0, 2]])
    np.testing.assert_array_equal(y[[1, 3]], second[[1, 3]])


def test_no_row_may_be_reset(x: Any) -> None:
    layer = layers.GRU(H, stateful=True)
    first, second = layer(x), layer(x)
    layer.reset_state()
    np.testing.assert_array_equal(layer(x), first)
    layer.reset_state(rows=[])
    np.testing.assert_array_equal(layer(x), second)


@pytest.mark.parametrize("row", [7, [0, -5]])
def test_there_is_no_such_row(row: Any, x: Any) -> None:
    layer = layers.LSTM(H, stateful=True)
    layer(x)
    before = [s.numpy() for s in layer.states]
    with pytest.raises(IndexError):
        layer.reset_states(rows=row)
    for state, kept in zip(layer.states, before, strict=True):
        np.testing.assert_array_equal(state, kept)


def test_models_reset_theirs(x: Any) -> None:
    inner = Sequential([layers.Input(batch_shape=(B, T, D)), layers.GRU(H, stateful=True, return_sequences=True)])
    model = Sequential([layers.Input(batch_shape=(B, T, D)), inner, layers.LSTM(H, stateful=True), layers.Dense(2)])
    first, second = model(x), model(x)
    model.reset_states()
    np.testing.assert_array_equal(model(x), first)
    model.reset_states(rows=[1])
    y = model(x)
    np.testing.assert_array_equal(y[1], first[1])
    np.testing.assert_array_equal(y[[0, 2, 3]], second[[0, 2, 3]])


def test_states_read_as_variables_and_are_no_weights(x: Any) -> None:
    layer = layers.LSTM(H, stateful=True, return_state=True)
    _, h, c = layer(x)
    assert len(layer.weights) == len(layer.get_weights()) == 3
    np.testing.assert_array_equal(layer.states[0].numpy(), h)
    np.testing.assert_array_equal(np.asarray(layer.states[1]), c)
    h[:] = 9  # the caller's array is not the state
    assert (np.asarray(layer.states[0]) != 9).all()
    zeros = np.zeros((B, H))
    y, _, _ = layer(x, initial_state=[zeros, zeros])
    for state in layer.states:
        state.assign(zeros)
    again, *after = layer(x)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(layer.states[0], after[0])


def test_initial_state_goes_before_and_is_followed(x: Any, rng: np.random.Generator) -> None:
    layer, plain = layers.GRU(H, stateful=True), layers.GRU(H, return_state=True)
    layer(x), plain(x)
    plain.set_weights(layer.get_weights())
    state = rng.normal(size=(B, H)).astype("float32")
    y, after = plain(x, initial_state=state)
    np.testing.assert_array_equal(layer(x, initial_state=state), y)
    np.testing.assert_array_equal(layer(x), plain(x, initial_state=after)[0])


def test_masked_steps_leave_states_alone(x: Any) -> None:
    layer = layers.LSTM(H, stateful=True)
    layer(x)
    before = [s.numpy() for s in layer.states]
    mask = np.ones((B, T), bool)
    mask[1] = False
    layer(x, mask=mask)
    for state, kept in zip(layer.states, before, strict=True):
        np.testing.assert_array_equal(state.numpy()[1], kept[1])
        assert not np.allclose(state.numpy()[0], kept[0])


@pytest.mark.parametrize("name", MAKERS)
def test_another_batch_is_refused(name: str, x: Any) -> None:
    layer = MAKERS[name]()
    layer(x)
    with pytest.raises(ValueError, match="Expected batch size: 4 \n- Received batch size: 3"):
        layer(x[:3])


def test_reset_before_the_first_call_is_nothing() -> None:
    layers.LSTM(H, stateful=True).reset_state()
    layers.LSTM(H).reset_states()
    with pytest.raises(AttributeError, match="Layer must be stateful"):
        layers.Bidirectional(layers.LSTM(H)).reset_state()
