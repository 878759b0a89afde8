"""An HDF5 file's bytes, looked at before HDF5 (1.14) does: what it would believe, and allocate or walk without end."""

from __future__ import annotations

import struct

import numpy as np

from numba_rnn.errors import ModelFileError

__all__ = ["check_heaps", "check_texts"]

HEAP = b"GCOL\1"  # three bytes follow that HDF5 does not look at
VARIABLE = 9  # the class of types whose elements have a length each
MESSAGES = (
    (8, 1, 8),
    (8, 2, 1),
    (9, 3, 1),
)  # bytes before an attribute's name, the version they begin with, what parts fill up to
# An element of such a type where it is used: how long it is, in which heap and at which place there it lies.
ELEMENT = np.dtype([("length", "<u4"), ("heap", "<u8"), ("place", "<u4")])


def check_heaps(data: bytes) -> None:
    """Walk the heaps that hold long text as HDF5 does: its walk never ends where an entry's size is nothing, or wraps around.

    Raises:
        ModelFileError: an entry is no larger than nothing or larger than its heap, or heaps overlap.
    """
    start, steps = data.find(HEAP), len(data) // 16
    while start >= 0:
        size = int.from_bytes(data[start + 8 : start + 16], "little")
        at, end = start + 16, min(start + size, len(data))
        while at + 16 <= end:
            index, length = struct.unpack_from("<H6xQ", data, at)
            taken = 16 + (length + 7) // 8 * 8 if index else length  # an entry without an index is what is free, head included
            steps -= 1  # heaps that do not overlap have no more entries than the file has room for
            if steps < 0 or not 16 <= taken <= end - at:
                raise ModelFileError("The HDF5 file has a heap without end. It is damaged: copy or save it again.")
            at += taken
        start = data.find(HEAP, start + 16)


def check_texts(data: bytes, name: str) -> None:
    """See that all text of variable length in attributes of this name is no longer than the file: HDF5 allocates what is written.

    Source: "HDF5 File Format Specification", version 3.0, section IV.A.2.m, the attribute message.

    Raises:
        ModelFileError: it is longer.
    """
    sought = name.encode() + b"\0"
    at = data.find(sought)
    while at >= 0:
        for before, version, unit in MESSAGES:
            if at >= before and data[at - before] == version and _length_at(data, at, before, unit) > len(data):
                raise ModelFileError(f"The HDF5 attribute {name!r} is longer than the file. It is damaged.")
        at = data.find(sought, at + 1)


def _length_at(data: bytes, at: int, before: int, unit: int) -> int:
    """How long the text of an attribute is whose name lies at `at`; 0 where it has no text of variable length."""
    sizes = struct.unpack_from("<3H", data, at - before + 2)  # of the name, of the type, of the shape
    name, kind, shape = (-(-size // unit) * unit for size in sizes)
    type_at, shape_at = at + name, at + name + kind
    values_at = shape_at + shape
    if values_at > len(data) or data[type_at] & 15 != VARIABLE:
        return 0
    version, rank = data[shape_at], data[shape_at + 1]
    count = 1
    for n in range(min(rank, 32)):
        count *= int.from_bytes(data[(place := shape_at + (8 if version == 1 else 4) + 8 * n) : place + 8], "little")
    count = min(count, (len(data) - values_at) // ELEMENT.itemsize)
    width = int.from_bytes(data[type_at + 12 : type_at + 16], "little")  # of a character
    lengths = np.frombuffer(data, ELEMENT, count, values_at)["length"]
    return int(lengths.sum(dtype=np.uint64)) * width
