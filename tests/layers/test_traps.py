"""Twenty things that a re-implementation of Keras' recurrent layers gets wrong, each a test; none needs Keras.

Numbers 9, 10 and 18 are about files: `tests/loaders/test_traps.py`.

The numbers come from `naive` below: one row, one step, one gate at a time in float64, written from the equations and sharing
nothing with the library.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers
from numba_rnn.layers.masks import get_mask, set_mask

B, T, D, H = 3, 6, 4, 2
RIGHT = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]], bool)
GAPS = np.array([[0, 0, 1, 0, 1, 0], [0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]], bool)
NEAR = {"rtol": 0, "atol": 1e-6}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm_step(x: Any, states: Any, W: Any, U: Any, b: Any) -> Any:
    h, c = states
    block = [slice(k * H, (k + 1) * H) for k in range(4)]
    i, f, g, o = (x @ W[:, s] + h @ U[:, s] + b[s] for s in block)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def gru_after_step(x: Any, states: Any, W: Any, U: Any, b: Any) -> Any:
    (h,) = states
    block = [slice(k * H, (k + 1) * H) for k in range(3)]
    xz, xr, xh = (x @ W[:, s] + b[0, s] for s in block)
    hz, hr, hh = (h @ U[:, s] + b[1, s] for s in block)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return [z * h + (1 - z) * np.tanh(xh + r * hh)]


def gru_before_step(x: Any, states: Any, W: Any, U: Any, b: Any) -> Any:
    (h,) = states
    block = [slice(k * H, (k + 1) * H) for k in range(3)]
    xz, xr, xh = (x @ W[:, s] + b[s] for s in block)
    z, r = sigmoid(xz + h @ U[:, block[0]]), sigmoid(xr + h @ U[:, block[1]])
    return [z * h + (1 - z) * np.tanh(xh + (r * h) @ U[:, block[2]])]


def simple_step(x: Any, states: Any, W: Any, U: Any, b: Any) -> Any:
    return [np.tanh(x @ W + states[0] @ U + b)]


def naive(
    step: Any, x: Any, weights: Any, mask: Any = None, states: Any = None, backwards: bool = False, zero: bool = False
) -> tuple[Any, list[Any]]:
    """All outputs (B, T, H) in the order they are computed, and the last states."""
    n = 2 if step is lstm_step else 1
    outputs, last = np.zeros((len(x), x.shape[1], H)), [np.zeros((len(x), H)) for _ in range(n)]
    for row in range(len(x)):
        s = [np.zeros(H)] * n if states is None else [np.float64(a[row]) for a in states]
        y = np.zeros(H)  # before the first step that counts, whatever the states
        for k in range(x.shape[1]):
            t = x.shape[1] - 1 - k if backwards else k
            if mask is None or mask[row, t]:
                s = step(np.float64(x[row, t]), s, *(np.float64(w) for w in weights))
                y = s[0]
            elif zero:
                y = np.zeros(H)
            outputs[row, k] = y
        for a, b in zip(last, s, strict=True):
            a[row] = b
    return outputs, last


def made(layer: Any, rng: np.random.Generator, shape: Any = (B, T, D)) -> Any:
    """The layer with different numbers in every weight."""
    layer.build(shape)
    layer.set_weights([rng.normal(0, 0.7, w.shape).astype(w.dtype) for w in layer.weights])
    return layer


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, T, D)).astype("float32")


@pytest.fixture
def s(rng: np.random.Generator) -> Any:
    return rng.normal(size=(B, H)).astype("float32")


def test_01_order_of_gate_blocks(x: Any, rng: np.random.Generator) -> None:
    lstm, gru = made(layers.LSTM(H), rng), made(layers.GRU(H), rng)
    np.testing.assert_allclose(lstm(x), naive(lstm_step, x, lstm.get_weights())[0][:, -1], **NEAR)
    np.testing.assert_allclose(gru(x), naive(gru_after_step, x, gru.get_weights())[0][:, -1], **NEAR)


def test_02_the_two_grus(x: Any, rng: np.random.Generator) -> None:
    after, before = made(layers.GRU(H), rng), made(layers.GRU(H, reset_after=False), rng)
    assert after.cell.bias.shape == (2, 3 * H)
    assert before.cell.bias.shape == (3 * H,)
    np.testing.assert_allclose(before(x), naive(gru_before_step, x, before.get_weights())[0][:, -1], **NEAR)
    np.testing.assert_allclose(after(x), naive(gru_after_step, x, after.get_weights())[0][:, -1], **NEAR)
    assert layers.GRUCell(H).reset_after
    # The recurrent bias of the candidate is inside r * (h U + b): as an input bias it would give other numbers.
    W, U, b = after.get_weights()
    after.set_weights([W, U, np.stack([b[0] + b[1], 0 * b[1]])])
    assert np.abs(after(x) - naive(gru_after_step, x, [W, U, b])[0][:, -1]).max() > 0.01
    # Without biases both have the same weights, and only the option says which it is.
    bare = [layers.GRU(H, use_bias=False, reset_after=flag) for flag in (True, False)]
    for layer, step, bias in zip(bare, (gru_after_step, gru_before_step), ((2, 3 * H), 3 * H), strict=True):
        layer.build(x.shape)
        layer.set_weights([W, U])
        np.testing.assert_allclose(layer(x), naive(step, x, [W, U, np.zeros(bias)])[0][:, -1], **NEAR)
    assert np.abs(bare[0](x) - bare[1](x)).max() > 0.01


def test_03_backwards_stays_in_processing_order(x: Any, rng: np.random.Generator) -> None:
    back = made(layers.LSTM(H, return_sequences=True, return_state=True, go_backwards=True), rng)
    y, h, c = back(x)
    wanted, (last_h, last_c) = naive(lstm_step, x[:, ::-1], back.get_weights())
    for have, want in ((y, wanted), (h, last_h), (c, last_c)):
        np.testing.assert_allclose(have, want, **NEAR)
    both = layers.Bidirectional(layers.LSTM(H, return_sequences=True), merge_mode=None)
    both.build(x.shape)
    both.set_weights(back.get_weights() * 2)
    np.testing.assert_array_equal(both(x)[1], y[:, ::-1])


@pytest.mark.parametrize("unroll", [False, True])
def test_04_a_masked_step_repeats_the_output_and_keeps_all_states(
    x: Any, s: Any, rng: np.random.Generator, unroll: bool
) -> None:
    lstm = made(layers.LSTM(H, return_sequences=True, return_state=True, unroll=unroll), rng)
    y, h, c = lstm(x, initial_state=[s, 2 * s], mask=GAPS)
    wanted, (last_h, last_c) = naive(lstm_step, x, lstm.get_weights(), GAPS, [s, 2 * s])
    for have, want in ((y, wanted), (h, last_h), (c, last_c)):
        np.testing.assert_allclose(have, want, **NEAR)
    assert not y[0, :2].any()  # leading masked steps: zero, not the initial h
    np.testing.assert_array_equal(y[0, 3], y[0, 2])
    np.testing.assert_array_equal(h[2], s[2])  # a row without steps keeps what it was given
    np.testing.assert_array_equal(c[2], 2 * s[2])


@pytest.mark.parametrize("unroll", [False, True])
def test_05_zero_output_for_mask_counts_for_the_last_output_too(x: Any, rng: np.random.Generator, unroll: bool) -> None:
    gru = made(layers.GRU(H, zero_output_for_mask=True, return_state=True, unroll=unroll), rng)
    y, h = gru(x, mask=RIGHT)
    wanted, (last,) = naive(gru_after_step, x, gru.get_weights(), RIGHT, zero=True)
    np.testing.assert_allclose(y, wanted[:, -1], **NEAR)
    np.testing.assert_allclose(h, last, **NEAR)
    assert not y[0].any()
    assert y[1].all()
    # Bidirectional sets it to `return_sequences`, whatever the layer was told.
    for told in (False, True):
        both = made(layers.Bidirectional(layers.GRU(H, return_sequences=True, zero_output_for_mask=told)), rng)
        assert not both(x, mask=RIGHT)[~RIGHT].any()
        both = made(layers.Bidirectional(layers.GRU(H, zero_output_for_mask=told)), rng)
        assert both(x, mask=RIGHT)[0].all()
        assert both.forward_layer.zero_output_for_mask is False


def test_06_backwards_over_padding_holds_the_initial_state(x: Any, s: Any, rng: np.random.Generator) -> None:
    both = made(layers.Bidirectional(layers.GRU(H, return_state=True)), rng)
    y, ahead, back = both(x, initial_state=[s, 3 * s], mask=RIGHT)
    for row, n in enumerate(RIGHT.sum(1)):
        trimmed = naive(
            gru_after_step, x[row : row + 1, :n], both.get_weights()[3:], states=[3 * s[row : row + 1]], backwards=True
        )
        np.testing.assert_allclose(y[row, H:], trimmed[0][0, -1], **NEAR)
        np.testing.assert_allclose(back[row], trimmed[1][0][0], **NEAR)
    np.testing.assert_array_equal(y[:, :H], ahead)


def test_07_attached_masks_and_initial_states(x: Any, s: Any, rng: np.random.Generator) -> None:
    gru = made(layers.GRU(H), rng)
    masked = set_mask(x, RIGHT)
    plain, used = gru(x), gru(x, mask=RIGHT)
    np.testing.assert_array_equal(gru(masked), used)
    np.testing.assert_array_equal(gru(masked, mask=None), used)  # does not switch it off
    np.testing.assert_array_equal(gru(masked, mask=GAPS), gru(x, mask=GAPS))
    np.testing.assert_array_equal(gru(masked, initial_state=s), gru(x, initial_state=s))  # gone
    np.testing.assert_array_equal(
        gru(masked, initial_state=s, mask=RIGHT), gru(x, initial_state=s, mask=RIGHT)
    )  # but not an explicit one
    assert np.abs(plain - used).max() > 0.01

    # What a graph recorded is obeyed to the letter, also after a round trip through its config.
    a, b, m = Input((T, D)), Input((H,)), Input((T,), dtype="bool")
    z = layers.Masking()(a)
    outputs = [layers.GRU(H)(z), layers.GRU(H)(z, initial_state=b), layers.GRU(H)(z, mask=m)]
    model = Model([a, b, m], outputs)
    model.set_weights(gru.get_weights() * 3)
    padded = x * RIGHT[:, :, None]
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    for one in (model, again):
        auto, stated, explicit = one([padded, s, GAPS])
        np.testing.assert_array_equal(auto, gru(padded, mask=RIGHT))
        np.testing.assert_array_equal(stated, gru(padded, initial_state=s))
        np.testing.assert_array_equal(explicit, gru(padded, mask=GAPS))


def test_08_masking_zeroes_and_embedding_looks_before_the_cast(x: Any) -> None:
    x[0, 1], x[1, 2] = 7, [7, 7, 7, 6]
    y = layers.Masking(mask_value=7)(x)
    assert not y[0, 1].any()
    np.testing.assert_array_equal(y[1, 2], [7, 7, 7, 6])
    assert not get_mask(y)[0, 1]
    assert get_mask(y).sum() == B * T - 1
    embedding = layers.Embedding(3, 2, mask_zero=True)
    y = embedding(np.array([[0.0, 0.5, 1.7, -0.0]]))
    np.testing.assert_array_equal(get_mask(y), [[False, True, True, False]])
    rows = embedding.get_weights()[0]
    np.testing.assert_array_equal(y[0], rows[[0, 0, 1, 0]])


def test_11_structures_of_results(x: Any, s: Any, rng: np.random.Generator) -> None:
    assert [type(y) for y in (layers.LSTM(H)(x), layers.LSTM(H, return_state=True)(x))] == [np.ndarray, tuple]
    y = made(layers.RNN([layers.LSTMCell(H), layers.GRUCell(H)], return_state=True), rng)(x)
    assert isinstance(y, tuple)
    assert [len(states) if isinstance(states, list) else None for states in y] == [None, 2, 1]
    both = made(layers.Bidirectional(layers.LSTM(H, return_state=True, return_sequences=True), merge_mode=None), rng)
    y = both(x)
    assert isinstance(y, tuple)
    assert [v.shape for v in y] == [(B, T, H)] * 2 + [(B, H)] * 4
    np.testing.assert_array_equal(y[0][:, -1], y[2])  # forward h
    np.testing.assert_array_equal(y[1][:, 0], y[4])  # backward h, at the first step
    gru = made(layers.GRU(H), rng)
    for state in ([s], (s,)):
        np.testing.assert_array_equal(gru(x, initial_state=s), gru(x, initial_state=state))


def test_12_stateful(x: Any, s: Any, rng: np.random.Generator) -> None:
    kept = made(layers.GRU(H, stateful=True), rng)
    plain = layers.GRU(H, return_state=True)
    plain.build(x.shape)
    plain.set_weights(kept.get_weights())
    assert len(kept.weights) == 3
    kept(x)
    first = naive(gru_after_step, x, kept.get_weights())[1]
    np.testing.assert_allclose(np.asarray(kept.states[0]), first[0], **NEAR)
    np.testing.assert_allclose(kept(x), naive(gru_after_step, x, kept.get_weights(), states=first)[0][:, -1], **NEAR)
    y = kept(x, initial_state=s)  # overrides, and the result is kept
    np.testing.assert_array_equal(y, plain(x, initial_state=s)[0])
    np.testing.assert_array_equal(kept.states[0], y)
    kept(x, mask=np.zeros((B, T), bool))
    np.testing.assert_array_equal(kept.states[0], y)
    kept.reset_state()
    assert not np.asarray(kept.states[0]).any()
    with pytest.raises(ValueError, match="Expected batch size: 3"):
        kept(x[:2])


def test_13_activations_whose_meaning_changed() -> None:
    v = np.array([-4.0, -1.0, 1.0, 4.0], "float32")
    table = {
        "hard_sigmoid": [0, 1 / 3, 2 / 3, 1],
        "gelu": [-0.00012668496, -0.15865525, 0.84134475, 3.9998733],  # exact: x Φ(x)
        "leaky_relu": [-0.8, -0.2, 1, 4],
        "hard_silu": [0, -1 / 3, 2 / 3, 4],
        "elu": [-0.98168436, -0.63212056, 1, 4],
    }
    for name, wanted in table.items():
        np.testing.assert_allclose(layers.Activation(name)(v), wanted, rtol=0, atol=1e-6)


def test_14_dtypes(x: Any, rng: np.random.Generator) -> None:
    lstm = made(layers.LSTM(H, return_state=True), rng)
    whole = np.rint(3 * x)
    for dtype in ("int32", "int64", "float64", "float16"):
        received = lstm(whole.astype(dtype))
        assert [y.dtype.name for y in received] == ["float32"] * 3
        np.testing.assert_array_equal(received[0], lstm(whole)[0])
    double = layers.LSTM(H, dtype="float64")
    double.build(x.shape)
    double.set_weights(lstm.get_weights())
    wide = x.astype("float64") + 1e-9
    np.testing.assert_allclose(double(wide), naive(lstm_step, wide, lstm.get_weights())[0][:, -1], rtol=0, atol=1e-14)


def test_15_dropout_and_forget_bias_change_no_inference(x: Any, rng: np.random.Generator) -> None:
    plain = made(layers.LSTM(H), rng)
    for options in ({"dropout": 0.9}, {"recurrent_dropout": 0.9}, {"unit_forget_bias": False}, {"implementation": 1}):
        other = layers.LSTM(H, **options)
        other.build(x.shape)
        other.set_weights(plain.get_weights())
        np.testing.assert_array_equal(other(x), plain(x))
    fresh = layers.LSTM(H)
    fresh.build(x.shape)
    np.testing.assert_array_equal(fresh.cell.bias.numpy(), np.repeat([0, 1, 0, 0], H))


def test_16_sequential_records_sizes_that_it_does_not_enforce(x: Any) -> None:
    model = Sequential([layers.GRU(H)])
    model(x)
    assert model.get_config()["build_input_shape"] == [B, T, D]
    assert model(x[:1, :2]).shape == (1, H)
    with pytest.raises(ValueError, match="expected shape"):
        model(x[None])
    stateful = Sequential([layers.GRU(H, stateful=True)])
    stateful(x)
    with pytest.raises(ValueError, match="Expected batch size: 3"):
        stateful(x[:1])


def test_17_nothing_and_too_much(x: Any, rng: np.random.Generator) -> None:
    for make in (layers.SimpleRNN, layers.LSTM, layers.GRU):
        with pytest.raises(ValueError, match="no time steps"):
            make(H)(x[:, :0])
        y = make(H, return_sequences=True, return_state=True)(x[:0])
        assert [v.shape for v in y] == [(0, T, H)] + [(0, H)] * (len(y) - 1)
    embedding = made(layers.Embedding(5, 2), rng, None)
    np.testing.assert_array_equal(embedding(np.array([[-1, 4]]))[0, 0], embedding.get_weights()[0][4])
    with pytest.raises(IndexError, match="input_dim=5"):
        embedding(np.array([[5]]))


def test_19_keys_of_configs() -> None:
    shared = {
        "name", "trainable", "dtype", "return_sequences", "return_state", "go_backwards", "stateful", "unroll",
        "zero_output_for_mask", "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer",
        "bias_initializer", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout",
    }  # fmt: skip
    gated = shared | {"recurrent_activation", "seed"}
    assert set(layers.SimpleRNN(2, seed=3).get_config()) == shared
    assert set(layers.LSTM(2, implementation=1, use_cudnn=False).get_config()) == gated | {"unit_forget_bias"}
    assert set(layers.GRU(2, implementation=1, use_cudnn=False).get_config()) == gated | {"reset_after"}


def test_20_what_predict_takes_and_returns(x: Any) -> None:
    a, b = Input((T, D), name="a"), Input((T, D), name="b")
    model = Model([a, b], [layers.Add()([layers.GRU(H)(a), layers.LSTM(H)(b)])])
    wanted = model.predict([x, 2 * x], verbose=0)
    assert type(wanted) is np.ndarray  # out of its list
    np.testing.assert_array_equal(model.predict({"b": 2 * x, "a": x, "unused": x}, verbose=0), wanted)
    masked = Sequential([layers.Masking(), layers.GRU(H, return_sequences=True)])
    assert type(masked.predict(x, verbose=0)) is np.ndarray
    np.testing.assert_array_equal(masked.predict(x.astype("float64"), batch_size=2, verbose=0), masked(x))
