"""What layers say they take, as objects and as refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import InputSpec, Model, layers
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.input_spec import check_spec

X = np.ones((2, 5, 3), "float32")


class Own(layers.Layer):
    """Does nothing, but says what it takes."""

    def __init__(self, spec: Any) -> None:
        super().__init__(name="own")
        self.input_spec = spec

    def call(self, inputs: Any) -> Any:
        return inputs


def test_is_what_it_was_made_of() -> None:
    spec = InputSpec(shape=(None, 3), dtype="float32", axes={"-1": 3})
    assert spec.ndim == 2
    assert spec.axes == {-1: 3}
    assert repr(spec) == "InputSpec(dtype=float32, shape=(None, 3), ndim=2, axes={-1: 3})"
    assert (
        repr(InputSpec.from_config({**InputSpec(ndim=3).get_config(), "min_ndim": 2}))
        == "InputSpec(ndim=3, min_ndim=2)"
    )
    assert InputSpec(ndim=3).is_about_rank
    assert not spec.is_about_rank


def test_refuses_axes() -> None:
    with pytest.raises(TypeError, match="must be a dict with integer keys"):
        InputSpec(axes={"last": 3})
    with pytest.raises(ValueError, match="Axis 3 is greater than the maximum allowed value: 2"):
        InputSpec(ndim=3, axes={3: 1})


FITS = {
    "rank": (InputSpec(ndim=3), X),
    "any": (InputSpec(max_ndim=4, min_ndim=1), X),
    "list of one": ([InputSpec(ndim=3)], X),
    "shape": (InputSpec(shape=(None, 5, 3)), X),
    "axis": (InputSpec(axes={-1: 3, 1: 5, 0: None}), X),
    "dtype": (InputSpec(dtype="float32"), X),
    "squeezed": (InputSpec(shape=(None, 5, 3, 1), allow_last_axis_squeeze=True), X),
    "two": ([InputSpec(ndim=3), InputSpec(ndim=2)], [X, X[0]]),
    "named": ([InputSpec(ndim=2, name="b"), InputSpec(ndim=3, name="a")], {"a": X, "b": X[0]}),
    "optional": ([InputSpec(ndim=3), InputSpec(ndim=3, optional=True), None], [X, None, 3]),
}


@pytest.mark.parametrize("kind", FITS)
def test_fits(kind: str) -> None:
    spec, inputs = FITS[kind]
    check_spec(spec, inputs, "own")


REFUSED = {
    "rank": (InputSpec(ndim=2), X, ShapeError, r"expected ndim=2, found ndim=3\. Full shape received: \(2, 5, 3\)"),
    "too many": (InputSpec(max_ndim=2), X, ShapeError, "expected max_ndim=2, found ndim=3"),
    "too few": (InputSpec(min_ndim=4), X, ShapeError, "expected min_ndim=4, found ndim=3"),
    "dtype": (InputSpec(dtype="int32"), X, DTypeError, "expected dtype=int32, found dtype=float32"),
    "shape": (InputSpec(shape=(None, 4, 3)), X, ShapeError, r"expected shape=\(None, 4, 3\), found shape=\(2, 5, 3\)"),
    "axis": (
        InputSpec(axes={-1: 4}), X, ShapeError,
        r"expected axis -1 of input shape to have value 4, but received input with shape \(2, 5, 3\)\. Expected: 4\. Received: 3",
    ),
    "no such axis": (InputSpec(axes={3: 4}), X, ShapeError, "axis 3 .* Received: no such axis"),
    "number": ([InputSpec(ndim=3)] * 2, X, ValueError, r'Layer "own" expects 2 input\(s\), but it received 1 input tensors'),
    "second": ([InputSpec(ndim=3)] * 2, [X, X[0]], ShapeError, "Input 1 with name 'None' of layer 'own' is incompatible"),
    "key": ([InputSpec(name="a")], {"b": X}, ValueError, 'Missing data for input "a"'),
    "none": (InputSpec(ndim=3), None, ValueError, "Inputs to a layer should be tensors. Got 'None'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str) -> None:
    spec, inputs, error, text = REFUSED[kind]
    with pytest.raises(error, match=text):
        check_spec(spec, inputs, "own")


@pytest.mark.parametrize("spec", [InputSpec(shape=(None, 5, 3)), [InputSpec(axes={1: 5})], InputSpec(ndim=3)])
def test_the_short_way_of_a_call_checks_too(spec: Any) -> None:
    own = Own(spec)
    for _ in range(3):
        own(X)
    with pytest.raises(ShapeError):
        own(X[:, :4] if not isinstance(spec, InputSpec) or spec.shape else X[0])
    own.input_spec = InputSpec(shape=(2, None, None))
    own(X)
    with pytest.raises(ShapeError, match="expected shape"):
        own(X[:1])


def test_a_layer_of_the_library_obeys_what_it_is_told() -> None:
    lstm = layers.LSTM(2)
    lstm(X), lstm(X)
    lstm.input_spec = InputSpec(shape=(None, 4, 3))
    with pytest.raises(ShapeError, match=r"expected shape=\(None, 4, 3\)"):
        lstm(X)


def test_a_model_says_what_it_takes() -> None:
    a, b = layers.Input((None, 4), name="a"), layers.Input((3,), name="b")
    spec = Model([a, b], layers.Add()([layers.GRU(3)(a), b])).input_spec
    assert [(s.name, s.shape, s.allow_last_axis_squeeze) for s in spec] == [
        ("a", (None, None, 4), True),
        ("b", (None, 3), True),
    ]
