"""Which backend runs, and why."""

import numpy as np
import pytest

from numba_rnn import DeviceError, config, dispatch, functional
from numba_rnn.cells import LSTM, SIMPLE_RNN


def recurrence(**activations):
    return functional.recurrence_of(LSTM, **activations)


def test_the_kernel_runs_what_it_can():
    assert dispatch.choose(recurrence()).name == "cpu"
    assert dispatch.explain(recurrence()).startswith("cpu: fused lstm kernel, float32 x ")


def test_row_wise_activations_run_on_the_reference_and_say_why():
    soft = recurrence(activation="softmax")
    assert dispatch.choose(soft).name == "reference"
    assert "not cpu: activation 'softmax' mixes the units of a row" in dispatch.explain(soft)


def test_a_function_of_the_users_own_runs_on_the_reference(rng):
    x, w, u = (rng.standard_normal(s).astype("float32") for s in ((2, 3, 4), (4, 5), (5, 5)))
    cell = functional.prepare(SIMPLE_RNN, w, u, activation=np.arctan)
    assert dispatch.choose(cell.recurrence).name == "reference"
    h = np.zeros((2, 5))
    for t in range(3):
        h = np.arctan(x[:, t] @ w + h @ u)
    np.testing.assert_allclose(functional.scan(cell, x)[0], h, atol=1e-6)


def test_an_explicit_device_obeys_or_raises():
    with config.device("reference"):
        assert dispatch.choose(recurrence()).name == "reference"
    with config.device("cpu"), pytest.raises(DeviceError, match="Device 'cpu' cannot run lstm: activation 'softmax'"):
        dispatch.choose(recurrence(activation="softmax"))


def test_unknown_backend():
    with pytest.raises(DeviceError, match="Unknown device"):
        dispatch.get("tpu")


def test_explain_tells_how_threads_share_calls(monkeypatch):
    monkeypatch.setattr(config.settings, "threads", 1)
    assert "1 x 1: one thread, 1 x 100: one thread, 32 x 100: one thread" in dispatch.explain(recurrence(), 64, 128)
    assert "rows x steps" not in dispatch.explain(recurrence())
