from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops
from numba_rnn.layers import Input

X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(4, 3)
# Each runs with Keras' operations and with ours.
PROGRAMS: dict[str, Any] = {
    "scan": lambda o: o.scan(lambda c, x: (c * 0.5 + x, c), np.zeros(3, "float32"), X),
    "scan back": lambda o: o.scan(lambda c, x: (c * 0.5 + x, c + x), np.zeros(3, "float32"), X, reverse=True),
    "scan of nothing": lambda o: o.scan(lambda c, _: (c + 1, c), np.float32(0), length=3),
    "scan nested": lambda o: o.scan(
        lambda c, x: ((c[0] + x["a"], c[1] * x["b"]), [c[0], c[1]]), (X[0], X[1]), {"a": X, "b": X * 2}
    ),
    "map": lambda o: o.map(lambda x: o.sum(x) * x, X),
    "vectorized_map": lambda o: o.vectorized_map(lambda x: o.sum(x) * x, X),
    "while_loop": lambda o: o.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s * 2), (0, X)),
    "while_loop at most": lambda o: o.while_loop(lambda i: i < 9, lambda i: i + 1, 0, maximum_iterations=4),
    "fori_loop": lambda o: o.fori_loop(1, 4, lambda i, s: s + o.cast(i, "float32"), X),
    "cond": lambda o: o.cond(o.sum(X) > 0, lambda: X, lambda: -X),
    "cond not": lambda o: o.cond(o.sum(X) < 0, lambda: X, lambda: -X),
    "switch": lambda o: o.switch(1, [lambda x: x, lambda x: x * 2], X),
    "switch beyond": lambda o: o.switch(7, [lambda x: x, lambda x: x * 2], X),
}


def leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


@pytest.mark.oracle
@pytest.mark.parametrize("name", PROGRAMS)
def test_like_keras(keras: Any, name: str) -> None:
    want, got = leaves(PROGRAMS[name](keras.ops)), leaves(PROGRAMS[name](ops))
    assert len(want) == len(got)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g, np.asarray(w), rtol=1e-6, atol=1e-6)


def test_scan_by_hand() -> None:
    carry, ys = ops.scan(lambda c, x: (c + x, c), np.float32(0), np.array([1.0, 2.0, 4.0], np.float32))
    assert carry == 7
    assert ys.tolist() == [0, 1, 3]
    carry, ys = ops.scan(lambda c, x: (c + x, None), np.float32(0), np.array([1.0, 2.0]), reverse=True)
    assert (carry, ys) == (3, None)


def test_questions() -> None:
    t = Input((None, 3))
    assert ops.shape(X) == (4, 3)
    assert ops.shape(t) == (None, None, 3)
    assert ops.shape([[1, 2]]) == (1, 2)
    assert (ops.ndim(X), ops.ndim(t)) == (2, 3)
    assert (ops.size(X), ops.dtype(X), ops.dtype(t)) == (12, "float32", "float32")
    assert ops.is_tensor(X)
    assert not ops.is_tensor([1])
    mine = ops.convert_to_numpy(X)
    mine[:] = 0
    assert X.any()
    assert ops.custom_gradient(lambda x: (x * 2, lambda g: g))(3) == 6
    assert ops.stop_gradient(X) is X


def test_loops_unroll_in_graphs() -> None:
    t = Input((3,))
    assert ops.fori_loop(0, 2, lambda _, v: v * 2, t).shape == (None, 3)
    carry, ys = ops.scan(lambda c, x: (c + x, c), ops.zeros((3,)), Input(batch_shape=(4, 3)))
    assert (carry.shape, ys.shape) == ((3,), (4, 3))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ops.cond(ops.sum(Input((3,))) > 0, list, list), TypeError, "A graph has no branches"),
        (lambda: ops.scan(3, 0, X), TypeError, "`f` should be a callable"),
        (lambda: ops.scan(lambda c, x: (c, x), 0), ValueError, "Got no `xs` to scan over"),
        (lambda: ops.size(Input((3,))), TypeError, "not known before it has numbers"),
    ],
)
def test_refuses(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
