"""The activations on the device against NumPy's, one number a thread."""

import numpy as np
import pytest

from numba_rnn.kernels.cuda.ops import ACTIVATIONS, build_activations
from numba_rnn.kernels.cuda.toolkit import cuda
from numba_rnn.ops.activations import ELEMENTWISE

from .simulator import run

# float32's sigmoid and tanh, and what rests on them, err by about 1e-7 of the largest number in them.
BOUND = {"float32": 5e-7, "float64": 1e-15}
ODD = np.array([0.0, -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 88.0, -88.0, 1e4, -1e4, np.inf, -np.inf, np.nan])


def apply(name, x):
    """The activation of each number of x, by a kernel of its own."""
    act = build_activations(x.dtype)[name]

    def kernel(x, y):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = act(x[i])

    y = np.zeros_like(x)
    run(kernel, -(-x.size // 32), 32, (x, y))
    return y


def test_every_activation_that_works_unit_by_unit_has_a_form():
    assert set(ELEMENTWISE) - {"glu"} == ACTIVATIONS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_against_numpy(rng, name, dtype):
    x = np.concatenate([rng.normal(0, 3, 500), np.linspace(-12, 12, 97), ODD]).astype(dtype)
    got = apply(name, x)
    assert got.dtype == x.dtype
    with np.errstate(all="ignore"):
        want = ELEMENTWISE[name](x.astype("float64"))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    kept = ~np.isnan(want)
    with np.errstate(over="ignore"):
        want = want.astype(dtype)[kept]
    np.testing.assert_allclose(got[kept], want, rtol=8 * np.finfo(dtype).eps, atol=BOUND[dtype])
