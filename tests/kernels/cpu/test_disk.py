"""Whatever happens to the kernels on disk, a process ends with right numbers: damage, full or missing folders, races.

Each test fails with numba's own `IndexDataCacheFile` in place of `KernelFiles`, or says what else it guards. Those of the files
alone are in `../test_disk.py`.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

import numba_rnn
from numba_rnn.config import settings
from numba_rnn.kernels.cpu.jit import compile_for, kernel

ROOT = Path(numba_rnn.__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(settings, "cache", True)
    return tmp_path


def build(n):
    @kernel()
    def times(a):
        return a * n

    return times


def run(n=3):
    """A kernel's number, and whether it came from the disk."""
    times = build(n)
    return compile_for(times, "a test", 7)(7), bool(times.stats.cache_hits)


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def cut(data):
    return data[: len(data) // 2]


def cut_in_the_seal(data):
    return data[:-5]


def flipped(data):
    """One bit, in the machine code: what would be run."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


DAMAGE = {
    "cut": cut,
    "cut in the seal": cut_in_the_seal,
    "empty": lambda data: b"",
    "short": lambda data: b"\x80",
    "a bit": flipped,
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
    "zeros": lambda data: bytes(len(data)),
    "more": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_as_if_it_never_was(damage, folder):
    assert run() == (21, False)
    for path in files(folder):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert run() == (21, False)
    assert run() == (21, True)  # what was damaged is whole again


def test_a_kernel_under_anothers_name_is_not_run(folder):
    run(3)
    (three,) = files(folder)
    run(5)
    (five,) = set(files(folder)) - {three}
    shutil.copy(five, three)
    assert run(3) == (21, False)
    assert run(5) == (35, True)


def test_folders_in_the_files_places(folder):
    run()
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    with pytest.warns(RuntimeWarning, match="cannot be kept on disk"):
        assert run() == (21, False)


MODULE = '''
"""A kernel in a file, for a process of its own."""
import sys, time, warnings
from numba_rnn.kernels.cpu.jit import compile_for, kernel

def build(n):
    @kernel()
    def times(a):
        return a * n
    return times

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    while time.time() < float(sys.argv[1]):  # all at once
        pass
    kernels = [build(n) for n in (2, 3)]
    assert [compile_for(k, "a test", 7)(7) for k in kernels] == [14, 21]
print(sum(bool(k.stats.cache_hits) for k in kernels), *(str(c.message) for c in caught))
'''


def start(script, folder, at=0.0, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder), "NUMBA_RNN_CACHE": "1", **environment}
    env = {k: v for k, v in env.items() if v is not None}
    command = [sys.executable, "-W", "error", str(script), str(at)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    hits, _, said = out.strip().partition(" ")
    return int(hits), said


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "own" / "script.py"
    path.parent.mkdir()
    path.write_text(MODULE)
    return path


def test_processes_that_race_to_fill_an_empty_cache(script, tmp_path):
    at = time.time() + 3
    for process in [start(script, tmp_path / "cache", at) for _ in range(4)]:
        assert end(process)[1] == ""
    assert end(start(script, tmp_path / "cache")) == (2, "")


def test_a_disk_that_fills(script, mounted):
    """Guards `compile_for`, which takes the error of a disk that is full for what it is."""
    place = mounted("size=64k")
    place.joinpath("rest").write_bytes(bytes(60 << 10))
    hits, said = end(start(script, place))
    assert hits == 0
    assert "cannot be kept on disk" in said
    assert "No space left" in said
    place.joinpath("rest").unlink()
    assert end(start(script, place)) == (0, "")
    assert end(start(script, place)) == (2, "")


def test_a_folder_that_is_only_read_gives_what_lies_there(script, mounted):
    """Guards `_GivenFolder`: numba goes elsewhere, or compiles in every process anew."""
    place = mounted("size=1m")
    assert end(start(script, place)) == (0, "")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    assert end(start(script, place)) == (2, "")
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    for path in files(place):
        path.write_bytes(cut(path.read_bytes()))
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    hits, said = end(start(script, place))
    assert hits == 0
    assert "Read-only file system" in said


def test_no_home_and_no_other_place(script):
    """Guards `kernel`, which takes numba's refusal for what it is."""
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/none")
    hits, said = end(start(script, "", NUMBA_CACHE_LOCATOR_CLASSES="UserWideCacheLocator", **nowhere))
    assert hits == 0
    assert "Set NUMBA_CACHE_DIR to a folder that can be written" in said
    hits, said = end(start(script, "/dev/null/none", HOME="/dev/null/none"))  # beside the script, then
    assert (hits, said) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["none", *DAMAGE])
def test_models_with_a_damaged_cache_shared_by_processes(damage, tmp_path):
    """The exhaustive twin: a model of many kernels, four processes at once, an empty cache or one whose files are all damaged."""
    script = tmp_path / "own.py"
    script.write_text(WHOLE)
    cache = tmp_path / "cache"
    if damage != "none":
        assert end(start(script, cache))[1] == ""
        for path in files(cache):
            path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for process in [start(script, cache, time.time() + 3) for _ in range(4)]:
        assert end(process)[1] == ""
    assert end(start(script, cache))[1] == ""


WHOLE = '''
"""A model's numbers against the reference's."""
import sys, time
import numpy as np
from numba_rnn import Input, Sequential, config, layers, utils

utils.set_random_seed(1)
model = Sequential([
    Input((None, 3)), layers.LSTM(5, return_sequences=True), layers.LSTM(5, activation="relu", return_sequences=True),
    layers.GRU(4, return_sequences=True), layers.GRU(4, activation="relu"), layers.Dense(2),
])
x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
with config.device("reference"):
    want = model.predict_on_batch(x)
while time.time() < float(sys.argv[1]):
    pass
for _ in range(2):
    np.testing.assert_allclose(model.predict_on_batch(x), want, atol=1e-6)
print(0)
'''
