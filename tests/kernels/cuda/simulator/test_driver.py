"""The simulated driver keeps its arrays to itself and counts what goes to and fro."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from numba_rnn.kernels.cuda.driver import Driver
from numba_rnn.kernels.cuda.toolkit import cuda

from . import RaceError
from .driver import SimulatedDriver


@pytest.fixture
def driver():
    return SimulatedDriver()


def add_one(x, n):
    i = cuda.grid(1)
    if i < n:
        x[i] += 1


def test_it_is_a_driver(driver):
    for name, member in inspect.getmembers(Driver, inspect.isfunction):
        if not name.startswith("_"):
            actual = list(inspect.signature(getattr(driver, name)).parameters)
            assert actual == list(inspect.signature(member).parameters)[1:], name
    assert driver.device.capability == (9, 0)
    assert driver.device.multiprocessors == 132
    other = SimulatedDriver(capability=(8, 0), multiprocessors=108).device
    assert (other.capability, other.multiprocessors) == ((8, 0), 108)


def test_launches(driver):
    stream = driver.stream()
    x = driver.upload(np.arange(40.0), stream)
    driver.launch(driver.kernel(add_one, 32), (2, 1), 32, stream, x, 35)
    driver.launch(driver.kernel(cuda.jit(add_one), 64), (1, 1), 8, stream, x, 40)
    out = driver.download(x, stream)
    assert out.tolist() == [k + (k < 35) + (k < 8) for k in range(40)]
    assert [(run.name, run.grid, run.threads, run.stream) for run in driver.launches] == [
        ("add_one", (2, 1), 32, stream),
        ("add_one", (1, 1), 8, stream),
    ]
    assert (driver.uploads, driver.downloads, driver.uploaded, driver.downloaded) == (1, 1, 320, 320)


def test_what_no_gpu_launches(driver):
    x, kernel = driver.upload(np.zeros(4), None), driver.kernel(add_one, 64)
    for grid, threads in (((1, 1), 65), ((1, 1), 0), ((0, 1), 32), ((1, 65536), 32), ((1, 0), 32)):
        with pytest.raises(ValueError, match=r"threads a block|takes a grid"):
            driver.launch(kernel, grid, threads, None, x, 4)
    with pytest.raises(TypeError, match="array on the host"):
        driver.launch(kernel, (1, 1), 32, None, np.zeros(4), 4)
    with pytest.raises(ValueError, match="empty"):
        driver.launch(kernel, (1, 1), 32, None, driver.empty((0,), "float32"), 0)
    assert driver.launches == []


def test_arrays_stay_on_the_device(driver):
    x = driver.upload(np.arange(24, dtype=np.float32).reshape(2, 3, 4), None)
    for trip in (
        np.asarray,
        np.array,
        np.sum,
        float,
        bool,
        list,
        lambda x: x + 1,
        lambda x: np.float32(2) * x,
        np.zeros_like,
    ):
        with pytest.raises(TypeError):
            trip(x)
    with pytest.raises(TypeError, match="expected an array on the device"):
        driver.download(np.zeros(3), None)
    with pytest.raises(TypeError, match="upload takes NumPy"):
        driver.upload(x, None)
    assert driver.downloads == 0


def test_views_of_arrays(driver):
    host = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    x = driver.upload(host, None)
    assert (x.shape, x.dtype, x.strides, x.size, x.ndim, x.nbytes, len(x)) == (
        (2, 3, 4),
        host.dtype,
        (48, 16, 4),
        24,
        3,
        96,
        2,
    )
    for index in (
        0,
        (1, 2),
        (slice(None), 1),
        (Ellipsis, 2),
        slice(1, 2),
        (1, slice(0, 3, 2), slice(None, None, -1)),
        (1, 2, 3),
    ):
        np.testing.assert_array_equal(driver.download(x[index], None), host[index])
    np.testing.assert_array_equal(
        driver.download(x.reshape(6, 4)[1:3].reshape((2, 2, 2)), None), host.reshape(-1, 4)[1:3].reshape(2, 2, 2)
    )
    with pytest.raises(NotImplementedError, match="C-contiguous"):
        x[:, 1].reshape(8)
    with pytest.raises(TypeError, match="integers and slices"):
        x[[0, 1]]
    driver.fill(x[1], 0xFF, None)
    out = driver.download(x, None)
    np.testing.assert_array_equal(out[0], host[0])
    assert np.isnan(out[1]).all()
    host[...] = 0
    assert driver.download(x, None)[0, 0, 1] == 1  # an upload is a copy, and so is a download
    out[...] = 5
    assert driver.download(x, None)[0, 0, 1] == 1


def test_foreign_libraries_see_addresses(driver):
    x = driver.upload(np.zeros((3, 4), np.float32), None)
    whole, column = x.__cuda_array_interface__, x[1:, ::2].__cuda_array_interface__
    assert (whole["shape"], whole["typestr"], whole["strides"], whole["version"]) == ((3, 4), "<f4", None, 3)
    assert (column["shape"], column["strides"]) == ((2, 2), (16, 8))
    assert column["data"][0] - whole["data"][0] == 16


def test_new_memory_is_garbage(driver):
    for dtype in "float32", "float64":
        assert np.isnan(driver.download(driver.empty((3, 5), dtype), None)).all()
    assert (driver.download(driver.empty((7,), "int32"), None) > 2**30).all()
    assert driver.download(driver.empty((5,), bool), None).shape == (5,)
    assert driver.allocations == 4


def test_copies(driver):
    x, y = driver.upload(np.arange(6.0), None), driver.empty((12,), "float64")
    driver.copy(x, y[6:], None)
    np.testing.assert_array_equal(driver.download(y, None)[6:], np.arange(6.0))
    for target in (y, y[::2], driver.empty((6,), "float32")):
        with pytest.raises(ValueError, match="copy"):
            driver.copy(x, target, None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products(driver, dtype):
    rng = np.random.default_rng(8)
    host, w = rng.normal(size=(2, 5, 6)).astype(dtype), rng.normal(size=(3, 4)).astype(dtype)
    x, z = driver.upload(host, None), driver.empty((2, 3, 4), dtype)
    multiply = driver.product(x[:, 1:4, :3], driver.upload(w, None), z, "fp32", None)
    for times in (1, 2):
        multiply()
        np.testing.assert_allclose(driver.download(z, None), host[:, 1:4, :3] @ w, rtol=0, atol=1e-6)
        assert driver.products == times
    with pytest.raises(ValueError, match="contiguous"):
        driver.product(x[:, 1:4, ::2], driver.upload(w, None), z, "fp32", None)
    with pytest.raises(ValueError, match="product of"):
        driver.product(x, driver.upload(w, None), z, "fp32", None)
    with pytest.raises(TypeError, match="one dtype"):
        driver.product(x[:, 1:4, :3], driver.upload(w.astype(np.float16), None), z, "fp32", None)
    without = SimulatedDriver(blas=False)
    assert without.product(x[:, 1:4, :3], driver.upload(w, None), z, "fp32", None) is None


def test_the_flag_is_seen_by_both_sides(driver):
    def kernel(flag, n):
        flag[0] = n + math.floor(0.5)

    flag = driver.flag()
    assert flag[0] == 0
    driver.launch(driver.kernel(kernel, 1), (1, 1), 1, None, flag, 7)
    assert flag[0] == 7
    flag[0] = 0
    assert flag[0] == 0


def test_races_and_seeds():
    def racing(x):
        x[0] = cuda.grid(1)

    careful = SimulatedDriver(races=True)
    with pytest.raises(RaceError):
        careful.launch(careful.kernel(racing, 32), (2, 1), 32, None, careful.empty((1,), "int32"))

    def last(seed, schedule):
        driver = SimulatedDriver(seed=seed, schedule=schedule)
        x = driver.empty((1,), "int32")
        out = []
        for _ in range(5):
            driver.launch(driver.kernel(racing, 32), (2, 1), 32, None, x)
            out.append(int(driver.download(x, None)[0]))
        return out

    for schedule in "random", "priority":
        assert last(1, schedule) == last(1, schedule)
        assert len(set(last(1, schedule))) > 1
