"""Kernels on disk: found there without loading what only a compiler needs; where the disk will not have them, they still run."""

import os
import subprocess
import sys

import pytest

RUN = """
import resource, warnings, numpy as np
from numba_rnn import functional
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, 1 << 12))  # like a full disk: no file grows past this
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    x, w = np.ones((2, 3), "float32"), np.ones((3, 5), "float32")
    assert (functional.linear(x, w) == 3).all()
print(*(c.category.__name__ + ": " + str(c.message) for c in caught))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits here")
@pytest.mark.parametrize(
    ("limit", "environment", "said"),
    [
        (False, {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": ""}, "RuntimeWarning"),
        (True, {}, "RuntimeWarning"),
        (True, {"NUMBA_RNN_CACHE": "0"}, ""),
    ],
)
def test_kernels_run_where_they_cannot_be_kept(tmp_path, limit, environment, said):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment}
    code = RUN.format(limit=limit)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said)
    assert ("NUMBA_CACHE_DIR" in done.stdout) == bool(said)


FIND = """
import sys, numpy as np
from numba_rnn import functional
x, w = np.ones((2, 3), "float32"), np.ones((3, 5), "float32")
assert (functional.linear(x, w) == 3).all()
print("numba.np.arraymath" in sys.modules or "scipy.linalg" in sys.modules)
"""
COMPILE = """
assert (functional.linear(x.astype("float64"), w.astype("float64")) == 3).all()
from numba import njit
assert njit(lambda a: np.sort(a).sum())(x[0]) == 3
"""


def test_a_kernel_on_disk_is_found_without_loading_what_a_compiler_needs(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_RNN_CACHE": "1"}
    for code, loaded in ((FIND, True), (FIND, False), (FIND + COMPILE, False)):  # the last goes on to compile
        command = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [str(loaded)]
