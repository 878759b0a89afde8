from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numba_rnn import initializers, layers
from numba_rnn.errors import ShapeError

B, T, D, H = 3, 5, 4, 3
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "gaps": [[0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]],
}
KINDS = {
    "SimpleRNN": {},
    "LSTM": {},
    "GRU": {},
    "GRU reset before": {"reset_after": False},
    "LSTM other": {"activation": "relu", "recurrent_activation": "hard_sigmoid", "use_bias": False},
    "GRU other": {"activation": "softmax", "recurrent_activation": "gelu"},
}


def data(rng: np.random.Generator, mask: str, states: int | None) -> dict[str, Any]:
    given: dict[str, Any] = {"x": rng.normal(size=(B, T, D)).astype("float32")}
    if MASKS[mask] is not None:
        given["mask"] = np.array(MASKS[mask], bool)
    if states is not None:
        given["initial_state"] = [rng.normal(size=(B, H)).astype("float32") for _ in range(states)]
    return given


FLAGS = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")


@pytest.mark.oracle
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_like_keras(like_keras: Any, keras: Any, rng: np.random.Generator, kind: str, mask: str) -> None:
    name = kind.split(maxsplit=1)[0]
    every = list(itertools.product((False, True), repeat=4))
    # A third of the sixteen settings for each kind, another third for the next.
    for i, flags in list(enumerate(every))[list(KINDS).index(kind) % 3 :: 3]:
        options = {**KINDS[kind], **dict(zip(FLAGS, flags, strict=True))}
        states = None if i % 2 else (2 if name == "LSTM" else 1)
        given = data(rng, mask, states)
        explicit = {"mask": given.pop("mask")} if "mask" in given and states is not None else {}
        like_keras(lambda K, o=options: getattr(K, name)(H, **o), **given, **explicit)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_config_like_keras(keras: Any, name: str) -> None:
    options = {"units": 3, "activation": "relu", "dropout": 0.25, "go_backwards": True, "name": "it"}
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()).get_config() == theirs.get_config()
    assert type(theirs).from_config(ours.get_config()).get_config() == theirs.get_config()


@pytest.mark.oracle
def test_attached_mask_is_used_only_without_states(like_keras: Any, rng: np.random.Generator) -> None:
    x, h = rng.normal(size=(B, T, D)).astype("float32"), rng.normal(size=(B, H)).astype("float32")
    mask = np.array(MASKS["gaps"], bool)
    gru = like_keras(lambda K: K.GRU(H, return_sequences=True), x, mask, initial_state=h)
    np.testing.assert_array_equal(gru(x, initial_state=h), gru(layers.masks.set_mask(x, mask), initial_state=h))
    assert np.abs(gru(x) - gru(layers.masks.set_mask(x, mask))).max() > 0.01


def test_states_may_be_positional(rng: np.random.Generator) -> None:
    given = data(rng, "none", 2)
    lstm = layers.LSTM(H)
    np.testing.assert_array_equal(
        lstm(given["x"], given["initial_state"]), lstm(given["x"], initial_state=given["initial_state"])
    )


def test_fast_path_is_the_same_call(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    lstm = layers.LSTM(H, return_state=True)
    first = lstm(x)
    assert lstm._fast_ndim == 3
    for a, b, c in zip(first, lstm(x), lstm(x.astype("float64")), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        assert type(b) is np.ndarray
        assert b.dtype == np.float32


def test_new_weights_count(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    gru = layers.GRU(H)
    before = gru(x)
    gru.cell.bias.assign(rng.normal(size=(2, 3 * H)))
    after = gru(x)
    assert np.abs(before - after).max() > 0.01
    other = layers.GRU(H)
    other.build(x.shape)
    other.set_weights(gru.get_weights())
    np.testing.assert_array_equal(other(x), after)


def test_float64(rng: np.random.Generator) -> None:
    y = layers.LSTM(H, dtype="float64")(rng.normal(size=(B, T, D)))
    assert y.dtype == np.float64


def test_forget_bias_starts_as_one() -> None:
    lstm = layers.LSTM(2, bias_initializer=initializers.Constant(0.5))
    lstm.build((None, None, 3))
    np.testing.assert_array_equal(lstm.cell.bias.numpy(), [0.5, 0.5, 1, 1, 0.5, 0.5, 0.5, 0.5])


def test_stateful(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, 6, D)).astype("float32")
    whole = layers.LSTM(H, return_sequences=True)
    whole.build(x.shape)
    kept = layers.LSTM(H, return_sequences=True, stateful=True)
    kept(x)
    kept.set_weights(whole.get_weights())
    kept.reset_state()
    parts = [kept(x[:, :2]), kept(x[:, 2:3]), kept(x[:, 3:])]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole(x), atol=1e-6)
    with pytest.raises(ValueError, match="Expected batch size: 3 \n- Received batch size: 2"):
        kept(x[:2])
    with pytest.raises(ValueError, match="the batch size must be static"):
        layers.GRU(2, stateful=True)(layers.Input((4, 3)))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: layers.LSTM(0), ValueError, "`units`, expected a positive integer, got 0"),
        (lambda: layers.LSTM("3"), TypeError, "`units`"),
        (lambda: layers.GRU(2.5), ValueError, "`units`"),
        (
            lambda: layers.LSTM(2, time_major=False),
            ValueError,
            "Unrecognized keyword arguments passed to LSTM: {'time_major': False}",
        ),
        (
            lambda: layers.SimpleRNN(2, implementation=1),
            ValueError,
            "Unrecognized keyword arguments passed to SimpleRNN",
        ),
        (
            lambda: layers.LSTM(2, kernel_initializer="nope"),
            ValueError,
            "Could not interpret initializer identifier: nope",
        ),
        (
            lambda: layers.LSTM(2, activation="nope"),
            ValueError,
            "Could not interpret activation function identifier: nope",
        ),
        (lambda: layers.GRU(2, activation="glu"), ValueError, "glu"),
        (lambda: layers.GRU(2, use_cudnn="x"), ValueError, "argument `use_cudnn`"),
        (lambda: layers.GRU(2, dtype="mixed_float16"), ValueError, "mixed_float16"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


def test_bad_calls(rng: np.random.Generator) -> None:
    x = rng.normal(size=(B, T, D)).astype("float32")
    lstm = layers.LSTM(H, name="it")
    with pytest.raises(ShapeError, match=r"layer 'it' is incompatible with the layer: expected ndim=3, found ndim=2"):
        lstm(x[0])
    lstm(x)
    calls: list[tuple[Any, type[Exception], str]] = [
        (lambda: lstm(x[..., :2]), ShapeError, r"Layer 'it' \(LSTM\).*Expected: \(B, T, 4\).*Received: \(3, 5, 2\)"),
        (lambda: lstm(x[:, :0]), ShapeError, "no time steps"),
        (lambda: lstm(x, initial_state=[x[:, 0, :H]]), ShapeError, "2 arrays"),
        (lambda: lstm(x, initial_state=[x[:, 0, :2], x[:, 0, :2]]), ShapeError, "initial_state h"),
        (lambda: lstm(x, mask=np.ones((B, T + 1), bool)), ShapeError, "mask"),
        (lambda: lstm([[1.0]]), ValueError, "Only input tensors may be passed as positional arguments"),
        (lambda: lstm(None), ValueError, "Got 'None'"),
        (lstm, TypeError, "missing a required argument: 'sequences'"),
        (lambda: lstm(x, None, None, True), ValueError, "Only input tensors may be passed as positional arguments"),
        (lambda: lstm(x, foo=1), TypeError, "foo"),
        (lambda: lstm(x.astype(complex)), ValueError, "complex128"),
    ]
    for call, error, text in calls:
        with pytest.raises(error, match=text):
            call()


def test_names_are_unique_like_keras() -> None:
    from numba_rnn.ops.naming import clear_session

    clear_session()
    assert [layers.LSTM(1).name, layers.LSTM(1).name, layers.SimpleRNN(1).name] == ["lstm", "lstm_1", "simple_rnn"]
    clear_session()
    assert layers.LSTM(1).name == "lstm"


def test_kernel_is_described() -> None:
    assert layers.LSTM(2).describe_kernels()[0].startswith("reference: ")


@pytest.mark.parametrize("kind", [layers.GRUCell, layers.SimpleRNNCell])
def test_a_cell_takes_its_state_without_a_list(kind: Any, rng: np.random.Generator) -> None:
    cell = kind(4)
    x, h = rng.normal(size=(2, 3)).astype("float32"), rng.normal(size=(2, 4)).astype("float32")
    for training in (False, True):
        y, (new,) = cell(x, [h], training=training)
        alone, state = cell(x, h, training=training)
        np.testing.assert_array_equal(state, new)
        np.testing.assert_array_equal(alone, y)
