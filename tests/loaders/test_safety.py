"""Archives and HDF5 files, damaged and hostile: each is refused in words, before a number is read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import safety
from numba_rnn.loaders.hdf5_bytes import HEAP
from numba_rnn.loaders.safety import (
    attribute,
    check_source,
    look_over,
    open_hdf5,
    parse_json,
    read_array,
    read_members,
    text_attribute,
)


def hdf5(fill: Callable[[h5py.File], Any]) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        fill(file)
    return memory.getvalue()


def shapes_in(data: bytes) -> dict[str, tuple[int, ...]]:
    with open_hdf5(data) as file:
        return {path: dataset.shape for path, dataset in look_over(file).datasets.items()}


def archive(path: Path, members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


# Sources


def test_source_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_source(tmp_path / "none.keras")


def test_source_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Received: a directory"):
        check_source(tmp_path)


def test_source_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ModelFileError, match="an empty file"):
        check_source(tmp_path / "empty")


# Archives


def test_members_are_read_and_others_are_not(tmp_path: Path) -> None:
    path = archive(tmp_path / "a", [("one", b"1"), ("../../evil", b"x"), ("two", b"22")], zipfile.ZIP_DEFLATED)
    assert read_members(path, ("two", "one")) == {"one": b"1", "two": b"22"}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_missing_member(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no member 'two'\. Expected: one, two\. Received: one"):
        read_members(archive(tmp_path / "a", [("one", b"1")]), ("one", "two"))


def test_pickled_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model\.weights\.npz"):
        read_members(archive(tmp_path / "a", [("model.weights.npz", b"1")]), ("model.weights.h5",))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_twice(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="twice"):
        read_members(archive(tmp_path / "a", [("one", b"1"), ("one", b"2")]), ("one",))


def test_odd_compression(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="odd way"):
        read_members(archive(tmp_path / "a", [("one", b"1" * 99)], zipfile.ZIP_LZMA), ("one",))


def test_encrypted_member(tmp_path: Path) -> None:
    path = archive(tmp_path / "a", [("one", b"1")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="encrypted"):
        read_members(path, ("one",))


def test_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "SMALL", 1 << 16)
    path = archive(tmp_path / "a", [("one", b"\0" * (1 << 20))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="a bomb"):
        read_members(path, ("one",))


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PK but no more")
    with pytest.raises(ModelFileError, match=r"cannot be read.*damaged"):
        read_members(tmp_path / "a", ("one",))


# JSON


def test_json() -> None:
    assert parse_json(b'{"a": [1, {"b": null}]}', "it") == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff{}", b"{'a': 1}", b'{"a": 1} x'])
def test_no_json(text: bytes) -> None:
    with pytest.raises(ModelFileError, match="config is no JSON"):
        parse_json(text, "config")


@pytest.mark.parametrize("text", ["[1]", "3", "null", '"x"'])
def test_json_but_no_object(text: str) -> None:
    with pytest.raises(ModelFileError, match="must be a JSON object"):
        parse_json(text, "config")


@pytest.mark.parametrize("depth", [300, 3000, 1_000_000])
def test_json_nested_too_deeply(depth: int) -> None:
    with pytest.raises(ModelFileError, match="nested too deeply"):
        parse_json('{"a":' * depth + "1" + "}" * depth, "config")


def test_json_nested_as_models_are() -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"config": {"layers": [deep]}}
    assert parse_json(json.dumps(deep), "config") == deep


def test_json_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "JSON_BYTES", 10)
    with pytest.raises(ModelFileError, match="too large"):
        parse_json('{"a": "0123456789"}', "config")


# HDF5


def test_datasets_by_path() -> None:
    def fill(file: h5py.File) -> None:
        file["a/vars/0"] = np.ones((2, 3), "f4")
        file["a/b/vars/0"] = np.ones(4)
        file.create_group("empty")

    assert shapes_in(hdf5(fill)) == {"a/vars/0": (2, 3), "a/b/vars/0": (4,)}


def test_compressed_datasets() -> None:
    data = hdf5(
        lambda f: f.create_dataset("a", data=np.arange(64.0), compression="gzip", shuffle=True, fletcher32=True)
    )
    with open_hdf5(data) as file:
        np.testing.assert_array_equal(read_array(look_over(file).datasets["a"]), np.arange(64.0))


def link(target: Any) -> Callable[[h5py.File], None]:
    def fill(file: h5py.File) -> None:
        file["real"] = np.ones(2)
        file.create_group("layers")["trap"] = target

    return fill


@pytest.mark.parametrize(
    "target", [h5py.SoftLink("/real"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/")]
)
def test_links_are_refused(target: Any) -> None:
    with pytest.raises(ModelFileError, match=r"'layers/trap' is a soft or external link"):
        shapes_in(hdf5(link(target)))


def test_hard_link_loop() -> None:
    def fill(file: h5py.File) -> None:
        file.create_group("a")["b"] = file["/"]

    with pytest.raises(ModelFileError, match="linked twice"):
        shapes_in(hdf5(fill))


def test_groups_too_deep() -> None:
    with pytest.raises(ModelFileError, match="too deep"):
        shapes_in(hdf5(lambda f: f.create_group("/".join(["g"] * 100))))


def test_external_storage(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"12345678")

    def fill(file: h5py.File) -> None:
        file.create_dataset("a", (2,), "f4", external=[(str(tmp_path / "secret"), 0, 8)])

    with pytest.raises(ModelFileError, match="in another file"):
        shapes_in(hdf5(fill))


def test_virtual_dataset() -> None:
    def fill(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
        file.create_virtual_dataset("a", layout)

    with pytest.raises(ModelFileError, match="in another file"):
        shapes_in(hdf5(fill))


def test_committed_type() -> None:
    def fill(file: h5py.File) -> None:
        file["a"] = np.dtype("f4")

    with pytest.raises(ModelFileError, match="neither a group nor a dataset"):
        shapes_in(hdf5(fill))


@pytest.mark.parametrize("chunks", [None, (1024, 1024)])
def test_shape_bomb(chunks: tuple[int, int] | None) -> None:
    with pytest.raises(ModelFileError, match="a bomb"):
        shapes_in(hdf5(lambda f: f.create_dataset("a", (1 << 20, 1 << 20), "f4", chunks=chunks)))


def test_strange_filter() -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("a", data=np.ones((4, 4)), chunks=(2, 2), scaleoffset=3)

    with pytest.raises(ModelFileError, match="filters"):
        shapes_in(hdf5(fill))


def test_heap_without_end() -> None:
    """HDF5 itself runs for ever on this."""
    data = bytearray(hdf5(lambda f: f.attrs.__setitem__("text", "a long string")))
    text = data.index(b"a long string")
    data[text - 16 : text] = bytes(16)
    with pytest.raises(ModelFileError, match="without end"):
        shapes_in(bytes(data))


def test_heaps_that_overlap() -> None:
    data = hdf5(lambda f: f.attrs.__setitem__("text", "a long string"))
    one = np.array([1, 16, int.from_bytes(HEAP, "little"), 1 << 40], "<u8").tobytes()  # an entry that holds a heap
    with pytest.raises(ModelFileError, match="without end"):
        shapes_in(data + one * 30_000)


def test_addresses_of_odd_size() -> None:
    plan = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plan.set_sizes(8, 4)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    file = h5py.h5f.create(b"small", fcpl=plan, fapl=access)
    h5py.h5f.flush(file)
    with pytest.raises(ModelFileError, match=r"odd size.*\(8, 4\)"):
        shapes_in(file.get_file_image())


@pytest.mark.parametrize("cut", [0, 8, 100, 500, 2000, -100, -1])
def test_truncated_hdf5(cut: int) -> None:
    data = hdf5(lambda f: f.create_dataset("a/b/c", data=np.ones(1000)))
    with pytest.raises(ModelFileError, match="damaged"), open_hdf5(data[:cut]) as file:
        read_array(look_over(file).datasets["a/b/c"])


# Numbers


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_floats_are_read(dtype: str, rng: np.random.Generator) -> None:
    array = rng.normal(size=(3, 4)).astype(dtype)
    with open_hdf5(hdf5(lambda f: f.create_dataset("a", data=array))) as file:
        np.testing.assert_array_equal(read_array(file["a"]), array)


def test_bfloat16(rng: np.random.Generator) -> None:
    exact = (rng.normal(size=(3, 4)).astype("f4").view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    def fill(file: h5py.File) -> None:
        file.create_dataset("a", data=(exact.view(np.uint32) >> 16).astype(np.uint16).view("V2")).attrs["dtype"] = (
            "bfloat16"
        )

    with open_hdf5(hdf5(fill)) as file:
        np.testing.assert_array_equal(read_array(file["a"]), exact)


@pytest.mark.parametrize(
    "array", [np.ones(3, "i1"), np.ones(3, "V2"), np.ones(3, "c8"), np.array([b"ab", b"c"]), np.ones(2, "i4,f4")]
)
def test_other_types_are_refused(array: Any) -> None:
    with (
        open_hdf5(hdf5(lambda f: f.create_dataset("a", data=array))) as file,
        pytest.raises(ModelFileError, match="wrong dtype"),
    ):
        read_array(file["a"])


def test_attributes() -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["text"], file.attrs["bytes"], file.attrs["bad"], file.attrs["n"] = (
            "é",
            np.bytes_(b"b"),
            np.bytes_(b"\xff"),
            3,
        )

    with open_hdf5(hdf5(fill)) as file:
        assert attribute(file, "none") is None
        assert text_attribute(file, "text") == "é"
        assert text_attribute(file, "bytes") == "b"
        for name, words in (("n", "must be text"), ("bad", "damaged")):
            with pytest.raises(ModelFileError, match=words):
                text_attribute(file, name)
