"""The object that `load_onnx` returns: how it is called, what it refuses, that threads may share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numba_rnn
from numba_rnn.errors import DTypeError, ModelFileError, ShapeError
from numba_rnn.loaders.onnx import load_onnx

GOLDEN = Path(__file__).parents[2] / "golden" / "onnx"
X, Y = np.array([[1.0, -2.0]], np.float32), np.array([[10.0], [20.0]], np.float32)


@pytest.fixture
def model(make: Any, load: Any) -> Any:
    """sum = x + y, difference = x - y."""
    nodes = [("Add", ["x", "y"], ["sum"], {}), ("Sub", ["x", "y"], ["difference"], {})]
    return load(make(nodes, {"x": ["n", 2], "y": [2, "n"]}, ["sum", "difference"]))


def test_by_place_by_name_and_by_both(model: Any) -> None:
    expected = X + Y, X - Y
    for results in (model(X, Y), model(X, y=Y), model(y=Y, x=X), tuple(model.run({"y": Y, "x": X}).values())):
        for y, wanted in zip(results, expected, strict=True):
            np.testing.assert_array_equal(y, wanted)
    assert list(model.run({"y": Y, "x": X})) == ["sum", "difference"]


def test_what_it_says_of_itself(model: Any) -> None:
    assert [(v.name, v.dtype, v.shape) for v in model.inputs] == [
        ("x", np.float32, ("n", 2)),
        ("y", np.float32, (2, "n")),
    ]
    assert (
        repr(model) == "<OnnxModel (x (n, 2) float32, y (2, n) float32) -> (sum any shape ?, difference any shape ?)>"
    )


def test_wrong_inputs(model: Any) -> None:
    for call in (lambda: model(X), lambda: model(X, Y, Y), lambda: model(X, x=X), lambda: model.run({"x": X, "z": Y})):
        with pytest.raises(TypeError, match=r"Expected: x, y|takes x, y"):
            call()
    with pytest.raises(ShapeError, match=r"Input x \(n, 2\) float32 has the wrong shape.*Received: \(1, 3\)"):
        model(np.zeros((1, 3), np.float32), Y)
    with pytest.raises(ShapeError, match=r"Expected: \(2, 1\). Received: \(2, 2\)"):
        model(X, np.zeros((2, 2), np.float32))
    with pytest.raises(DTypeError, match=r"Expected: float32\. Received: complex"):
        model(X * 1j, Y)
    np.testing.assert_array_equal(model(X.astype(int), Y.astype(float))[0], X + Y)


def test_what_fits_no_node_is_named(make: Any, load: Any) -> None:
    model = load(make([("Concat", ["x", "y"], ["z"], {"axis": 0})], {"x": ["a", "b"], "y": ["c", "d"]}, ["z"]))
    with pytest.raises(
        ValueError, match=r"node 'my_Concat' \(Concat\) cannot take inputs float32\(1, 2\), float32\(2, 1\)"
    ):
        model(X, Y)


def test_results_are_the_callers_own(make: Any, load: Any) -> None:
    w = np.array([1.0, 2.0], np.float32)
    nodes = [
        ("Identity", ["x"], ["same"], {}),
        ("Transpose", ["x"], ["turned"], {}),
        ("Identity", ["w"], ["stored"], {}),
    ]
    model = load(make(nodes, {"x": [1, 2]}, ["same", "turned", "stored"], {"w": w}))
    x = X.copy()
    for y in model(x):
        y[:] = 99
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(model(x)[2], w)


def test_what_is_left_out_stays_out(make: Any, load: Any) -> None:
    """A name that is empty is no value, whatever a node before it leaves out."""
    nodes = [("Split", ["x", "two"], ["", "a"], {"axis": 0}), ("Split", ["w", "two"], ["", "b"], {"axis": 0})]
    nodes += [("Add", ["a", "b"], ["c"], {}), ("Clip", ["c", "", "high"], ["y"], {})]
    constants = {"two": np.array([1, 1]), "w": np.array([5.0, 0.5], np.float32), "high": np.array(1.0, np.float32)}
    model = load(make(nodes, {"x": [2]}, ["y"], constants))
    np.testing.assert_array_equal(model(np.array([3.0, -7.0], np.float32)), [-6.5])


def test_infinities_without_warnings(make: Any, load: Any) -> None:
    model = load(make([("Log", ["x"], ["y"], {})], {"x": [1, 2]}, ["y"]))
    np.testing.assert_array_equal(model(np.array([[0.0, -1.0]], np.float32)), [[-np.inf, np.nan]])


def test_threads_share_it(onnx: Any) -> None:
    model = load_onnx(GOLDEN / "lstm_stack.onnx")
    draw = np.random.default_rng(1)
    batches = [draw.integers(0, 9, (3, 4 + k % 3)) for k in range(24)]
    alone = [model(x)[0] for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for y, expected in zip(pool.map(lambda x: model(x)[0], batches), alone, strict=True):
            np.testing.assert_array_equal(y, expected)


def test_public_name(onnx: Any) -> None:
    assert type(numba_rnn.load_onnx(GOLDEN / "rnn_relu.onnx")).__name__ == "OnnxModel"
    with pytest.raises(ModelFileError, match="File not found") as caught:
        numba_rnn.load_onnx(GOLDEN / "missing.onnx")
    assert isinstance(caught.value, FileNotFoundError)
