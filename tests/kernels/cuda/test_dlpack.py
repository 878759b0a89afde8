"""Capsules from NumPy, PyTorch and JAX are read, and theirs read ours; memory stays as long as somebody has it, and no longer."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.errors import DTypeError
from numba_rnn.kernels.cuda import dlpack
from numba_rnn.kernels.cuda.dlpack import Export, read

CPU, ROOT = (1, 0), Path(__file__).parents[3]
VERSIONS = (None, (1, 0))


class Memory(np.ndarray[Any, Any]):
    """An array that can be watched."""


def capsule(x: Any, version: Any) -> Any:
    return x.__dlpack__() if version is None else x.__dlpack__(max_version=version)


def lent(x: Any) -> Export:
    return Export(x, x.__array_interface__["data"][0], x.shape, x.dtype, CPU, lambda stream: None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_numpy_capsules_are_read(version: Any, dtype: str) -> None:
    x = np.arange(24).astype(dtype).reshape(2, 3, 4)[:, ::2]
    tensor = read(capsule(x, version))
    assert (tensor.pointer, tensor.shape, tensor.device) == (x.__array_interface__["data"][0], (2, 2, 4), CPU)
    assert (tensor.strides, tensor.dtype) == ((12, 8, 1), x.dtype)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_read_stays_as_long_as_its_tensor(version: Any) -> None:
    x = np.zeros(5).view(Memory)
    watched = weakref.ref(x)
    tensor = read(capsule(x, version))
    del x
    gc.collect()
    assert watched() is not None
    del tensor
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_capsule_is_used_once(version: Any) -> None:
    taken = capsule(np.zeros(3), version)
    read(taken)
    for what in (taken, "no capsule"):
        with pytest.raises(ValueError, match="capsule that nobody has used"):
            read(what)


def test_complex_numbers_are_refused_and_the_capsule_stays_whole() -> None:
    x = np.zeros(3, np.complex64)
    with pytest.raises(DTypeError, match="type code 5 of 64 bits"):
        read(x.__dlpack__())


@pytest.mark.parametrize("version", VERSIONS)
def test_ours_are_read_back(version: Any) -> None:
    x = np.arange(6.0).reshape(2, 3)
    tensor = read(lent(x).__dlpack__(max_version=version))
    assert tensor.pointer == x.__array_interface__["data"][0]
    assert (tensor.shape, tensor.strides, tensor.dtype) == ((2, 3), (3, 1), x.dtype)


def test_what_is_lent_stays_as_long_as_somebody_has_it() -> None:
    before, x = len(dlpack._kept), np.arange(6.0).reshape(2, 3).view(Memory)
    watched, made = weakref.ref(x), lent(x)
    taken = np.from_dlpack(made)
    unused = made.__dlpack__()
    del x, made
    gc.collect()
    np.testing.assert_array_equal(taken, [[0, 1, 2], [3, 4, 5]])
    del taken
    gc.collect()
    assert watched() is not None
    del unused
    gc.collect()
    assert watched() is None
    assert len(dlpack._kept) == before


def test_a_consumer_tells_its_stream() -> None:
    streams: list[Any] = []
    x = np.zeros((2, 2))
    made = Export(x, x.__array_interface__["data"][0], x.shape, x.dtype, (2, 0), streams.append)
    made.__dlpack__(stream=5)
    assert streams == [5]
    assert made.__dlpack_device__() == (2, 0)
    for wrong in ({"copy": True}, {"dl_device": (1, 0)}):
        with pytest.raises(BufferError, match="lent as it is"):
            made.__dlpack__(**wrong)


def test_what_is_still_lent_when_python_ends_does_no_harm() -> None:
    program = """
import sys
import numpy as np
from numba_rnn.kernels.cuda.dlpack import Export
own = np.arange(6.0)
lent = Export(own, own.__array_interface__["data"][0], own.shape, own.dtype, (1, 0), lambda stream: None)
sys.last_of_all = np.from_dlpack(lent)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.oracle
@pytest.mark.parametrize("version", VERSIONS)
def test_torch(version: Any) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    x = torch.arange(12.0).reshape(3, 4).t()
    tensor = read(capsule(x, version))
    assert (tensor.pointer, tensor.shape, tensor.strides) == (x.data_ptr(), (4, 3), (1, 4))
    own = np.arange(6.0).reshape(2, 3)
    taken = torch.from_dlpack(lent(own))
    assert taken.data_ptr() == own.__array_interface__["data"][0]
    assert taken.tolist() == own.tolist()


@pytest.mark.oracle
def test_jax() -> None:
    jax = pytest.importorskip("jax", reason="needs JAX: pip install jax")
    tensor = read(jax.numpy.arange(6.0, dtype="float32").__dlpack__())
    assert (tensor.shape, tensor.dtype) == ((6,), np.float32)
    whole = np.zeros(32, np.float32)
    own = whole[-whole.__array_interface__["data"][0] % 64 // 4 :][:6].reshape(2, 3)  # JAX copies what is not aligned
    own[:] = [[1, 2, 3], [4, 5, 6]]
    taken = jax.dlpack.from_dlpack(lent(own))
    assert taken.unsafe_buffer_pointer() == own.__array_interface__["data"][0]
    np.testing.assert_array_equal(taken, own)
