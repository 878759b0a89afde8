"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers, load_model
from numba_rnn.loaders.writing import check_target, replace_file


def test_new_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for data in (b"one", b"three"):
        replace_file(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_nothing_else(where: str, tmp_path: Path, monkeypatch: Any) -> None:
    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "f"
    path.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert os.listdir(tmp_path) == ["f"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".safetensors"])
def test_a_disk_that_fills_while_a_model_is_saved(suffix: str, tmp_path: Path) -> None:
    """No file may grow past a few kB, like a disk that fills in the middle: writing in place would leave that much."""
    resource = pytest.importorskip("resource", reason="no resource limits here")
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="writes such files: pip install '.[safetensors]'")
    path, x = tmp_path / f"m{suffix}", np.ones((2, 30), np.float32)
    model, other = (Sequential([Input((30,)), layers.Dense(100), layers.Dense(2)]) for _ in range(2))

    def save(model: Any) -> None:
        (model.save_weights if suffix == ".weights.h5" else model.save)(path)

    save(model)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large"):
            save(other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before
    save(other)
    if suffix == ".weights.h5":
        model.load_weights(path)
    else:
        model = load_model(path)
    np.testing.assert_array_equal(model.predict_on_batch(x), other.predict_on_batch(x))


def test_permissions(tmp_path: Path) -> None:
    path, plain = tmp_path / "f", tmp_path / "plain"
    plain.write_bytes(b"")
    replace_file(path, b"one")
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    replace_file(path, b"two")
    assert path.stat().st_mode & 0o777 == 0o640


def test_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("f")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"new"


def test_targets(tmp_path: Path) -> None:
    path = tmp_path / "f"
    check_target(path, overwrite=False)
    path.write_bytes(b"")
    check_target(path, overwrite=True)
    with pytest.raises(FileExistsError, match=r"/f': the file exists and `overwrite=False`"):
        check_target(path, overwrite=False)
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*/none'"):
        check_target(tmp_path / "none" / "f", overwrite=True)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_target(tmp_path, overwrite=True)


def test_model_that_cannot_be_written_leaves_its_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    Sequential([Input((3,)), layers.Dense(2)]).save(path)
    strange = Sequential([Input((3,)), layers.Dense(4, activation=lambda x: x)])
    with pytest.raises(ValueError, match=r"functions by their names.*lambda"):
        strange.save(path)
    assert os.listdir(tmp_path) == ["m.keras"]
    assert load_model(path).output_shape == (None, 2)
