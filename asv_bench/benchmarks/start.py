"""What a process pays before its first prediction: importing, compiling once, and finding what was compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

IMPORT = "import numba_rnn"
DONE = "\nprint(end='.', flush=True)"
FIRST = """
import numpy
from numba_rnn import layers
layer = layers.{layer}(128)
assert layer(numpy.ones((1, 10, 64), "float32")).shape == (1, 128)
"""


def seconds(code: str, cache: str) -> float:
    """How long a fresh interpreter takes from its start until `code` is through, its compiled kernels kept in the folder `cache`.

    Bytecode is kept as well, as that of installed packages is, whatever the environment says. What the process takes to end, once
    it has its result, does not count.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"NUMBA_CACHE_DIR": cache}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", code + DONE], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        through = process.stdout.read(1)
        taken = time.perf_counter() - start
    if not through or process.returncode:
        raise subprocess.CalledProcessError(process.returncode, code)
    return taken


def import_seconds() -> float:
    """Until `import numba_rnn` is through, the interpreter's own start included: the best of five."""
    with tempfile.TemporaryDirectory() as cache:
        return min(seconds(IMPORT, cache) for _ in range(5))


def first_prediction_seconds(layer: str) -> tuple[float, float]:
    """Until a process has predicted: the first with an empty cache, so that it compiles, then the best of three."""
    with tempfile.TemporaryDirectory() as cache:
        cold = seconds(FIRST.format(layer=layer), cache)
        return cold, min(seconds(FIRST.format(layer=layer), cache) for _ in range(3))


def track_import() -> float:
    return import_seconds()


track_import.unit = "s"


class FirstPrediction:
    """Cold and cached, a layer each."""

    params = ("SimpleRNN", "LSTM", "GRU")
    param_names = ("layer",)
    timeout = 600

    def setup_cache(self) -> dict[str, tuple[float, float]]:
        return {layer: first_prediction_seconds(layer) for layer in self.params}

    def track_cold(self, measured: dict[str, tuple[float, float]], layer: str) -> float:
        return measured[layer][0]

    def track_cached(self, measured: dict[str, tuple[float, float]], layer: str) -> float:
        return measured[layer][1]

    track_cold.unit = track_cached.unit = "s"
