"""What HDF5 would believe: text longer than the file, heaps without end."""

from __future__ import annotations

import io
import struct

import h5py
import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.hdf5_bytes import HEAP, check_free_lists, check_heaps, check_texts, check_trees
from numba_rnn.loaders.safety import attribute, look_over, open_hdf5

TEXT = "a text of some length"


def hdf5(libver: str = "earliest") -> bytearray:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=libver) as file:
        file.attrs["text"] = TEXT
        file.attrs["names"] = [TEXT, "another"]
        file.attrs["fixed"] = np.bytes_(b"fixed")
    return bytearray(memory.getvalue())


def reference(data: bytes, text: str = TEXT) -> int:
    """Where the first element of variable length lies that says how long `text` is."""
    heap = data.index(HEAP)
    return next(at for at in range(len(data) - 12) if struct.unpack_from("<IQ", data, at) == (len(text), heap))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_what_is_written_is_believed(libver: str) -> None:
    data = bytes(hdf5(libver))
    check_heaps(data)
    for name in ("text", "names", "fixed", "none"):
        check_texts(data, name)
    with open_hdf5(data) as file:
        assert attribute(file, "text") == TEXT
        assert list(attribute(file, "names")) == [TEXT, "another"]
        assert attribute(file, "fixed") == b"fixed"


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("length", [1 << 20, (1 << 32) - 1])
def test_text_longer_than_the_file(libver: str, length: int) -> None:
    """HDF5 allocates as much, up to 4 GB, before it finds that there is no such text."""
    data = hdf5(libver)
    struct.pack_into("<I", data, reference(data), length)
    with pytest.raises(ModelFileError, match="longer than the file"):
        check_texts(bytes(data), "text")
    if libver == "earliest":  # the newer layout has checksums
        with open_hdf5(bytes(data)) as file, pytest.raises(ModelFileError, match="longer than the file"):
            attribute(file, "text")


def test_heap_entries_that_wrap_around() -> None:
    """HDF5 adds 16 to the length and rounds up: the sum is nothing, and it walks for ever."""
    data = hdf5()
    at = data.index(TEXT.encode()) - 8
    for length in ((1 << 64) - 1, (1 << 64) - 16, 1 << 40):
        struct.pack_into("<Q", data, at, length)
        with pytest.raises(ModelFileError, match="without end"):
            check_heaps(bytes(data))


@pytest.mark.parametrize("name", ["vlen", "reference", "huge"])
def test_attributes_of_other_types(name: str) -> None:
    """HDF5 can crash on damaged sequences of variable length; none is ever needed."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        if name == "vlen":
            sequences = np.empty(1, object)
            sequences[0] = np.ones(2, "f4")
            file.attrs.create("x", sequences, dtype=h5py.vlen_dtype("f4"))
        elif name == "reference":
            file.attrs["x"] = file.ref
        else:
            file["t"] = h5py.string_dtype()
            file.attrs.create("x", "text", dtype=file["t"])
    with open_hdf5(memory.getvalue()) as file, pytest.raises(ModelFileError, match="neither text nor numbers"):
        attribute(file, "x")


def groups(count: int) -> bytearray:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for n in range(count):
            file.create_group(f"g{n}")
    return bytearray(memory.getvalue())


def test_trees_with_loops() -> None:
    """HDF5 crashes on a node below itself."""
    data = groups(300)
    check_trees(bytes(data))
    at = data.index(b"TREE")
    data[at + 5] = 1
    struct.pack_into("<Q", data, at + 32, at)
    with pytest.raises(ModelFileError, match="a tree with a loop"), open_hdf5(bytes(data)):
        pass


def test_trees_of_chunks_with_loops() -> None:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.create_dataset("a", data=np.arange(4000.0).reshape(1000, 4), chunks=(2, 4), compression="gzip")
    data = bytearray(memory.getvalue())
    with open_hdf5(bytes(data)) as file:
        np.testing.assert_array_equal(look_over(file).datasets["a"][()], np.arange(4000.0).reshape(1000, 4))
    nodes = [at for at in range(len(data)) if data[at : at + 5] == b"TREE\1"]
    top = next(at for at in nodes if data[at + 5])
    struct.pack_into("<Q", data, top + 24 + 32, top)
    with pytest.raises(ModelFileError, match="a tree with a loop"), open_hdf5(bytes(data)):
        pass


def test_lists_with_loops() -> None:
    """HDF5 walks them until the memory is full."""
    data = groups(1)
    check_free_lists(bytes(data))
    head, address = struct.unpack_from("<QQ", data, data.index(b"HEAP") + 16)
    struct.pack_into("<Q", data, address + head, head)
    with pytest.raises(ModelFileError, match="a list without end"), open_hdf5(bytes(data)):
        pass
