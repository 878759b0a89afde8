from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops
from numba_rnn.errors import ModelFileError
from numba_rnn.layers import Input
from numba_rnn.ops.base import OPS, op_from_config
from numba_rnn.ops.symbolic import SymbolicTensor

X = np.linspace(-1.5, 2, 24, dtype=np.float32).reshape(2, 3, 4)
Y = np.linspace(2, -1, 12, dtype=np.float32).reshape(3, 4)
CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "true_divide", "divide", "floor_divide", "mod", "maximum",
        "minimum", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "logical_and", "logical_or"),
        (X, Y)),
    **dict.fromkeys(("absolute", "negative", "sign", "exp", "expm1", "square", "sin", "cos", "tanh", "logical_not",
        "relu", "relu6", "sigmoid", "silu", "softplus", "softsign", "selu", "celu", "elu", "gelu", "leaky_relu",
        "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid", "softmax", "log_softmax", "glu", "zeros_like",
        "ones_like", "transpose", "mean", "sum", "max", "min", "any", "all", "prod", "std", "var", "argmax", "argmin"),
        (X,)),
    **{name: (np.abs(X) + 1,) for name in ("sqrt", "rsqrt", "log", "log1p")},
    "power": (np.abs(X), 1.5), "where": (X > 0, X, Y), "clip": (X, -0.5, 0.5), "cast": (X, "int32"), "matmul": (X, Y.T),
    "reshape": (X, (-1, 6)), "broadcast_to": (Y, (2, 3, 4)), "swapaxes": (X, 0, 2), "moveaxis": (X, 0, -1), "squeeze": (X[:1], 0),
    "expand_dims": (X, 1), "concatenate": ([X, X], 1), "stack": ([X, X], 1), "split": (X, 2, -1), "flip": (X, 1), "roll": (X, 1, 1),
    "repeat": (X, 2, 1), "tile": (Y, (2, 1)), "take": (X, np.array([2, 0]), 1), "cumsum": (X, 1),
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("name", CALLS)
def test_like_keras(keras: Any, name: str) -> None:
    wanted = getattr(keras.ops, name)(*CALLS[name])
    got = getattr(ops, name)(*CALLS[name])
    for want, have in zip(*([w] if not isinstance(w, list) else w for w in (wanted, got)), strict=True):
        want = np.asarray(want)  # noqa: PLW2901
        assert have.dtype == want.dtype, name
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CALLS)
def test_symbolic_shapes(name: str) -> None:
    first, *rest = CALLS[name]
    tensor = [Input(batch_shape=a.shape, dtype=a.dtype) for a in first] if isinstance(first, list) else None
    spec = getattr(ops, name)(tensor or Input(batch_shape=first.shape, dtype=first.dtype), *rest)
    got = getattr(ops, name)(first, *rest)
    for s, g in zip(*([v] if not isinstance(v, list) else v for v in (spec, got)), strict=True):
        assert (s.shape, s.dtype) == (g.shape, g.dtype.name)


def test_unknown_sizes_stay_unknown() -> None:
    t = Input((None, 4))
    assert ops.reshape(t, (-1, 2)).shape == (None, 2)
    assert t[:, -1].shape == (None, 4)
    assert ops.matmul(t, ops.transpose(t, (0, 2, 1))).shape == (None, None, None)
    assert (t + np.ones((1, 1, 4), "float32")).shape == (None, None, 4)
    assert (np.ones(4, "float32") - t).shape == (None, None, 4)


def test_dtypes_are_keras() -> None:
    assert ops.add(np.arange(3, dtype=np.int32), 0.5).dtype == np.float32
    assert ops.sum(np.arange(3, dtype=np.int32)).dtype == np.int32
    assert ops.mean(np.arange(3.0)).dtype == np.float64


def test_symbolic_tensors_have_no_value() -> None:
    t = Input((3,))
    for use in (bool, len, np.asarray, list):
        with pytest.raises(TypeError):
            use(t)
    assert isinstance(t, SymbolicTensor)


def test_files_name_operations() -> None:
    made = op_from_config("Mean", {"name": "m", "axis": 1, "keepdims": True})
    assert made.get_config() == {"name": "m", "axis": 1, "keepdims": True}
    assert made(X).shape == (2, 1, 4)
    with pytest.raises(ModelFileError, match="operation 'Nope', which this library does not have"):
        op_from_config("Nope", {})
    with pytest.raises(ModelFileError, match="unknown option 'weights' = 3"):
        op_from_config("Mean", {"weights": 3})
    with pytest.raises(ModelFileError, match="lacks the option 'newshape'"):
        op_from_config("Reshape", {})
    assert {"NotEqual", "Any", "GetItem", "ReLU"} <= set(OPS)
