"""Where a call runs: by name, or where it is estimated to be done sooner."""

import threading

import numpy as np
import pytest

import numba_rnn
from numba_rnn import DeviceError, config, dispatch, functional, layers
from numba_rnn.cells import CELLS, LSTM
from numba_rnn.kernels.cuda import cost, launch, machine, plan
from numba_rnn.kernels.cuda.driver import Device

from ..cpu.test_scan import make_cell

H100 = Device("H100", (9, 0), 132)


def model_of(units=6):
    model = numba_rnn.Sequential([numba_rnn.Input((None, 3)), layers.LSTM(units), layers.Dense(2)])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", sorted(CELLS))
def test_supports_every_cell_with_elementwise_activations(cuda, name):
    for activation in machine.ACTIVATIONS:
        assert cuda.supports(functional.recurrence_of(CELLS[name], activation=activation)) is None
    assert "mixes the units" in cuda.supports(functional.recurrence_of(CELLS[name], activation="softmax"))
    assert "Python function" in cuda.supports(functional.recurrence_of(CELLS[name], activation=np.arctan))


def test_by_name(rng, cuda, driver, monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")
    model, x = model_of(), rng.standard_normal((2, 3, 3)).astype("float32")
    want = model.predict(x, verbose=0, device="cpu")
    assert not driver.launches
    np.testing.assert_allclose(model.predict(x, verbose=0, device="cuda"), want, rtol=0, atol=1e-6)
    assert "scan" in {launch.name for launch in driver.launches}
    model.device = "cuda"
    driver.launches.clear()
    np.testing.assert_allclose(model.predict_on_batch(x), want, rtol=0, atol=1e-6)
    assert driver.launches
    driver.launches.clear()
    model.predict(x, verbose=0, device="reference")
    assert not driver.launches


def test_a_loaded_model_runs_where_it_was_told(rng, cuda, driver, monkeypatch, tmp_path):
    monkeypatch.setattr(config.settings, "device", "cpu")
    model_of().save(tmp_path / "m.keras")
    model = numba_rnn.load_model(tmp_path / "m.keras", device="cuda")
    model.predict(rng.standard_normal((2, 3, 3)), verbose=0)
    assert driver.launches
    with pytest.raises(ValueError, match="Unknown device"):
        numba_rnn.load_model(tmp_path / "m.keras", device="gpu")


def test_what_is_missing_is_said(monkeypatch, tmp_path, rng):
    monkeypatch.setattr(dispatch, "no_gpu", lambda: "there is no NVIDIA driver (libcuda.so.1)")
    model, x = model_of(), rng.standard_normal((2, 3, 3))
    with pytest.raises(DeviceError, match=r"^Device 'cuda' cannot be used: there is no NVIDIA driver"):
        model.predict(x, verbose=0, device="cuda")
    model.save(tmp_path / "m.keras")
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        numba_rnn.load_model(tmp_path / "m.keras", device="cuda")
    assert "; not cuda: there is no NVIDIA driver" in dispatch.explain(functional.recurrence_of(LSTM))


def test_threads_use_devices_of_their_own(rng, cuda, driver, monkeypatch):
    """A `device` block in one thread says nothing to another, whichever ends first."""
    monkeypatch.setattr(config.settings, "device", "reference")
    entered, done = threading.Event(), threading.Event()

    def other():
        with config.device("cuda", "bf16"):
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    with config.device("cpu"):
        done.set()
        thread.join()
        assert (config.settings.device, config.settings.precision) == ("cpu", "fp32")
    assert config.settings.device == "reference"


def test_unknown_precision():
    with pytest.raises(ValueError, match="Unknown precision"), config.device("auto", "fp8"):
        pass


def test_auto_asks_the_estimates(rng, cuda, driver, monkeypatch):
    monkeypatch.setattr(config.settings, "device", "auto")
    cell = make_cell(rng, LSTM, 3, 6, "float32")
    backend, _ = cell.prepared()
    assert backend.name == "auto"
    x = rng.standard_normal((2, 3, 3)).astype("float32")
    y, last = functional.scan(cell, x)
    assert not driver.launches  # a call as small as this one is done before a GPU has begun
    monkeypatch.setattr(machine, "cpu_microseconds", lambda *_: 1e9)
    y2, last2 = functional.scan(cell, x)
    assert driver.launches
    np.testing.assert_allclose([y2, *last2], [y, *last], rtol=0, atol=1e-6)
    text = dispatch.explain(cell.recurrence, 64, 256)
    assert "fused lstm kernel" in text
    assert "or cuda: lstm on simulated, float32" in text
    assert "(estimated)" in text


def test_estimates_rise_with_the_work():
    def both(B, T, H, N=1):
        size = launch.Size(G=4, first=4, S=2, E=0, N=N, D=64, H=H, item=4)
        call = launch.Call(B, T, "fp32")
        gpu = cost.gpu_microseconds(size, call, plan.plan(size, call, H100), H100, True)
        return np.array([gpu, cost.cpu_microseconds(size, B, T, 2)])

    for H in (32, 128, 512, 1024, 3000):
        for B in (1, 8, 64, 1000):
            assert (both(B, 200, H) > both(B, 100, H)).all()
            assert (both(2 * B, 100, H) >= both(B, 100, H)).all()
    gpu, cpu = both(1, 1, 32)
    assert cpu < gpu
    gpu, cpu = both(64, 1000, 1024)
    assert gpu < cpu
