"""The table of activations against plain formulas."""

import math

import numpy as np
import pytest

from numba_rnn.ops import activations as a

X = [-30.0, -3.0, -1.0, -0.7, -0.3, 0.0, 0.2, 0.5, 0.9, 1.0, 2.5, 7.0, 30.0]


def softplus(v):
    return math.log1p(math.exp(-abs(v))) + max(v, 0)


FORMULAS = {
    "celu": lambda v: max(v, 0) + min(0, math.expm1(v)),
    "elu": lambda v: v if v > 0 else math.expm1(v),
    "exponential": math.exp,
    "gelu": lambda v: v * math.erfc(-v / math.sqrt(2)) / 2,
    "hard_shrink": lambda v: v if abs(v) > 0.5 else 0,
    "hard_sigmoid": lambda v: min(max(v / 6 + 0.5, 0), 1),
    "hard_silu": lambda v: v * min(max(v / 6 + 0.5, 0), 1),
    "hard_tanh": lambda v: min(max(v, -1), 1),
    "keras2_hard_sigmoid": lambda v: min(max(v / 5 + 0.5, 0), 1),
    "leaky_relu": lambda v: v if v > 0 else 0.2 * v,
    "linear": lambda v: v,
    "log_sigmoid": lambda v: -softplus(-v),
    "mish": lambda v: v * math.tanh(softplus(v)),
    "relu": lambda v: max(v, 0),
    "relu6": lambda v: min(max(v, 0), 6),
    "selu": lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * math.expm1(v)),
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "silu": lambda v: v / (1 + math.exp(-v)),
    "soft_shrink": lambda v: math.copysign(max(abs(v) - 0.5, 0), v),
    "softplus": softplus,
    "softsign": lambda v: v / (1 + abs(v)),
    "sparse_plus": lambda v: 0 if v <= -1 else (v + 1) ** 2 / 4 if v < 1 else v,
    "sparse_sigmoid": lambda v: min(max((v + 1) / 2, 0), 1),
    "squareplus": lambda v: (v + math.sqrt(v * v + 4)) / 2,
    "tanh": math.tanh,
    "tanh_shrink": lambda v: v - math.tanh(v),
}


def test_every_elementwise_activation_has_a_formula_here():
    assert sorted(FORMULAS) == sorted(a.ELEMENTWISE)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_elementwise(name):
    want = [FORMULAS[name](v) for v in X]
    np.testing.assert_allclose(a.ELEMENTWISE[name](np.array(X)), want, rtol=1e-9, atol=1e-12)
    assert a.ELEMENTWISE[name](np.array(X, "float32")).dtype == np.float32


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - {"gelu"}))
def test_nan_stays_nan(name):
    assert np.isnan(a.ELEMENTWISE[name](np.array([np.nan])))[0]


def test_options():
    x = np.array([-2.0, 0.5, 9.0])
    np.testing.assert_allclose(a.relu(x, negative_slope=0.1, max_value=6, threshold=1), [-0.3, -0.05, 6])
    np.testing.assert_allclose(a.threshold(x, 1.0, -5.0), [-5, -5, 9])
    np.testing.assert_allclose(a.elu(x, alpha=2.0)[0], 2 * math.expm1(-2))
    np.testing.assert_allclose(a.gelu(np.array([1.0]), approximate=True), [0.841192], atol=1e-6)


def test_row_wise(rng):
    x = rng.standard_normal((4, 6))
    np.testing.assert_allclose(a.softmax(x), np.exp(x) / np.exp(x).sum(-1, keepdims=True))
    np.testing.assert_allclose(a.log_softmax(x), np.log(a.softmax(x)))
    np.testing.assert_allclose(a.glu(x), x[:, :3] * a.sigmoid(x[:, 3:]))
    with pytest.raises(ValueError, match="must be even"):
        a.glu(x[:, :5])


def test_sparsemax_is_keras_own(rng):
    x = rng.standard_normal((50, 6)) * 2
    for row, y in zip(x, a.sparsemax(x), strict=True):
        z = sorted(row, reverse=True)
        support = [k for k in range(1, 7) if 1 + k * z[k - 1] > sum(z[:k])]
        tau = (sum(sum(z[:k]) for k in support) - 1) / len(support)
        np.testing.assert_allclose(y, np.maximum(row - tau, 0))


def test_lookup():
    assert a.get_activation(None) == ("linear", a.linear)
    assert a.get_activation("swish") == ("silu", a.silu)
    assert a.get_activation(a.tanh) == ("tanh", a.tanh)
    assert a.get_activation(np.sin) == (None, np.sin)
    with pytest.raises(ValueError, match="Could not interpret activation function identifier: nope"):
        a.get_activation("nope")
