"""From a kernel to the code that a GPU loads, on the way that it takes at run time: compiled and linked, without a GPU."""

import types

import pytest

from numba_rnn.cells import LSTM
from numba_rnn.kernels.cuda import toolkit
from numba_rnn.kernels.cuda.ops import build_activations
from numba_rnn.kernels.cuda.scan_grid import build_scan_grid

from .sass import needs_compiler

pytestmark = needs_compiler


def test_a_cooperative_kernel_is_linked(monkeypatch):
    """With the device's runtime library, and as the budgets have it: without optimizing while linking."""
    from numba import boolean, float32, int32, int64

    dispatcher = pytest.importorskip("numba.cuda.dispatcher")
    codegen = pytest.importorskip("numba.cuda.codegen")
    device = types.SimpleNamespace(compute_capability=(9, 0), id=0)
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: device)
    monkeypatch.setattr(dispatcher._Kernel, "bind", lambda self: None)
    monkeypatch.setattr(codegen.devices, "get_context", lambda *_: types.SimpleNamespace(device=device))

    functions, update = build_activations("float32"), toolkit.device_function(LSTM.update)
    scan = build_scan_grid(
        toolkit.float32, 4, 4, 2, 0, 128, 8, 1, update, update, functions["tanh"], functions["sigmoid"]
    )
    three, four = float32[:, :, ::1], float32[:, :, :, ::1]
    signature = four, boolean[:, ::1], three, three, three, four, three, four, int32[::1], int64, int64, int64
    compiled = toolkit.kernel(scan, 256).compile(signature)
    assert compiled.cooperative
    assert not compiled._codelibrary._lto
    assert len(compiled._codelibrary.get_cubin(cc=(9, 0)).code) > 1000
