"""Arrays of other libraries on the GPU: in and out without a copy, on the caller's stream, in the order of events."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from numba_rnn import config, dispatch, functional
from numba_rnn.cells import GRU, LSTM
from numba_rnn.errors import DeviceError, DTypeError, ShapeError
from numba_rnn.functional import ScanOptions
from numba_rnn.kernels.cuda import dlpack
from numba_rnn.kernels.cuda.arrays import LEGACY
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.place import Place
from numba_rnn.kernels.cuda.strided import on_gpu

from .foreign import STREAMS, CupyArray, JaxArray, Lent, TorchTensor, host, install
from .simulator.driver import DeviceArray, SimulatedDriver

KINDS: list[type] = [TorchTensor, CupyArray, JaxArray, DeviceArray]
B, T, D, H = 3, 4, 5, 6
ALL = ScanOptions(return_sequences=True)


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch, cuda: CUDA) -> None:
    install(monkeypatch)


def made(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape).astype(np.float32)


def cell_of(rng: np.random.Generator, spec: Any = LSTM) -> functional.Cell:
    G = len(spec.gates)
    return functional.prepare(spec, made(rng, D, G * H), made(rng, H, G * H), made(rng, G * H))


def on_host(cell: functional.Cell, *arguments: Any) -> tuple[Any, Any]:
    with config.device("reference"):
        return functional.scan(cell, *arguments)


def near(found: Any, wanted: Any) -> None:
    assert host(found).dtype == wanted.dtype
    np.testing.assert_allclose(host(found), wanted, 0, 2e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [ScanOptions(), ALL, ScanOptions(go_backwards=True, return_sequences=True)])
def test_scan_stays_there(
    rng: np.random.Generator, cuda: CUDA, driver: SimulatedDriver, kind: type, options: ScanOptions
) -> None:
    cell, x, mask = cell_of(rng), made(rng, B, T, D), rng.random((B, T)) > 0.3
    states = made(rng, B, H), made(rng, B, H)
    wanted = on_host(cell, x, mask, states, options)
    functional.scan(cell, kind(x))
    before = driver.uploads, driver.downloads
    y, last = functional.scan(cell, kind(x), kind(mask), [kind(s) for s in states], options)
    assert (driver.uploads, driver.downloads) == before
    assert type(y) is type(last) is kind
    near(y, wanted[0])
    near(last, wanted[1])


def test_masks_and_states_may_be_on_the_host(rng: np.random.Generator) -> None:
    cell, x, mask, states = cell_of(rng), made(rng, B, T, D), rng.random((B, T, 1)) > 0.5, made(rng, 2, B, H)
    wanted = on_host(cell, x, mask, states)
    for given in (states, list(states.astype(np.float64)), TorchTensor(states)):
        near(functional.scan(cell, TorchTensor(x), mask.astype(int), given)[0], wanted[0])
    near(functional.scan(cell_of(np.random.default_rng(5), GRU), TorchTensor(x), None, TorchTensor(states[0]))[1], on_host(
        cell_of(np.random.default_rng(5), GRU), x, None, states[0])[1])  # fmt: skip


def test_both_ways(rng: np.random.Generator) -> None:
    pair = functional.both_ways(cell_of(rng), cell_of(rng))
    x, states = made(rng, B, T, D), made(rng, 4, B, H)
    wanted = on_host(pair, x, None, states, ALL)
    y, last = functional.scan(pair, CupyArray(x), None, CupyArray(states), ALL)
    near(y, wanted[0])
    near(last, wanted[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2], lambda a: np.repeat(a, 2, 2)[..., ::2],
        lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1], lambda a: np.broadcast_to(a[:1], a.shape),
    ],
)  # fmt: skip
def test_views(rng: np.random.Generator, kind: type, view: Any) -> None:
    if kind is JaxArray:
        pytest.skip("JAX has no views")
    cell, x = cell_of(rng), view(made(rng, B, T, D))
    near(functional.scan(cell, kind(x), None, None, ALL)[0], on_host(cell, np.ascontiguousarray(x), None, None, ALL)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_products(rng: np.random.Generator, kind: type) -> None:
    linear, x = functional.Linear(made(rng, D, H), made(rng, H)), made(rng, 2, B, D)
    with config.device("reference"):
        wanted = linear(x)
    y = linear(kind(x))
    assert type(y) is kind
    near(y, wanted)
    with pytest.raises(ShapeError, match=r"Expected: \(\.\.\., 5\)"):
        linear(kind(x[..., :4].copy()))


def test_no_rows(rng: np.random.Generator) -> None:
    y, last = functional.scan(cell_of(rng), TorchTensor(made(rng, 0, T, D)), None, None, ALL)
    assert (y.shape, last.shape) == ((0, T, H), (2, 0, H))
    assert functional.Linear(made(rng, D, H))(CupyArray(made(rng, 0, D))).shape == (0, H)


# Streams


@pytest.mark.parametrize(
    ("kind", "stream"), [(TorchTensor, STREAMS["torch"]), (CupyArray, STREAMS["cupy"]), (DeviceArray, LEGACY)]
)
def test_the_callers_stream_is_used(
    rng: np.random.Generator, cuda: CUDA, driver: SimulatedDriver, kind: type, stream: int
) -> None:
    cell, x = cell_of(rng), kind(made(rng, B, T, D))
    functional.scan(cell, x)
    assert {launch.stream for launch in driver.launches} == {stream}
    assert driver.orders == [(cuda.stream, stream)], "the weights come from another stream"
    functional.scan(cell, x)
    assert len(driver.orders) == 1, "it has waited for them"
    functional.scan(cell_of(rng), x)
    assert len(driver.orders) == 2
    with config.device("cuda"):
        functional.scan(cell, np.zeros((B, T, D), np.float32))
    assert len(driver.orders) == 2, "arrays of the host go where the weights came from"


def test_a_result_is_told_its_stream(rng: np.random.Generator) -> None:
    x = DeviceArray(made(rng, B, T, D))
    y, _ = functional.scan(cell_of(rng), x)
    assert type(y) is DeviceArray
    place = Place(CUDA(SimulatedDriver()), TorchTensor(made(rng, 1)))
    assert int(place.stream) == STREAMS["torch"]


def test_jax_is_ordered_by_dlpack(rng: np.random.Generator, cuda: CUDA, driver: SimulatedDriver) -> None:
    x = JaxArray(made(rng, B, T, D))
    functional.scan(cell_of(rng), x)
    assert x.asked == [cuda.stream], "the array is ready before our stream reads it"
    assert {launch.stream for launch in driver.launches} == {cuda.stream}
    assert driver.orders == [(cuda.stream, STREAMS["jax"])] * 2, "JAX reads results when they are ready"


def test_arrays_of_another_stream_are_waited_for(rng: np.random.Generator, driver: SimulatedDriver, cuda: CUDA) -> None:
    cell, x, mask = cell_of(rng), made(rng, B, T, D), np.ones((B, T), np.bool_)
    functional.scan(cell, TorchTensor(x), CupyArray(mask))
    assert driver.orders == [(STREAMS["cupy"], STREAMS["torch"]), (cuda.stream, STREAMS["torch"])]
    lent = Lent(mask)
    functional.scan(cell, TorchTensor(x), lent)
    assert lent.asked == [STREAMS["torch"]]
    assert len(driver.orders) == 2


# Memory


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_the_callers_alone(rng: np.random.Generator, kind: type) -> None:
    cell, x = cell_of(rng), made(rng, B, T, D)
    y, last = functional.scan(cell, kind(x), None, None, ALL)
    copies = host(y).copy(), host(last).copy()
    for _ in range(5):
        functional.scan(cell, kind(-x), None, None, ALL)
    np.testing.assert_array_equal(host(y), copies[0])
    np.testing.assert_array_equal(host(last), copies[1])


@pytest.mark.parametrize("kind", KINDS)
def test_workspaces_are_used_again(
    rng: np.random.Generator, driver: SimulatedDriver, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    monkeypatch.setattr(SimulatedDriver, "launch", lambda *_: None)
    cell, x, mask = cell_of(rng), kind(made(rng, B, T, D)), np.ones((B, T), np.bool_)
    results = 0 if kind in (TorchTensor, CupyArray) else 2
    for calls in (2, 10):
        before = driver.allocations
        for _ in range(calls):
            functional.scan(cell, x, mask)
    assert driver.allocations - before == 10 * results, "nothing but the results"


def test_memory_is_let_go_at_once(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a call is left for the garbage collector, which knows nothing of a GPU's memory."""
    cell = cell_of(rng)
    functional.scan(cell, JaxArray(made(rng, B, T, D)))
    monkeypatch.setattr(SimulatedDriver, "launch", lambda *_: None)  # threads in Python keep what they saw
    gc.collect()
    gc.disable()
    try:
        before = len(dlpack._kept)
        for _ in range(3):
            results = functional.scan(cell, JaxArray(made(rng, B, T, D)))
        assert len(dlpack._kept) == before + 2, "the last results"
        del results
        assert len(dlpack._kept) == before
    finally:
        gc.enable()


def test_an_array_may_come_back_while_the_pool_is_used(driver: SimulatedDriver, cuda: CUDA) -> None:
    """The garbage collector runs where it likes, in the pool's own code too."""
    pool = cuda.pool(5)
    with pool._lock:
        pool.give(driver.empty((3,), np.float32))
    assert pool.take((3,), np.float32).shape == (3,)


# Refusals


def test_what_is_on_a_gpu() -> None:
    yes = [
        TorchTensor(np.zeros(2), requires_grad=True),
        CupyArray(np.zeros(2)),
        JaxArray(np.zeros(2)),
        DeviceArray(np.zeros(2)),
    ]
    assert all(map(on_gpu, yes))
    assert not any(map(on_gpu, (np.zeros(2), np.float32(1), [1.0], None, "x", {}, np.ma.zeros(2))))


def test_another_dtype_is_refused(rng: np.random.Generator) -> None:
    cell, x, states = cell_of(rng), made(rng, B, T, D), made(rng, 2, B, H)
    with pytest.raises(DTypeError, match=r"`x` on the GPU has the wrong dtype. Expected: float32. Received: float64"):
        functional.scan(cell, TorchTensor(x.astype(np.float64)))
    with pytest.raises(DTypeError, match="`initial_state h` on the GPU"):
        functional.scan(cell, TorchTensor(x), None, [TorchTensor(s.astype(np.float64)) for s in states])
    with pytest.raises(DTypeError, match="elements of type '<c8' in a TorchTensor"):
        functional.scan(cell, TorchTensor(x.astype(np.complex64)))


def test_wrong_shapes_are_refused(rng: np.random.Generator) -> None:
    cell, x = cell_of(rng), made(rng, B, T, D)
    with pytest.raises(ShapeError, match=r"`x` has the wrong shape. Expected: \(B, T, 5\)"):
        functional.scan(cell, TorchTensor(x[0]))
    with pytest.raises(ShapeError, match="no time steps"):
        functional.scan(cell, TorchTensor(x[:, :0].copy()))
    with pytest.raises(ShapeError, match="`mask` has the wrong shape"):
        functional.scan(cell, TorchTensor(x), TorchTensor(np.ones((T, B))))
    with pytest.raises(ShapeError, match=r"2 arrays \(h, c\), each \(3, 6\). Received: 1"):
        functional.scan(cell, TorchTensor(x), None, TorchTensor(made(rng, 1, B, H)))
    with pytest.raises(ShapeError, match="`initial_state c` has the wrong shape"):
        functional.scan(cell, TorchTensor(x), None, [made(rng, B, H), TorchTensor(made(rng, B, H - 1))])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_another_device_is_refused(rng: np.random.Generator, device: str) -> None:
    with (
        config.device(device),
        pytest.raises(DeviceError, match=rf"device '{device}' was asked for. Copy it to the host first"),
    ):
        functional.scan(cell_of(rng), TorchTensor(made(rng, B, T, D)))


def test_a_gpu_that_cannot_be_used_is_refused(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise DeviceError(f"Device {name!r} cannot be used: it is not there.")

    monkeypatch.setattr(dispatch, "get", missing)
    with pytest.raises(
        DeviceError, match=r"The data lies on a GPU. Device 'cuda' cannot be used: it is not there. Copy it"
    ):
        functional.scan(cell_of(rng), TorchTensor(made(rng, B, T, D)))


def test_gradients_are_refused(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    cell, x = cell_of(rng), TorchTensor(made(rng, B, T, D), requires_grad=True)
    with pytest.raises(ValueError, match=r"No gradients are computed here.*x.detach\(\)"):
        functional.scan(cell, x)
    monkeypatch.setattr(sys.modules["torch"], "is_grad_enabled", lambda: False)
    near(functional.scan(cell, x)[0], on_host(cell, host(x))[0])


def test_another_gpu_is_refused(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TorchTensor, "__dlpack_device__", lambda self: (2, 1))
    with pytest.raises(DeviceError, match="The array lies on GPU 1, and GPU 0 is the current one"):
        functional.scan(cell_of(rng), TorchTensor(made(rng, B, T, D)))


def test_cells_of_python_functions_are_refused(rng: np.random.Generator) -> None:
    cell = functional.prepare(LSTM, made(rng, D, 4 * H), made(rng, H, 4 * H), activation=lambda x: x)
    with pytest.raises(DeviceError, match="Device 'cuda' cannot run lstm: an activation is a Python function"):
        functional.scan(cell, TorchTensor(made(rng, B, T, D)))
