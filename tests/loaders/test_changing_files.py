"""Files that change while they are read: the old numbers, the new ones, or an error that says so, never some of both."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Sequential, layers, load_model
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders import safety
from numba_rnn.loaders.safety import read_whole
from numba_rnn.loaders.writing import replace_file

SUFFIXES = [".keras", ".h5", ".safetensors"]


@pytest.fixture(params=SUFFIXES)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A place, and two files of one model with all weights 1 and all weights 2: together they would be seen."""
    if request.param == ".safetensors":
        pytest.importorskip("safetensors", reason="reads such files: pip install '.[safetensors]'")
    path = tmp_path / f"m{request.param}"
    model = Sequential([Input((200,)), layers.Dense(300), layers.Dense(2)], name="m")
    files = []
    for value in (1, 2):
        model.set_weights([np.full(w.shape, value, np.float32) for w in model.weights])
        model.save(path)
        files.append(path.read_bytes())
    return path, files


def values(path: Path) -> set[float]:
    return {float(v) for w in load_model(path).get_weights() for v in np.unique(w)}


def in_place(path: Path, data: bytes) -> None:
    """As `cp` writes: no other file, other bytes."""
    with path.open("r+b") as file:
        file.truncate(len(data) // 2)
        file.write(data)


def loaded_while(path: Path, files: list[bytes], write: Any) -> tuple[list[set[float]], list[str]]:
    stop, found, errors = threading.Event(), [], []

    def writer() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            write(path, files[n % 2])

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(60):
            try:
                found.append(values(path))
            except ModelFileError as error:
                errors.append(str(error))
    finally:
        stop.set()
        thread.join()
    return found, errors


def test_a_model_saved_again_is_the_old_one_or_the_new(saved: Any) -> None:
    """Guards `replace_file`: writing in place would give errors."""
    found, errors = loaded_while(*saved, replace_file)
    assert not errors
    assert all(v in ({1}, {2}) for v in found)


def test_a_model_overwritten_in_place_is_never_half_of_each(saved: Any) -> None:
    """Guards, as chance has it, what the next test does for certain; and in archives the sums over their members."""
    found, errors = loaded_while(*saved, in_place)
    assert all(v in ({1}, {2}) for v in found)
    assert len(found) + len(errors) == 60
    assert values(saved[0]) in ({1}, {2})


@pytest.mark.parametrize("change", ["other numbers", "cut short", "longer"])
def test_a_file_written_to_while_it_is_read(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    os.utime(path, ns=(0, 0))
    looked: list[int] = []

    def looks(handle: int) -> os.stat_result:
        looked.append(handle)
        if len(looked) == 2:
            path.write_bytes({"other numbers": b"new", "cut short": b"", "longer": b"longer"}[change])
        return os.stat(handle)

    monkeypatch.setattr(safety.os, "fstat", looks)
    with pytest.raises(ModelFileError, match="written to while it was read"):
        read_whole(path)


def test_no_file_of_weights_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mapped and then cut short by another process ends this one, with no error to catch."""
    safetensors = pytest.importorskip("safetensors", reason="reads such files: pip install '.[safetensors]'")
    path = tmp_path / "m.safetensors"
    Sequential([Input((2,)), layers.Dense(3)]).save(path)

    def maps(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was mapped")

    monkeypatch.setattr(safetensors, "safe_open", maps)
    assert load_model(path).output_shape == (None, 3)
