"""The files of compiled kernels: another version's, several writers, readers beside a writer.

Each test fails with numba's own `IndexDataCacheFile` in place of `KernelFiles`. Damage is tested with what is compiled, in
`cpu/test_disk.py` and `cuda/test_disk.py`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from numba_rnn.kernels.disk import KernelFiles


def test_another_version_finds_nothing_and_leaves_what_there_is(tmp_path: Path) -> None:
    one, other = (KernelFiles(tmp_path, "kernel", "stamp") for _ in range(2))
    other._version = "0.0.1"
    later = KernelFiles(tmp_path, "kernel", "another stamp")
    one.save("key", [1])
    assert other.load("key") is later.load("key") is None
    other.save("key", [2])
    later.save("key", [3])
    assert (one.load("key"), other.load("key"), later.load("key")) == ([1], [2], [3])


def test_flush_forgets_one_functions_kernels(tmp_path: Path) -> None:
    one, other = (KernelFiles(tmp_path, name, "stamp") for name in ("one", "other"))
    for saved in (one, other):
        saved.save("key", 1)
    one.flush()
    assert (one.load("key"), other.load("key")) == (None, 1)


def test_who_fills_the_cache_at_once_never_gets_anothers_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba's own loses kernels here, and gives one for another: the index that names a file is read before it is written."""
    whole = KernelFiles._open_for_write

    def slow(self: KernelFiles, path: Any) -> Any:
        time.sleep(0.01)
        return whole(self, path)

    monkeypatch.setattr(KernelFiles, "_open_for_write", slow)
    keys = [(f"key {n}",) for n in range(24)]

    def fill(some: Any) -> None:
        own = KernelFiles(tmp_path, "kernel", "stamp")
        for key in some:
            own.save(key, [key] * 1000)

    threads = [threading.Thread(target=fill, args=(keys[n::4] + keys[:2],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = KernelFiles(tmp_path, "kernel", "stamp")
    assert all(found.load(key) == [key] * 1000 for key in keys)
    assert len(list(tmp_path.iterdir())) == len(keys)  # and nothing half written is left


def test_a_kernel_that_is_written_again_is_there_all_along(tmp_path: Path) -> None:
    """Whoever reads meanwhile finds the old file or the new one, whole: `save` puts it there at once."""
    own, data, done = KernelFiles(tmp_path, "kernel", "stamp"), [bytes(1 << 20)], threading.Event()
    own.save("key", data)

    def write() -> None:
        while not done.is_set():
            own.save("key", data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            assert KernelFiles(tmp_path, "kernel", "stamp").load("key") == data
    finally:
        done.set()
        writer.join()
