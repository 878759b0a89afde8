"""Kernels on disk: a second process compiles nothing and does the same; what does not fit is compiled anew.

With a driver whose kernels do nothing, `no_gpu.c`. Of the files themselves, `tests/kernels/test_disk.py` and the CPU's tell more.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

NONE = {"kernels": 0, "ptx": 0, "links": 0}


@pytest.fixture
def seen(ran: Any, tmp_path: Path) -> Any:
    """A function of `no_gpu_disk.py`, in a process of its own with an empty cache, `tmp_path / "cache"`."""
    return partial(ran, script="no_gpu_disk.py", NUMBA_CACHE_DIR=str(tmp_path / "cache"))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_second_process_compiles_nothing_and_launches_the_same(seen: Any) -> None:
    cold, warm = seen("scans"), seen("scans")
    assert len(cold["kernels"]) >= 6 + 1  # with both phases' of a step
    assert cold["compiled"]["kernels"] == cold["compiled"]["links"] == len(cold["kernels"])
    assert warm["compiled"] == NONE
    assert warm["kernels"] == cold["kernels"], "other machine code, name, or way to launch"
    assert any(cooperative for ((_, _, cooperative, _, _),) in cold["kernels"].values())
    assert warm["names"] == cold["names"]
    assert warm["launches"] == cold["launches"]
    assert max(warm["seconds"].values()) < 0.5 < max(cold["seconds"].values())


def test_with_the_setting_off_nothing_is_kept_or_found(seen: Any, tmp_path: Path) -> None:
    assert seen("once", NUMBA_RNN_CACHE="0")[0] == 1
    assert not (tmp_path / "cache").exists()
    assert seen("once")[0] == 1
    assert seen("once", NUMBA_RNN_CACHE="0")[0] == 1
    assert seen("once")[0] == 0


def test_other_kernels_are_not_found_under_a_kernels_name(seen: Any) -> None:
    found = seen("others")
    assert {name: call[0] for name, call in found.items() if name != "keys"} == {
        "cold": 1, "again": 0, "number": 1, "types": 1, "versions": 1, "unknown": 1, "unknown again": 1, "source": 1, "at last": 0,
    }  # fmt: skip
    cold = found["cold"][1]
    assert cold == found["again"][1] == found["at last"][1] != found["number"][1]
    assert found["keys"] == [True, False], "a cell that is not the library's was kept by its name"


def test_another_capability_has_kernels_of_its_own(seen: Any, tmp_path: Path) -> None:
    assert [seen("once", capability)[0] for capability in ("90", "80", "90", "80")] == [1, 1, 0, 0]
    assert len(files(tmp_path / "cache")) == 2


@pytest.mark.parametrize("damage", ["cut", "a bit", "empty", "another's"])
def test_what_is_damaged_is_compiled_anew(seen: Any, tmp_path: Path, damage: str) -> None:
    cold = seen("once")
    (path,) = files(tmp_path / "cache")
    data = path.read_bytes()
    if damage == "another's":
        seen("once", "80")
        (other,) = set(files(tmp_path / "cache")) - {path}
        shutil.copy(other, path)
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
        path.write_bytes({"cut": data[:middle], "a bit": flipped, "empty": b""}[damage])
    assert seen("once") == cold
    assert seen("once") == [0, *cold[1:]]


def test_a_folder_that_is_only_read_gives_what_lies_there(seen: Any, mounted: Callable[[str], Path]) -> None:
    place = mounted("size=4m")
    seen = partial(seen, NUMBA_CACHE_DIR=str(place))
    cold = seen("once")
    assert cold[2] == []
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    assert seen("once") == [0, *cold[1:]]
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    for path in files(place):
        path.write_bytes(b"damaged")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    compiled, code, said = seen("once")
    assert (compiled, code) == (1, cold[1])
    assert "cannot be kept on disk" in said[0]
    assert "Read-only file system" in said[0]


def test_another_numba_and_a_full_disk_compile_as_before(seen: Any) -> None:
    found = seen("otherwise")
    counts = {name: call[0] for name, call in found.items()}
    assert counts == {
        "no pickling": 1,
        "no pickling again": 1,
        "no unpickling": 1,
        "full": 1,
        "room": 1,
        "room again": 0,
    }
    said = {name: call[2] for name, call in found.items()}
    (full,) = said.pop("full")
    assert "No space left" in full
    assert not any(said.values())
    assert len({str(call[1]) for call in found.values()}) == 2  # of 3 and of 5


@pytest.mark.slow
def test_all_that_layers_do_is_kept(seen: Any) -> None:
    cold, warm = seen("layers"), seen("layers")
    assert cold["compiled"]["kernels"] > 20
    assert warm == {"compiled": NONE, "names": cold["names"]}
