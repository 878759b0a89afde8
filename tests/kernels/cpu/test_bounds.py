"""Not one element outside of any array: each ends where a page begins that cannot be read."""

import subprocess
import sys

import pytest

GUARDED = """
import ctypes, mmap
import numpy as np
from numba_rnn.cells import CELLS
from numba_rnn.functional import prepare, scan
from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cpu.team import ALONE

libc, page = ctypes.CDLL(None), mmap.PAGESIZE
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def guarded(a):
    size = -(-a.nbytes // page) * page
    start = libc.mmap(None, size + page, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    assert libc.mprotect(start + size, page, 0) == 0
    bytes_ = (ctypes.c_uint8 * a.nbytes).from_address(start + size - a.nbytes)
    copy = np.frombuffer(bytes_, np.uint8).view(a.dtype).reshape(a.shape)
    copy[...] = a
    return copy

rng = np.random.default_rng(0)
for name in ("lstm", "gru_reset_before"):
    spec = CELLS[name]
    G, S = len(spec.gates), len(spec.states)
    for B, T, D, H in ((1, 3, 1, 1), (1, 7, 5, 21), (2, 5, 3, 8), (5, 4, 3, 33), (7, 5, 8, 16), (13, 5, 2, 130), (35, 4, 3, 9)):
        draw = lambda *shape: rng.uniform(-1, 1, shape).astype("float32")
        cell = prepare(spec, draw(D, G * H), draw(H, G * H), draw(G * H))
        x, mask, state = draw(B, T, D), rng.random((B, T)) < 0.6, tuple(draw(B, H) for _ in range(S))
        for bits in range(4):
            options = ScanOptions(bool(bits & 1), bool(bits & 2))
            y, last = scan(cell, x, mask, state, options)
            _, prepared = cell.prepared()
            for p, block in ((prepared, B), (prepared.rows, prepared.cost.together)):
                for chunk in (1, 2, T):
                    y2, last2 = guarded(y.reshape(B, -1, H) * 0), guarded(np.zeros((S, B, H), "f4"))
                    packed = (guarded(a) if a.size else a for a in p.packed)
                    inputs = guarded(x), guarded(mask), tuple(map(guarded, state))
                    p.kernel(0, ALONE, *inputs, *packed, y2, last2, options.flags, chunk, block, 1, 1)
                    assert (y2.reshape(y.shape) == y).all()
                    assert (last2 == last).all()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages as Linux does")
def test_no_access_past_an_array():
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"exit status {done.returncode} (-11: it touched a guard page)\n{done.stderr}"
