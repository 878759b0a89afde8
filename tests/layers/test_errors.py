"""The error table: what a user can get wrong, the exception it raises, and what the message names.

`test_errors_of_calls.py` has the rows about calls.

A row is one test, named after what is wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn import Input, Sequential, layers

B, T, D, H = 2, 5, 3, 4
X = np.random.default_rng(7).normal(size=(B, T, D)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)

Row = tuple[Callable[[], Any], type[Exception], str]


def rows(table: dict[str, Row]) -> Any:
    """One test a row."""
    return pytest.mark.parametrize(("act", "error", "words"), list(table.values()), ids=list(table))


def check(act: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        act()


class NoCall:
    state_size = 3


class NoSize:
    def call(self, inputs: Any, states: Any) -> Any:
        return inputs, states


class Cell(NoSize):
    def __init__(self, state_size: Any) -> None:
        self.state_size = state_size


UNITS = "invalid value for argument `units`, expected a positive integer, got "
LOOSE = "Could not interpret "
ALREADY = "is already the name of a layer"

CONSTRUCTORS: dict[str, Row] = {
    "LSTM(0)": (lambda: layers.LSTM(0), ValueError, f"{UNITS}0"),
    "LSTM(-1)": (lambda: layers.LSTM(-1), ValueError, f"{UNITS}-1"),
    "GRU(0)": (lambda: layers.GRU(0), ValueError, f"{UNITS}0"),
    "SimpleRNN(0)": (lambda: layers.SimpleRNN(0), ValueError, f"{UNITS}0"),
    "GRUCell(0)": (lambda: layers.GRUCell(0), ValueError, f"{UNITS}0"),
    "LSTM(None)": (lambda: layers.LSTM(None), TypeError, f"{UNITS}None"),
    "LSTM('3')": (lambda: layers.LSTM("3"), TypeError, f"{UNITS}'3'"),
    "GRU(2.5)": (lambda: layers.GRU(2.5), ValueError, f"{UNITS}2.5"),
    "SimpleRNN(2.5)": (lambda: layers.SimpleRNN(2.5), ValueError, f"{UNITS}2.5"),
    "LSTM(2.5)": (lambda: layers.LSTM(2.5), ValueError, f"{UNITS}2.5"),
    "LSTM(True)": (lambda: layers.LSTM(True), ValueError, f"{UNITS}True"),
    "LSTM()": (layers.LSTM, TypeError, "'units'"),
    "unknown keyword": (
        lambda: layers.LSTM(4, foo=1),
        ValueError,
        r"Unrecognized keyword arguments passed to LSTM: \{'foo': 1\}",
    ),
    "time_major": (
        lambda: layers.LSTM(4, time_major=False),
        ValueError,
        r"Unrecognized keyword arguments passed to LSTM: \{'time_major': False\}",
    ),
    "SimpleRNN implementation": (
        lambda: layers.SimpleRNN(4, implementation=1),
        ValueError,
        r"Unrecognized keyword arguments passed to SimpleRNN: \{'implementation': 1\}",
    ),
    "initializer": (
        lambda: layers.LSTM(4, kernel_initializer="nope"),
        ValueError,
        f"{LOOSE}initializer identifier: nope",
    ),
    "activation": (
        lambda: layers.LSTM(4, activation="nope"),
        ValueError,
        f"{LOOSE}activation function identifier: nope",
    ),
    "recurrent activation": (
        lambda: layers.GRU(4, recurrent_activation="nope"),
        ValueError,
        f"{LOOSE}activation function identifier: nope",
    ),
    "glu": (lambda: layers.GRU(4, activation="glu"), ValueError, "`glu` halves the units"),
    "use_cudnn": (
        lambda: layers.LSTM(4, use_cudnn="x"),
        ValueError,
        r"Invalid valid received for argument `use_cudnn`. Expected one of \{'auto', True, False\}",
    ),
    "RNN cell without call": (lambda: layers.RNN(NoCall()), ValueError, "`cell` should have a `call` method"),
    "RNN cell without state_size": (lambda: layers.RNN(NoSize()), ValueError, "should have a `state_size` attribute"),
    "RNN cell of state_size None": (lambda: layers.RNN(Cell(None)), ValueError, "must be specified as property"),
    "RNN cell of state_size text": (lambda: layers.RNN(Cell("x")), ValueError, "state_size must be an integer, or a"),
    "RNN cell of state_size 2.5": (lambda: layers.RNN(Cell(2.5)), ValueError, "state_size must be an integer, or a"),
    "RNN of no cell": (lambda: layers.RNN(3), ValueError, "Argument `cell` should have a `call` method"),
    "RNN of no cells": (lambda: layers.RNN([]), ValueError, "at least one cell"),
    "stack of a cell without call": (
        lambda: layers.StackedRNNCells([layers.GRUCell(2), NoCall()]),
        ValueError,
        "All cells must have a `call` method",
    ),
    "stack of a cell without state_size": (
        lambda: layers.StackedRNNCells([NoSize()]),
        ValueError,
        "All cells must have a `state_size` attribute",
    ),
    "Bidirectional of no layer": (
        lambda: layers.Bidirectional("x"),
        ValueError,
        "initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: x",
    ),
    "Bidirectional of Dense": (lambda: layers.Bidirectional(layers.Dense(2)), TypeError, "(?s)recurrent layer.*Dense"),
    "backward_layer": (
        lambda: layers.Bidirectional(layers.GRU(2), backward_layer=3),
        ValueError,
        "`backward_layer` need to be a `keras.layers.Layer` instance. Received: 3",
    ),
    "merge_mode": (
        lambda: layers.Bidirectional(layers.GRU(2), merge_mode="max"),
        ValueError,
        r'Invalid merge mode. Received: max. Merge mode should be one of \{"sum", "mul", "ave", "concat", None\}',
    ),
    "Bidirectional of a backward layer": (
        lambda: layers.Bidirectional(layers.GRU(2, go_backwards=True)),
        ValueError,
        "should have different `go_backwards` value",
    ),
    "both ways forwards": (
        lambda: layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(2)),
        ValueError,
        "should have different `go_backwards` value",
    ),
    **{
        f"both ways {key}": (
            lambda key=key: layers.Bidirectional(
                layers.LSTM(2, **{key: True}), backward_layer=layers.LSTM(2, go_backwards=True)
            ),
            ValueError,
            f'attribute "{key}", got "True" for forward layer and "False" for backward layer',
        )
        for key in ("stateful", "return_sequences", "return_state")
    },
    "TimeDistributed of no layer": (lambda: layers.TimeDistributed(3), ValueError, "`TimeDistributed` layer with a"),
    **{
        f"Dense({units!r})": (
            lambda units=units: layers.Dense(units),
            ValueError,
            "invalid value for `units`, expected a positive integer. Received: units=",
        )
        for units in (0, -2, 2.5, None, np.int64(3))
    },
    **{
        f"Embedding({size!r}, 2)": (
            lambda size=size: layers.Embedding(size, 2),
            ValueError,
            f"`input_dim` must be a positive integer. Received: input_dim={size!r}",
        )
        for size in (0, -1, 2.5, True)
    },
    "Embedding(5, 0)": (lambda: layers.Embedding(5, 0), ValueError, "`output_dim` must be a positive integer"),
    "Dropout(1.5)": (
        lambda: layers.Dropout(1.5),
        ValueError,
        "argument `rate`. Expected a float value between 0 and 1. Received: rate=1.5",
    ),
    "Input()": (Input, ValueError, "You must pass a `shape` argument"),
    "Input of two shapes": (
        lambda: Input((3,), batch_shape=(2, 3)),
        ValueError,
        "cannot pass both `shape` and `batch_shape` at the same time",
    ),
    "two layers of one name": (
        lambda: Sequential([layers.Dense(2, name="a"), layers.Dense(3, name="a")]),
        ValueError,
        f"should have unique names. Name 'a' {ALREADY}",
    ),
    "Sequential of no layer": (lambda: Sequential([3]), ValueError, "Only instances of `keras.Layer` can be added"),
    "dtype": (lambda: layers.LSTM(4, dtype="int8"), ValueError, "one of float32, float64. Received: dtype='int8'"),
}


@rows(CONSTRUCTORS)
def test_constructors(act: Any, error: Any, words: str) -> None:
    check(act, error, words)


def test_rates_outside_0_to_1_are_clamped() -> None:
    assert layers.LSTM(4, dropout=1.5).dropout == 1.0
    assert layers.GRU(4, recurrent_dropout=-0.5).recurrent_dropout == 0.0


def test_use_cudnn_is_accepted_and_changes_nothing() -> None:
    a, b = layers.GRU(4), layers.GRU(4, use_cudnn=True, reset_after=True)
    a.build(X.shape)
    b.build(X.shape)
    b.set_weights(a.get_weights())
    np.testing.assert_array_equal(a(X), b(X))


FILES: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "no file": (lambda p: numba_rnn.load_model(p / "no.keras"), ValueError, "(?i)file not found.*no.keras"),
    "no zip": (lambda p: numba_rnn.load_model(written(p / "a.keras")), ValueError, "a.keras"),
    "extension": (lambda p: numba_rnn.load_model(written(p / "a.txt")), ValueError, "a.txt.* Expected: a zip archive"),
    "no h5": (lambda p: numba_rnn.load_model(p / "no.h5"), FileNotFoundError, "no.h5"),
    "unbuilt": (
        lambda p: Sequential([layers.GRU(2)]).load_weights(saved(p)),
        ValueError,
        "(?i)has not yet been built|has no weights yet",
    ),
    "weights of another shape": (
        lambda p: Sequential([Input((T, D)), layers.GRU(3)]).load_weights(saved(p)),
        ValueError,
        r"(?s)\(3, 9\).*\(3, 6\)|\(3, 6\).*\(3, 9\)",
    ),
    "weights' name": (
        lambda p: Sequential([Input((T, D)), layers.GRU(2)]).save_weights(p / "x.h5"),
        ValueError,
        r"The filename must end in `.weights.h5`. Received: filepath=.*x.h5",
    ),
}


def written(path: Path) -> Path:
    path.write_bytes(b"no model")
    return path


def saved(folder: Path) -> Path:
    path = folder / "it.weights.h5"
    Sequential([Input((T, D)), layers.GRU(2)]).save_weights(path)
    return path


@rows(FILES)  # type: ignore[arg-type]
def test_files(act: Any, error: Any, words: str, tmp_path: Path) -> None:
    check(lambda: act(tmp_path), error, words)


def test_masks_destroyed_are_said_once() -> None:
    layer = layers.Flatten(name="flat")
    with pytest.warns(UserWarning, match=r"Layer 'flat' \(of type Flatten\) was passed an input with a mask attached"):
        layer(layers.masks.set_mask(X, MASK))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(layers.masks.set_mask(X, MASK))
