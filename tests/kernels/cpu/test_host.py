"""What follows from the processor: vector width and tile shapes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from numba_rnn import config
from numba_rnn.kernels.cpu import host


def test_lanes_can_be_forced(monkeypatch):
    for lanes in (4, 8, 16):
        monkeypatch.setattr(config.settings, "lanes", lanes)
        assert host.lanes_of(np.dtype("float32")) == lanes
        assert host.lanes_of(np.dtype("float64")) == lanes // 2


@pytest.mark.parametrize(
    ("features", "lanes"),
    [("+avx512vl,+avx2", 16), ("+avx2,+fma", 8), ("+sse2", 4), ("+neon", 4), ("+avx2,-avx512vl", 8)],
)
def test_lanes_follow_what_numba_compiles_for(features, lanes):
    env = {**os.environ, "NUMBA_CPU_FEATURES": features, "NUMBA_RNN_LANES": "0"}
    code = "from numba_rnn.kernels.cpu.host import vector_bytes; print(vector_bytes() // 4)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) == lanes


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("gates", range(1, 7))
def test_tiles_fit_the_registers(lanes, gates):
    shape = host.tile_shape(lanes * 4, gates)
    registers = 32 if lanes == 16 else 16
    held = min(shape.tall, shape.panels * gates)
    assert shape.tall * shape.panels * gates + held + 1 <= registers
    assert 1 <= shape.short <= shape.tall
    assert 2 * shape.short >= shape.tall
    assert shape.row_panels >= 1


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_tiles_of_rows_fit_the_registers(lanes):
    shape = host.rows_shape(lanes * 4)
    assert (shape.tall + 1) * shape.panels + 1 <= (32 if lanes == 16 else 16)
    assert 1 <= shape.short <= shape.tall <= 2 * shape.short


def test_cache_size_is_plausible():
    assert 1 << 15 <= host.l2_bytes() <= 1 << 28
