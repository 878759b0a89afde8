"""Stand-ins for PyTorch, CuPy and JAX with arrays on the simulated GPU, which NumPy cannot see."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from numba_rnn.kernels.cuda.dlpack import Export, read

from .simulator.driver import DeviceArray

__all__ = ["CupyArray", "JaxArray", "Lent", "TorchTensor", "host", "install"]

GPU = 2, 0
STREAMS = {"torch": 7001, "cupy": 7002, "jax": 7003}


class _Foreign:
    """Memory of this process, in place of the GPU's."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    shape = property(lambda self: tuple(self._memory.shape))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("this array is on the GPU")

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Any:
        raise TypeError("reading elements would wait for the GPU")

    def __dlpack_device__(self) -> tuple[int, int]:
        return GPU

    def _interface(self) -> dict[str, Any]:
        m = self._memory
        strides = None if m.flags.c_contiguous else m.strides
        pointer = m.__array_interface__["data"][0] if m.size else 0
        return {"shape": m.shape, "typestr": m.dtype.str, "data": (pointer, False), "strides": strides, "version": 2}


class TorchTensor(_Foreign):
    """`torch.Tensor`."""

    __module__ = "torch"
    device = "cuda:0"

    def __init__(self, memory: Any, requires_grad: bool = False) -> None:
        super().__init__(memory)
        self.requires_grad = requires_grad

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")
        return self._interface()

    def detach(self) -> TorchTensor:
        return TorchTensor(self._memory)

    def new_empty(self, shape: Any, dtype: Any) -> TorchTensor:
        return TorchTensor(np.full(shape, -7, dtype))

    def reshape(self, shape: Any) -> TorchTensor:
        return TorchTensor(self._memory.reshape(shape))


class CupyArray(_Foreign):
    """`cupy.ndarray`, which tells its stream."""

    __module__ = "cupy"

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self._interface(), "stream": STREAMS["cupy"], "version": 3}

    def reshape(self, shape: Any) -> CupyArray:
        return CupyArray(self._memory.reshape(shape))


class Lent(_Foreign):
    """An array of a library that knows DLPack alone, in its old form."""

    asked: list[Any]

    def __init__(self, memory: Any, alive: Any = None) -> None:
        super().__init__(memory)
        self.asked, self._alive = [], alive

    def __dlpack__(self, stream: Any = None) -> Any:
        m = self._memory
        made = Export(self, m.__array_interface__["data"][0], m.shape, m.dtype, GPU, self.asked.append)
        return made.__dlpack__(stream=stream)


class JaxArray(Lent):
    """`jax.Array`: never written, ordered by DLPack; its interface waits for the GPU."""

    __module__ = "jaxlib"

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise AssertionError("this waits for the GPU")


def _from_dlpack(x: Any) -> JaxArray:
    tensor = read(x.__dlpack__(stream=STREAMS["jax"]))
    assert tensor.device == GPU
    described = {"shape": tensor.shape, "typestr": tensor.dtype.str, "data": (tensor.pointer, False), "version": 3}
    holder: Any = types.SimpleNamespace(__array_interface__=described, tensor=tensor)
    return JaxArray(np.asarray(holder), tensor)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the libraries where programs that use them have them."""
    stream = types.SimpleNamespace(cuda_stream=STREAMS["torch"], ptr=STREAMS["cupy"])
    names = {name: np.dtype(name) for name in ("float32", "float64", "bool", "int32", "int64")}
    on_cuda = types.SimpleNamespace(current_stream=lambda device: stream)
    torch = types.SimpleNamespace(cuda=on_cuda, is_grad_enabled=lambda: True, **names)
    cupy = types.SimpleNamespace(
        cuda=types.SimpleNamespace(get_current_stream=lambda: stream),
        empty=lambda shape, dtype: CupyArray(np.full(shape, -7, dtype)),
    )
    jax = types.SimpleNamespace(dlpack=types.SimpleNamespace(from_dlpack=_from_dlpack))
    for name, module in (("torch", torch), ("cupy", cupy), ("jax", jax)):
        monkeypatch.setitem(sys.modules, name, module)


def host(x: Any) -> Any:
    """The numbers of an array on the simulated GPU."""
    return x.memory if isinstance(x, DeviceArray) else x._memory
