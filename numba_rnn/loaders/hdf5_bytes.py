"""An HDF5 file's bytes, looked at before HDF5 (1.14) does: what it would believe, and allocate or walk without end."""

from __future__ import annotations

import struct

import numpy as np

from numba_rnn.errors import ModelFileError

__all__ = ["check_free_lists", "check_heaps", "check_texts", "check_trees"]

TREE = b"TREE"
RANKS = 32  # the most axes that HDF5 knows
NAMES = b"HEAP\0"  # a group's names, and a list of what is free between them
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
            taken = (
                16 + (length + 7) // 8 * 8 if index else length
            )  # an entry without an index is what is free, head included
            steps -= 1  # heaps that do not overlap have no more entries than the file has room for
            if steps < 0 or not 16 <= taken <= end - at:
                raise ModelFileError("The HDF5 file has a heap without end. It is damaged: copy or save it again.")
            at += taken
        start = data.find(HEAP, start + 16)


def check_free_lists(data: bytes) -> None:
    """Walk the lists of what is free among a group's names, which HDF5 never leaves where they come back to themselves.

    Raises:
        ModelFileError: one does.
    """
    start = data.find(NAMES)
    while 0 <= start <= len(data) - 32:
        size, at, address = struct.unpack_from("<3Q", data, start + 8)
        seen: set[int] = set()
        while at < size and address + at + 8 <= len(data) and at not in seen:
            seen.add(at)
            at = int.from_bytes(data[address + at : address + at + 8], "little")
        if at in seen:
            raise ModelFileError("The HDF5 file has a list without end. It is damaged: copy or save it again.")
        start = data.find(NAMES, start + 5)


def check_trees(data: bytes) -> None:
    """See that trees of groups' members and of datasets' chunks are trees: HDF5 follows a loop until it crashes.

    Raises:
        ModelFileError: a node lies below itself, or below two others.
    """
    levels: tuple[dict[int, int], dict[int, int]] = ({}, {})  # of both kinds by address; leaves are level 0
    start = data.find(TREE)
    while 0 <= start <= len(data) - 24:
        if data[start + 4] < 2:
            levels[data[start + 4]][start] = data[start + 5]
        start = data.find(TREE, start + 4)
    _check_levels(data, levels[0], 8)  # a key is a name's place
    for rank in range(1, RANKS + 1):  # a key is a chunk's size and corner; which rank it has stands elsewhere
        _check_levels(data, levels[1], 8 * (rank + 2))


def _check_levels(data: bytes, levels: dict[int, int], size: int) -> None:
    """See that nodes lie below one node each, of a higher level; `size` is a key's."""
    seen: set[int] = set()
    for address, level in levels.items():
        used = struct.unpack_from("<H", data, address + 6)[0] if level else 0
        for place in range(address + 24 + size, address + 24 + (size + 8) * used, size + 8):
            child = int.from_bytes(data[place : place + 8], "little")
            if child in levels and (child in seen or levels[child] >= level):
                raise ModelFileError("The HDF5 file has a tree with a loop. It is damaged: copy or save it again.")
            seen.add(child)


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
