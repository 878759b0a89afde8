"""The error table, what calls are refused: `test_errors.py` has the rows about constructors, files and models.

Where Keras leaves the exception's type to its backend, or does not check at all (sizes of features, states and masks, no steps), it
is ValueError, of which ShapeError and DTypeError are kinds. A row is one test, named after what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, layers

B, T, D, H = 2, 5, 3, 4
X = np.random.default_rng(7).normal(size=(B, T, D)).astype("float32")
S = np.random.default_rng(8).normal(size=(B, H)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)

Row = tuple[Callable[[], Any], type[Exception], str]


def rows(table: dict[str, Row]) -> Any:
    """One test a row."""
    return pytest.mark.parametrize(("act", "error", "words"), list(table.values()), ids=list(table))


KINDS = {
    "SimpleRNN": lambda **o: layers.SimpleRNN(H, **o),
    "LSTM": lambda **o: layers.LSTM(H, **o),
    "GRU": lambda **o: layers.GRU(H, **o),
    "RNN": lambda **o: layers.RNN(layers.LSTMCell(H), **o),
    "stack": lambda **o: layers.RNN([layers.GRUCell(H), layers.LSTMCell(H)], **o),
    "Bidirectional": lambda **o: layers.Bidirectional(layers.GRU(H, **o)),
}


def built(kind: str, **options: Any) -> Any:
    layer = KINDS[kind](**options)
    layer(X)
    return layer


def calls() -> dict[str, Row]:
    """The rows that every recurrent layer has."""
    table: dict[str, Row] = {}
    for kind, make in KINDS.items():
        table |= {
            f"{kind} on 2D": (
                lambda make=make: make()(X[0]),
                ValueError,
                r"incompatible with the layer: expected ndim=3, found ndim=2. Full shape received: \(5, 3\)",
            ),
            f"{kind} on 4D": (
                lambda make=make: make()(X[None]),
                ValueError,
                r"incompatible with the layer: expected ndim=3, found ndim=4. Full shape received: \(1, 2, 5, 3\)",
            ),
            f"{kind} on a list": (
                lambda make=make: make()(X.tolist()),
                ValueError,
                "Only input tensors may be passed as positional arguments",
            ),
            f"{kind} on text": (
                lambda make=make: make()("x"),
                ValueError,
                "Only input tensors may be passed as positional arguments",
            ),
            f"{kind} on None": (
                lambda make=make: make()(None),
                ValueError,
                "Inputs to a layer should be tensors. Got 'None'",
            ),
            f"{kind} on nothing": (
                lambda make=make: make()(),
                TypeError,
                "missing a required argument: 'sequences'",
            ),
            f"{kind} training by place": (
                lambda make=make: make()(X, None, None, True),
                ValueError,
                "Only input tensors may be passed as positional arguments",
            ),
            f"{kind} with other features": (
                lambda kind=kind: built(kind)(X[..., :2]),
                ValueError,
                r"(?s)Expected.*3.*Received.*\(2, 5, 2\)",
            ),
            f"{kind} without steps": (lambda make=make: make()(X[:, :0]), ValueError, "no time steps"),
            f"{kind} with an unknown argument": (lambda make=make: make()(X, foo=1), TypeError, "foo"),
            f"{kind} with a short mask": (
                lambda make=make: make()(X, mask=MASK[:, :3]),
                ValueError,
                r"`?mask.*Expected: \(2, 5\).*Received: \(2, 3\)",
            ),
            f"{kind} with a long mask": (
                lambda make=make: make()(X, mask=np.ones((B, T + 1), bool)),
                ValueError,
                r"`?mask.*Expected: \(2, 5\).*Received: \(2, 6\)",
            ),
            f"{kind} with a mask of other rows": (
                lambda make=make: make()(X, mask=np.ones((B + 1, T), bool)),
                ValueError,
                r"`?mask.*Expected: \(2, 5\).*Received: \(3, 5\)",
            ),
            f"{kind} with a mask of one row": (
                lambda make=make: make()(X, mask=np.ones((1, T), bool)),
                ValueError,
                r"`?mask.*Expected: \(2, 5\).*Received: \(1, 5\)",
            ),
            f"{kind} with a mask without rows": (
                lambda make=make: make()(X, mask=np.ones(T, bool)),
                ValueError,
                r"`?mask.*Expected: \(2, 5\).*Received: \(5,\)",
            ),
            f"{kind} with a list as mask": (
                lambda make=make: make()(X, mask=MASK.tolist()),
                ValueError,
                r"`mask` of layer .* must be an array \(B, T\)",
            ),
            f"{kind} with too few states": (lambda make=make: make()(X, initial_state=[]), ValueError, "initial_state"),
            f"{kind} with too many states": (
                lambda make=make: make()(X, initial_state=[S] * 5),
                ValueError,
                "`initial_state`.*Received: 5",
            ),
            f"{kind} with text as state": (
                lambda make=make: make()(X, initial_state="x"),
                ValueError,
                "initial_state",
            ),
        }
    for kind, n in {"SimpleRNN": 1, "LSTM": 2, "GRU": 1, "RNN": 2, "stack": 3, "Bidirectional": 2}.items():
        for wrong, state, received in (
            ("other units", S[:, :3], r"\(2, 3\)"),
            ("other rows", np.concatenate([S, S[:1]]), r"\(3, 4\)"),
            ("one row", S[:1], r"\(1, 4\)"),
            ("a vector", S[0], r"\(4,\)"),
            ("steps", np.stack([S] * T, 1), r"\(2, 5, 4\)"),
        ):
            table[f"{kind} with a state of {wrong}"] = (
                lambda kind=kind, n=n, state=state: KINDS[kind]()(X, initial_state=[S] * (n - 1) + [state]),
                ValueError,
                rf"`initial_state.*Expected: \(2, 4\).*Received: {received}",
            )
    return table


@rows(calls())
def test_calls(act: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        act()


def symbolic(kind: str, *shape: Any, **call: Any) -> Any:
    return KINDS[kind]()(Input(shape), **call)


def named(*names: str) -> Any:
    inputs = [Input((T, D), name=n) for n in names]
    return Model(inputs, [layers.GRU(2)(x) for x in inputs])


MORE: dict[str, Row] = {
    "LSTM with a bare state": (lambda: layers.LSTM(H)(X, S), ValueError, r"`initial_state` of lstm must be 2 arrays"),
    "LSTM with one state": (lambda: layers.LSTM(H)(X, [S]), ValueError, "2 arrays .*Received: 1"),
    "LSTM with three states": (lambda: layers.LSTM(H)(X, [S] * 3), ValueError, "2 arrays .*Received: 3"),
    "GRU with two states": (lambda: layers.GRU(H)(X, [S] * 2), ValueError, "1 array .*Received: 2"),
    "SimpleRNN with two states": (lambda: layers.SimpleRNN(H)(X, [S] * 2), ValueError, "1 array .*Received: 2"),
    "stack with states of one cell": (
        lambda: KINDS["stack"]()(X, [[S]]),
        ValueError,
        "`initial_state` must hold 3 arrays for 2 cells.*Received: .*1",
    ),
    "stack with states at the wrong cell": (
        lambda: KINDS["stack"]()(X, [[S, S], [S]]),
        ValueError,
        r"`initial_state` .*Expected: .*1.*2.*Received: .*2.*1",
    ),
    "Bidirectional with the states of one way": (
        lambda: layers.Bidirectional(layers.LSTM(H))(X, initial_state=[S, S]),
        ValueError,
        "must be a list of 4 arrays .* Received: 2",
    ),
    "Bidirectional with a bare state": (
        lambda: layers.Bidirectional(layers.GRU(H))(X, initial_state=S),
        ValueError,
        "must be a list of 2 arrays .* Received: ndarray",
    ),
    "symbolic 2D": (lambda: symbolic("GRU", D), ValueError, "expected ndim=3, found ndim=2"),
    "symbolic features unknown": (lambda: symbolic("GRU", T, None), ValueError, "a size .* None. Give that size"),
    "stateful without a batch size": (
        lambda: layers.GRU(H, stateful=True)(Input((4, 3))),
        ValueError,
        r"When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
        r"sequence.shape=\(None, 4, 3\)",
    ),
    **{
        f"stateful {kind} with another batch": (
            lambda kind=kind: built(kind, stateful=True)(np.concatenate([X] * 2)),
            ValueError,
            "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of the initial state. "
            "\n- Expected batch size: 2 ?\n- Received batch size: 4",
        )
        for kind in KINDS
    },
    "stateful predict with a rest": (
        lambda: Sequential([Input(batch_shape=(2, T, D)), layers.GRU(H, stateful=True)]).predict(
            np.concatenate([X, X[:1]]), batch_size=2, verbose=0
        ),
        ValueError,
        "Expected batch size: 2 ?\n- Received batch size: 1",
    ),
    "reset_state of a Bidirectional without states": (
        lambda: layers.Bidirectional(layers.GRU(H)).reset_state(),
        AttributeError,
        "Layer must be stateful",
    ),
    "initial state without a batch size": (
        lambda: layers.LSTMCell(H).get_initial_state(),
        ValueError,
        "`batch_size` must be given",
    ),
    "TimeDistributed on 2D": (
        lambda: layers.TimeDistributed(layers.Dense(2))(X[0]),
        ValueError,
        r"with at least 3 dimensions, received: \(5, 3\)",
    ),
    "TimeDistributed with a short mask": (
        lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=MASK[:, :3]),
        ValueError,
        r"The `mask` passed to the `TimeDistributed` layer has a shape \(2, 3\)",
    ),
    "TimeDistributed with a mask without steps": (
        lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=MASK[:, 0]),
        ValueError,
        r"The `mask` passed to the `TimeDistributed` layer must be at least 2D",
    ),
    "TimeDistributed of a layer that needs more axes": (
        lambda: layers.TimeDistributed(layers.LSTM(2))(X),
        ValueError,
        "expected ndim=3, found ndim=2",
    ),
    "Dense on 1D": (lambda: layers.Dense(2)(X[0, 0]), ValueError, "expected min_ndim=2, found ndim=1"),
    "Dense with other features": (
        lambda: (d := layers.Dense(2), d(X), d(X[..., :2])),
        ValueError,
        "Expected: 3. Received: 2",
    ),
    "Embedding beyond its rows": (
        lambda: layers.Embedding(5, 2)(np.array([[1, 5]])),
        IndexError,
        r"indices 0 to 4 \(input_dim=5\). Received: indices from 1 to 5",
    ),
    "Embedding before its rows": (lambda: layers.Embedding(5, 2)(np.array([[-6]])), IndexError, "indices from -6"),
    "weights of another number": (
        lambda: built("LSTM").set_weights([np.zeros((D, 4 * H))]),
        ValueError,
        r"You called `set_weights\(weights\)` on layer '.*' with a weight list of length 1, but the layer was expecting 3 weights",
    ),
    "weights of another shape": (
        lambda: built("GRU").set_weights([np.zeros((D, 2)), np.zeros((H, 3 * H)), np.zeros((2, 3 * H))]),
        ValueError,
        r"weight shape \(3, 12\) is not compatible with provided weight shape \(3, 2\)",
    ),
    "Sequential without layers": (lambda: Sequential()(X), ValueError, "cannot be built because it has no layers"),
    "Sequential of another rank": (
        lambda: Sequential([Input((T, D)), layers.GRU(2)])(X[None]),
        ValueError,
        r"expected shape=\(None, 5, 3\), found shape=\(1, 2, 5, 3\)",
    ),
    "model without an input": (
        lambda: named("a", "b")({"a": X}),
        ValueError,
        'Missing data for input "b". You passed a data dictionary with keys',
    ),
    "model with too few inputs": (lambda: named("a", "b")([X]), ValueError, r"expects 2 inputs \(a, b\).*Received: 1"),
    "model with other steps": (
        lambda: named("a")([X[:, :4]]),
        ValueError,
        r"expected shape=\(None, 5, 3\), found shape=\(2, 4, 3\)",
    ),
    "model with other features": (
        lambda: named("a")([X[..., :2]]),
        ValueError,
        r"expected shape=\(None, 5, 3\), found shape=\(2, 5, 2\)",
    ),
    "no such layer": (lambda: named("a").get_layer("nope"), ValueError, "No such layer: nope. Existing layers are"),
    "complex numbers": (lambda: layers.GRU(2)(X.astype(complex)), ValueError, "real numbers and booleans.* complex128"),
}


@rows(MORE)
def test_more_calls(act: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        act()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_leaves_nothing_behind(kind: str) -> None:
    """A refused call changes neither the kept states nor the results after it."""
    layer = KINDS[kind](stateful=True)
    with pytest.raises(ValueError, match="mask"):
        layer(X, mask=MASK[:, :3])
    layer(X)
    y = np.array(layer(X))
    layer.reset_state()
    layer(X)
    for bad in ({"mask": MASK[:, :3]}, {"initial_state": [S] * 5}):
        with pytest.raises(ValueError, match=r"mask|initial_state"):
            layer(X, **bad)
    with pytest.raises(ValueError, match="batch size"):
        layer(X[:1])
    np.testing.assert_array_equal(layer(X), y)


def test_states_in_every_form() -> None:
    """What is accepted: a bare array for one state, lists, tuples, other dtypes, nested or flat for stacked cells."""
    gru, lstm, stack = built("GRU"), built("LSTM"), built("stack")
    wanted = gru(X, initial_state=[S])
    for state in (S, (S,), [S.astype("float64")]):
        np.testing.assert_array_equal(gru(X, initial_state=state), wanted)
    np.testing.assert_array_equal(gru(X, S), wanted)
    assert np.abs(wanted - gru(X)).max() > 0.01
    wanted = lstm(X, initial_state=[S, 2 * S])
    np.testing.assert_array_equal(lstm(X, initial_state=(S, 2 * S)), wanted)
    assert np.abs(lstm(X, initial_state=[2 * S, S]) - wanted).max() > 0.01
    wanted = stack(X, initial_state=[[S], [2 * S, 3 * S]])
    for state in ([S, [2 * S, 3 * S]], (S, (2 * S, 3 * S)), [S, 2 * S, 3 * S]):
        np.testing.assert_array_equal(stack(X, initial_state=state), wanted)
    whole = np.ones((B, H), int)
    np.testing.assert_array_equal(gru(X, initial_state=whole), gru(X, initial_state=whole.astype("float32")))


def test_reset_state_of_what_keeps_none_does_nothing() -> None:
    layer = layers.GRU(H)
    layer.reset_state()
    layer(X)
    layer.reset_states()


def test_unknown_steps_may_be_unrolled() -> None:
    """Keras fails where the graph runs with T unknown; here a graph runs on arrays, whose T is known."""
    model = Sequential([Input((None, D)), layers.LSTM(H, unroll=True)])
    assert model.predict(X, verbose=0).shape == (B, H)
    assert model.predict(X[:, :2], verbose=0).shape == (B, H)


def test_two_arrays_where_one_is_taken() -> None:
    inputs = Input((5, 3))
    x = np.ones((2, 5, 3), "float32")
    for model in (Sequential([inputs, layers.GRU(4)]), Model(inputs, layers.GRU(4)(inputs))):
        with pytest.raises(TypeError, match=r"True, False or None.*\(2, 5, 3\).*model\(\[a, b\]\)"):
            model(x, x)
