from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest

from numba_rnn import Model, initializers, ops, saving
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers import Input, Layer
from numba_rnn.layers.weight import Derived, Variable, Weight, name_scope

A = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -4.0]], np.float32)
X = np.array([[1.0, -2.0], [0.5, 4.0], [2.0, -1.0]], np.float32)

# Each runs on a Keras variable, on ours, and on the plain array.
USES: dict[str, Any] = {
    "x @ w": lambda w: X @ w,
    "w @ x": lambda w: w @ X,
    "w + 1": lambda w: w + 1,
    "1 - w": lambda w: 1 - w,
    "w * 0.5": lambda w: w * 0.5,
    "2 / w": lambda w: 2 / w,
    "w // 2": lambda w: w // 2,
    "w % 2": lambda w: w % 2,
    "w ** 2": lambda w: w**2,
    "-w": lambda w: -w,
    "abs": abs,
    "round": lambda w: np.round(w) if isinstance(w, np.ndarray) else round(w),
    "w == w": lambda w: w == A,
    "w != 0.5": lambda w: w != 0.5,
    "w < 0": lambda w: w < 0,
    "0 < w": lambda w: w > 0,
    "w >= 2": lambda w: w >= 2,
    "w <= 2": lambda w: w <= 2,
    "w[0]": lambda w: w[0],
    "w[:, 1:]": lambda w: w[:, 1:],
    "asarray": np.asarray,
    "numpy": lambda w: w if isinstance(w, np.ndarray) else w.numpy(),
    "np.tanh": np.tanh,
    "np.matmul": lambda w: np.matmul(X, w),
    "np.sum": lambda w: np.sum(w, 0),
    "np.maximum": lambda w: np.maximum(w, 1),
    "np.concatenate": lambda w: np.concatenate([w, A]),
    "array + w": lambda w: A + w,
    "array * w": lambda w: A * w,
}


@pytest.mark.parametrize("use", USES)
def test_works_as_an_array(use: str) -> None:
    w = Variable(A)
    got, want = USES[use](w), USES[use](A)
    assert isinstance(got, np.ndarray)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("use", [u for u in USES if not u.startswith(("np.", "array", "asarray", "x @"))])
def test_works_like_keras(keras: Any, use: str) -> None:
    got, want = USES[use](Variable(A)), np.asarray(USES[use](keras.Variable(A)))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_works_in_every_operation() -> None:
    w = Variable(A)
    np.testing.assert_array_equal(ops.concatenate([w, w]), np.concatenate([A, A]))
    np.testing.assert_array_equal(ops.where(w > 0, w, 0.0), np.where(A > 0, A, 0))
    np.testing.assert_allclose(ops.matmul(X, w), X @ A, rtol=1e-6)
    np.testing.assert_allclose(ops.einsum("ij,jk->ik", X, w), X @ A, rtol=1e-6)
    np.testing.assert_array_equal(ops.convert_to_numpy(w), A)
    assert ops.shape(w) == (2, 3)
    assert [row.tolist() for row in w] == A.tolist()
    assert len(w) == 2


def test_in_graphs_of_symbolic_tensors() -> None:
    t, w = Input((2,)), Variable(A)
    assert (t @ w).shape == ops.matmul(t, w).shape == (None, 3)
    model = Model(t, t @ w + 1)
    np.testing.assert_allclose(model(X), X @ A + 1, rtol=1e-6)
    w.assign(A * 2)
    np.testing.assert_allclose(model(X), X @ A * 2 + 1, rtol=1e-6)
    written = json.loads(json.dumps(saving.serialize_keras_object(model)))  # with the numbers that it has now
    np.testing.assert_allclose(saving.deserialize_keras_object(written)(X), X @ A * 2 + 1, rtol=1e-6)


class Scaled(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.factor = Variable(A, name="factor")
        self.shift = Variable(A[0] * 2, trainable=False, name="shift")
        self.same = self.factor

    def build(self, input_shape: Any) -> None:
        self.rate = self.add_weight(name="rate")
        self.count = self.add_weight((2,), dtype="int32", name="count")

    def call(self, x: Any) -> Any:
        return x @ self.factor * self.rate + self.shift


def test_variables_of_a_layer_are_its_weights() -> None:
    layer = Scaled()
    want = layer(X)
    assert [w.name for w in layer.weights] == ["factor", "shift", "rate", "count"]
    assert [w.name for w in layer.non_trainable_weights] == ["shift"]
    np.testing.assert_allclose(want, X @ A * layer.rate.numpy() + A[0] * 2, rtol=1e-6)
    assert (layer.rate.shape, layer.count.dtype, layer.count.numpy().tolist()) == ((), "int32", [0, 0])
    other = Scaled()
    other(X)
    other.set_weights([2 * w for w in layer.get_weights()])
    np.testing.assert_allclose(other.factor.value, 2 * A)


def test_has_the_values_of_its_own() -> None:
    w = Variable(A)
    assert w.assign(A + 1) is w.value
    np.testing.assert_array_equal(w.assign_add(np.ones((2, 3))), A + 2)
    np.testing.assert_array_equal(w.assign_sub(2), A)
    assert w.version == 3
    w.numpy()[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        w.value[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        w[0][:] = 0
    with pytest.raises(TypeError, match="NumPy cannot write into variable"):
        np.add(A, 1, out=w)
    np.testing.assert_array_equal(w, A)
    assert (w.shape, w.ndim, w.dtype, w.trainable) == ((2, 3), 2, "float32", True)
    assert repr(w).startswith(f"<Variable path={w.name}, shape=(2, 3), dtype=float32, value=[[")


def test_is_itself_whatever_it_holds() -> None:
    a, b = Variable(A), Variable(A)
    assert {a: 1, b: 2}[a] == 1
    assert len({a, b}) == 2
    assert (a == b).all()
    with pytest.raises(TypeError, match="cannot be used as a condition"):
        bool(a)
    assert float(Variable(2.5)) == 2.5
    assert int(Variable(3)) == 3
    with pytest.raises(TypeError, match="Only scalar arrays"):
        float(a)


def test_made_from_anything() -> None:
    assert Variable([1.0, 2.0]).dtype == "float32"
    assert Variable(np.arange(3)).dtype == "int64"
    assert Variable(np.arange(3), dtype="float64").dtype == "float64"
    assert Variable("ones", shape=(2,)).value.tolist() == [1, 1]
    v = Variable(lambda shape, dtype: np.full(shape, 3, dtype), (2, 2), "float64", trainable=False, name="v")
    assert (v.value.tolist(), v.dtype, v.trainable, v.name, v.path) == ([[3, 3], [3, 3]], "float64", False, "v", "v")
    with name_scope("cell"):
        assert Variable(initializers.Zeros(), (2,), name="v").path == "cell/v"
    source = A.copy()
    w = Variable(source)
    source[:] = 0
    np.testing.assert_array_equal(w, A)


def test_weights_are_variables_made_when_asked_for() -> None:
    calls = []

    def make(shape: Any, dtype: Any) -> Any:
        calls.append(shape)
        return np.ones(shape, dtype)

    w = Weight("kernel", (2, 3), "float32", make)
    assert isinstance(w, Variable)
    assert not calls
    assert repr(w) == "<Variable path=kernel, shape=(2, 3), dtype=float32>"
    np.testing.assert_array_equal(w + w, np.full((2, 3), 2))
    assert calls == [(2, 3)]
    twice = Derived(lambda a: a * 2, w)
    assert twice() is twice()
    w.assign(A)
    np.testing.assert_array_equal(twice(), A * 2)


def test_what_is_derived_may_have_options() -> None:
    w = Variable(A)
    scaled = Derived(lambda a, by: a * by, w, by=2)
    other = scaled.remade(by=3)
    w.assign(A + 1)
    np.testing.assert_array_equal(scaled(), (A + 1) * 2)
    np.testing.assert_array_equal(other(), (A + 1) * 3)
    with pytest.raises(TypeError, match="by"):
        scaled.remade()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Variable(A).assign(A[0]), ShapeError, "`variable.assign(value)` must match. variable.shape=(2, 3)"),
        (lambda: Variable(A).assign("x"), DTypeError, "real numbers"),
        (lambda: Variable("ones"), ValueError, "the `shape` argument should be specified"),
        (lambda: Variable(A, name="a/b"), ValueError, "cannot contain character `/`"),
        (lambda: Variable(lambda *_: A, (2,)), ShapeError, "made the wrong shape"),
        (lambda: Variable(A, dtype="float31"), DTypeError, "Invalid dtype: float31"),
    ],
)
def test_refuses(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


def test_a_scope_is_one_thread_s_own() -> None:
    made: list[Variable] = []
    with name_scope("here"):
        other = threading.Thread(target=lambda: made.append(Variable(np.zeros(2), name="w")))
        other.start()
        other.join()
        assert Variable(np.zeros(2), name="v").path == "here/v"
    assert made[0].path == "w"
