"""The oracle against the equations, written once more by hand."""

import numpy as np

from numba_rnn import config, functional


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def weights(rng, D, H, G, rows=1):
    b = rng.standard_normal((rows, G * H))
    return rng.standard_normal((D, G * H)), rng.standard_normal((H, G * H)), b[0] if rows == 1 else b


def test_lstm(rng):
    x, (W, U, b) = rng.standard_normal((2, 4, 3)), weights(rng, 3, 5, 4)
    h = c = np.zeros((2, 5))
    for t in range(4):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    with config.device("reference"):
        y, (h2, c2) = functional.lstm(x, W, U, b)
    np.testing.assert_allclose(y, h, atol=1e-14)
    np.testing.assert_allclose(h2, h, atol=1e-14)
    np.testing.assert_allclose(c2, c, atol=1e-14)


def test_gru_reset_after(rng):
    x, (W, U, b) = rng.standard_normal((2, 4, 3)), weights(rng, 3, 5, 3, 2)
    h = np.zeros((2, 5))
    for t in range(4):
        xz, xr, xh = np.split(x[:, t] @ W + b[0], 3, -1)
        rz, rr, rh = np.split(h @ U + b[1], 3, -1)
        z = sigmoid(xz + rz)
        h = z * h + (1 - z) * np.tanh(xh + sigmoid(xr + rr) * rh)
    with config.device("reference"):
        np.testing.assert_allclose(functional.gru(x, W, U, b)[0], h, atol=1e-14)


def test_gru_reset_before(rng):
    x, (W, U, b) = rng.standard_normal((2, 4, 3)), weights(rng, 3, 5, 3)
    h = np.zeros((2, 5))
    for t in range(4):
        xz, xr, xh = np.split(x[:, t] @ W + b, 3, -1)
        z, r = sigmoid(xz + h @ U[:, :5]), sigmoid(xr + h @ U[:, 5:10])
        h = z * h + (1 - z) * np.tanh(xh + (r * h) @ U[:, 10:])
    with config.device("reference"):
        np.testing.assert_allclose(functional.gru(x, W, U, b, reset_after=False)[0], h, atol=1e-14)


def test_simple_rnn_with_softmax_backwards(rng):
    x, (W, U, b) = rng.standard_normal((2, 4, 3)), weights(rng, 3, 5, 1)
    h, outputs = np.zeros((2, 5)), []
    for t in (3, 2, 1, 0):
        e = np.exp(x[:, t] @ W + h @ U + b)
        h = e / e.sum(-1, keepdims=True)
        outputs.append(h)
    with config.device("reference"):
        y, _ = functional.simple_rnn(x, W, U, b, activation="softmax", go_backwards=True, return_sequences=True)
    np.testing.assert_allclose(y, np.stack(outputs, 1), atol=1e-14)
