from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import ops

from .conftest import numbers

ACTIVATIONS = (
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh_shrink",
)  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(like_keras: Any, name: str) -> None:
    for dtype in ("float16", "float32", "float64"):
        like_keras(name, numbers((3, 4), dtype))


@pytest.mark.oracle
def test_activations_with_options(like_keras: Any) -> None:
    x = numbers((3, 4), "float32")
    like_keras("softmax", x, axis=0)
    like_keras("log_softmax", x, axis=0)
    like_keras("leaky_relu", x, negative_slope=0.4)
    like_keras("elu", x, alpha=0.4)
    like_keras("celu", x, alpha=0.4)
    like_keras("gelu", x, approximate=False)
    like_keras("glu", x, axis=1)
    like_keras("squareplus", x, b=2)
    like_keras("threshold", x, 0.5, -1.0)
    like_keras("relu", numbers((3, 4), "int32"))
    like_keras("relu6", numbers((3, 4), "int64"))


@pytest.mark.oracle
def test_normalizations(like_keras: Any) -> None:
    x, row, other = (numbers(s, "float32", i) for i, s in enumerate([(3, 4, 2), (2,), (2,)]))
    like_keras("layer_normalization", x)
    like_keras("layer_normalization", x, row, other, epsilon=1e-3)
    like_keras("layer_normalization", x, numbers((4, 2), "float32"), numbers((4, 2), "float32", 1), axis=(1, 2))
    like_keras("layer_normalization", x, numbers((4,), "float32"), axis=1)
    like_keras("rms_normalization", x)
    like_keras("rms_normalization", x, row, epsilon=1e-3)
    like_keras("rms_normalization", x, axis=(1, 2))
    mean, variance = numbers((4,), "float32", 1), numbers((4,), "float32", 2, positive=True)
    like_keras("batch_normalization", x, mean, variance, 1)
    like_keras("batch_normalization", x, row, abs(other) + 1, -1, offset=other, scale=row, epsilon=1e-2)


@pytest.mark.oracle
@pytest.mark.parametrize("from_logits", [False, True])
def test_cross_entropies(like_keras: Any, from_logits: bool) -> None:
    x = numbers((3, 4), "float32")
    y = x if from_logits else ops.softmax(x)
    target = np.eye(4, dtype="float32")[[2, 0, 3]]
    like_keras("binary_crossentropy", target, y, from_logits=from_logits)
    like_keras("categorical_crossentropy", target, y, from_logits=from_logits)
    like_keras("sparse_categorical_crossentropy", np.array([2, 0, 3]), y, from_logits=from_logits)
    like_keras("sparse_categorical_crossentropy", np.array([[2], [0], [3]]), y, from_logits=from_logits)


def test_by_hand() -> None:
    x = np.array([[1.0, 3.0]])
    np.testing.assert_allclose(ops.layer_normalization(x, epsilon=0), [[-1, 1]])
    np.testing.assert_allclose(ops.rms_normalization(x, epsilon=0), x / np.sqrt(5))
    np.testing.assert_allclose(ops.batch_normalization(x, [1, 1], [4, 4], -1, epsilon=0), [[0, 1]])
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy([1], np.array([[0.25, 0.75]])), [-np.log(0.75)])
    np.testing.assert_allclose(ops.binary_crossentropy([1.0], [0.5]), [np.log(2)])
    assert ops.sigmoid(0) == 0.5
    assert ops.relu(np.array([-1, 2])).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.binary_crossentropy([1.0, 0.0], [0.5]), "must have the same shape"),
        (lambda: ops.sparse_categorical_crossentropy([1, 2], np.ones((3, 4))), "up until the last dimension"),
        (lambda: ops.sparse_categorical_crossentropy([1], np.ones((1, 4)), axis=0), "Only axis=-1"),
    ],
)
def test_refuses(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
