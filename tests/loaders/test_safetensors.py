"""Safetensors files: every dtype read as it is, bfloat16 widened, damage refused with a reason."""

from __future__ import annotations

import builtins
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.safetensors import DTYPES, read_tensors


def file_of(tmp_path: Path, header: object, data: bytes = b"") -> Path:
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("kind", DTYPES)
def test_each_dtype(tmp_path, kind):
    array = np.array([[1, 0, 1], [0, 1, 1]]).astype(DTYPES[kind])
    path = file_of(tmp_path, {"a.b": entry(kind, [2, 3], 0, array.nbytes)}, array.tobytes())
    tensors, metadata = read_tensors(path)
    assert metadata == {}
    assert tensors["a.b"].dtype == DTYPES[kind]
    np.testing.assert_array_equal(tensors["a.b"], array)


def test_bfloat16_is_widened_without_loss(tmp_path):
    exact = np.array([1.0, -2.5, 3.0e38, 1.0e-38, np.inf, 0.0078125], np.float32)
    exact = (exact.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    data = (exact.view(np.uint32) >> 16).astype("<u2").tobytes()
    tensors, _ = read_tensors(file_of(tmp_path, {"w": entry("BF16", [2, 3], 0, 12)}, data))
    assert tensors["w"].dtype == np.float32
    np.testing.assert_array_equal(tensors["w"], exact.reshape(2, 3))


def test_metadata_scalars_and_empty_arrays(tmp_path):
    header = {"__metadata__": {"format": "pt"}, "s": entry("F64", [], 0, 8), "e": entry("F32", [0, 3], 8, 8)}
    tensors, metadata = read_tensors(file_of(tmp_path, header, struct.pack("<d", 1.5)))
    assert metadata == {"format": "pt"}
    assert list(tensors) == ["e", "s"]
    assert (tensors["e"].shape, float(tensors["s"])) == ((0, 3), 1.5)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ("no json", b""),
        ("[" * 100_000, b""),
        ({"a": entry("F32", [2], 0, 8)}, b"1234"),
        ({"a": entry("F32", [1], 0, 4)}, b"12345678"),
        ({"a": entry("F32", [3], 0, 8)}, b"12345678"),
        ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, b"1234"),
        ({"a": entry("F32", [2**40, 2**40], 0, 4)}, b"1234"),
        ({"a": entry("F32", [1] * 100, 0, 4)}, b"1234"),
        ({"a": entry("F99", [1], 0, 4)}, b"1234"),
    ],
)
def test_damage(tmp_path, header, data):
    with pytest.raises(ModelFileError, match=r"cannot be read \(.*damaged or incomplete"):
        read_tensors(file_of(tmp_path, header, data))


def test_dtypes_that_are_not_read(tmp_path):
    # The library's older versions do not know the dtype, newer ones leave it to us.
    with pytest.raises(ModelFileError, match=r"Received: F8_E4M3|cannot be read"):
        read_tensors(file_of(tmp_path, {"a": entry("F8_E4M3", [4], 0, 4)}, b"1234"))


@pytest.mark.parametrize("content", [b"", b"\1\0", struct.pack("<Q", 1 << 60), struct.pack("<Q", 4) + b"\xff" * 4])
def test_no_header(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_tensors(path)


def test_other_places(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "missing.safetensors")
    with pytest.raises(ModelFileError, match="directory"):
        read_tensors(tmp_path)


def test_without_the_library(tmp_path, monkeypatch):
    own = builtins.__import__

    def blocked(name, *args, **kwargs):
        if name == "safetensors":
            raise ImportError(name)
        return own(name, *args, **kwargs)

    path = file_of(tmp_path, {})
    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(ImportError, match=r"pip install 'numba_rnn\[safetensors\]'"):
        read_tensors(path)
