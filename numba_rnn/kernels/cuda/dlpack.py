"""DLPack by ctypes: what a capsule says of an array, and capsules for arrays of one's own, in the old form and the versioned one.

Source: dmlc/dlpack, `dlpack.h` 1.0, and "Python Specification for DLPack" (array API standard).
"""

from __future__ import annotations

import atexit
import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn.errors import DTypeError

__all__ = ["VERSION", "Export", "Tensor", "read"]


KINDS = {0: "i", 1: "u", 2: "f", 6: "b"}  # DLDataTypeCode
CODES = {kind: code for code, kind in KINDS.items()}
NAME, VERSIONED = b"dltensor", b"dltensor_versioned"
USED = {NAME: b"used_dltensor", VERSIONED: b"used_dltensor_versioned"}
VERSION = 1, 0


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
    ]  # fmt: skip


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p), ("deleter", _Deleter),
        ("flags", ctypes.c_uint64), ("tensor", _Tensor),
    ]  # fmt: skip


FORMS: dict[bytes, type[_Managed] | type[_Versioned]] = {NAME: _Managed, VERSIONED: _Versioned}

_python = ctypes.pythonapi
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _python))
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", _python)
)
# Of a capsule that is being destroyed, which nobody may take a reference to any more.
_is_valid_at = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_pointer_at = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))


@dataclass
class Tensor:
    """An array that came in a capsule: its memory stays for as long as this object does.

    Attributes:
        pointer: of its first element.
        shape, strides: in elements.
        dtype: as NumPy has it.
        device: type and number.
    """

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype[Any]
    device: tuple[int, int]
    _managed: Any

    def __del__(self) -> None:
        if self._managed.deleter:
            self._managed.deleter(ctypes.addressof(self._managed))


def read(capsule: Any) -> Tensor:
    """The array in a capsule, which is used up then.

    Raises:
        ValueError: no capsule of DLPack's, or one that was used before.
        DTypeError: elements that NumPy has no dtype for.
    """
    name = next((n for n in FORMS if _is_valid(capsule, n)), None)
    if name is None:
        raise ValueError(f"`__dlpack__` must return a capsule that nobody has used. Received: {capsule!r}.")
    managed = FORMS[name].from_address(_pointer(capsule, name))
    if isinstance(managed, _Versioned) and managed.major > VERSION[0]:
        raise ValueError(f"DLPack {VERSION[0]} is read here. Received: {managed.major}.{managed.minor}.")
    t, n = managed.tensor, managed.tensor.ndim
    if t.lanes != 1 or t.code not in KINDS:
        raise DTypeError(
            f"Arrays hold plain numbers. Received: DLPack's type code {t.code} of {t.bits} bits, {t.lanes} lanes."
        )
    dtype = np.dtype(f"{KINDS[t.code]}{t.bits // 8}")
    strides = tuple(t.strides[:n]) if t.strides else None
    _rename(capsule, USED[name])
    return Tensor(
        (t.data or 0) + t.byte_offset, tuple(t.shape[:n]), strides, dtype, (t.device_type, t.device_id), managed
    )


_kept: dict[int, Any] = {}  # what is exported, by the address that its deleter gets


@_Deleter
def _delete(address: int) -> None:
    _kept.pop(address, None)


@_Deleter
def _destroy(capsule: int) -> None:
    """Of a capsule that nobody has used."""
    for name in FORMS:
        if _is_valid_at(capsule, name):
            _kept.pop(_pointer_at(capsule, name), None)


@atexit.register
def _leave() -> None:
    """Whoever still has an array when Python ends gives it back when no Python can be called any more: it is left where it is."""
    nothing = ctypes.cast(ctypes.CDLL(None).abs, _Deleter)  # takes a number, and does nothing with it
    for managed, *_ in _kept.values():
        managed.deleter = nothing
    for one in (_kept, _delete, _destroy):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


class Export:
    """An array of one's own for `from_dlpack`: C-contiguous memory that stays until whoever took it lets go of it.

    Args:
        owner: what keeps the memory.
        pointer: of its first element.
        shape, dtype: of the array.
        device: type and number.
        ready: called with the consumer's stream, which must wait until the numbers are there.
    """

    def __init__(
        self,
        owner: Any,
        pointer: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        device: tuple[int, int],
        ready: Any,
    ) -> None:
        self._owner, self._pointer, self._shape, self._dtype = owner, pointer, shape, dtype
        self._device, self._ready = device, ready

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """A capsule; `stream` waits for what is still being computed.

        Raises:
            BufferError: a copy, or another device, is asked for.
        """
        if copy or dl_device not in (None, self._device):
            raise BufferError(f"The array is lent as it is, on device {self._device}. Received: {dl_device=}, {copy=}.")
        self._ready(stream)
        name = NAME if max_version is None or max_version[0] < 1 else VERSIONED
        managed = FORMS[name]()
        n = len(self._shape)
        sizes, strides = (ctypes.c_int64 * n)(*self._shape), (ctypes.c_int64 * n)()
        step = 1
        for axis in reversed(range(n)):
            strides[axis], step = step, step * self._shape[axis]
        if isinstance(managed, _Versioned):
            managed.major, managed.minor = VERSION
        pointer = ctypes.POINTER(ctypes.c_int64)
        managed.tensor = _Tensor(
            self._pointer, *self._device, n, CODES[self._dtype.kind], 8 * self._dtype.itemsize, 1, ctypes.cast(sizes, pointer),
            ctypes.cast(strides, pointer), 0,
        )  # fmt: skip
        managed.deleter = _delete
        address = ctypes.addressof(managed)
        _kept[address] = managed, sizes, strides, self._owner
        return _new(address, name, ctypes.cast(_destroy, ctypes.c_void_p))
