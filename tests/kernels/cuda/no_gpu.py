"""What `test_hardware.py` runs in a process whose CUDA driver is `no_gpu.c`; prints what it saw as JSON."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from numba_rnn import config, functional, progress
from numba_rnn.cells import CELLS
from numba_rnn.config import settings
from numba_rnn.functional import ScanOptions
from numba_rnn.kernels.cuda import blas, launching, machine
from numba_rnn.kernels.cuda.driver import Hardware
from numba_rnn.kernels.cuda.launch import Call
from numba_rnn.kernels.cuda.machine import CUDA

LIBRARY = ctypes.CDLL("libcuda.so.1")
blas.Library.load = classmethod(lambda cls: None)  # type: ignore[method-assign, assignment]  # the real one needs a real driver


class Noted:
    """cuBLAS, as far as its arguments: (rows, columns, depth, their leading sizes, count) of each product."""

    def __init__(self) -> None:
        self.products: list[list[int]] = []

    def cublasCreate_v2(self, handle: Any) -> int:  # noqa: N802 (cuBLAS' names)
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:  # noqa: N802
        return 0

    def cublasGemmStridedBatchedEx(self, handle: Any, *a: Any) -> int:  # noqa: N802
        m, n, k, ldw, ldx, ldz, count = a[2], a[3], a[4], a[8], a[12], a[17], a[19]
        self.products.append([m, n, k, ldw, ldx, ldz, count])
        return 0


def seen() -> dict[str, Any]:
    """Launches as (grid x, y, threads, cooperative, blocks of a cluster, stream), and counts, so far."""
    count = min(4096, ctypes.c_int.in_dll(LIBRARY, "calls").value)
    launches = ((ctypes.c_int * 6) * 4096).in_dll(LIBRARY, "called")
    counts = {name: ctypes.c_int.in_dll(LIBRARY, name).value for name in ("allocations", "waits")}
    return {"launches": [list(launches[i]) for i in range(count)], **counts}


def since(before: dict[str, Any]) -> dict[str, Any]:
    """What came after."""
    now = seen()
    return {
        "launches": now["launches"][len(before["launches"]) :],
        **{name: now[name] - before[name] for name in ("allocations", "waits")},
    }


@contextmanager
def counted() -> Iterator[list[bool]]:
    """For each launch that was not numba's own, whether the driver took it."""
    before, found = launching._Loaded.launch, []

    def launch(*arguments: Any) -> bool:
        found.append(before(*arguments))
        return found[-1]

    launching._Loaded.launch = launch  # type: ignore[assignment, method-assign]
    yield found
    launching._Loaded.launch = before  # type: ignore[method-assign]


def driver() -> dict[str, Any]:
    """Every method of the hardware's driver."""
    d = Hardware()
    stream = d.stream()
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    there, other, flag = d.upload(x, stream), d.empty((2, 3), np.float32), d.flag()
    d.copy(there, other, stream)
    copied = d.download(other, stream)
    d.fill(there, 0xFF, stream)
    flag[0] = 7

    def kernel(x, flag, n):
        x[0, 0] = n
        flag[0] = 1

    announced: list[str] = []
    progress.set_listener(lambda what: nullcontext(announced.append(what)))
    made = d.kernel(kernel, 64)
    for _ in range(2):
        d.launch(made, (3, 2), 64, stream, there, flag, 5)
    progress.set_listener(None)
    sliced = d.download(d.upload(x, stream)[:, 1:], stream)
    return {
        "device": [d.device.name, list(d.device.capability), d.device.multiprocessors],
        "copied": copied.tolist(), "sliced": sliced.tolist(), "filled": bool(np.isnan(d.download(there, stream)).all()),
        "flag": int(flag[0]), "stream": int(stream), "announced": announced, **seen(),
    }  # fmt: skip


def cell_of(name: str, D: int, H: int) -> functional.Cell:
    """Of random weights."""
    rng, spec = np.random.default_rng(0), CELLS[name]
    G = len(spec.gates)
    w, u = rng.standard_normal((D, G * H)).astype(np.float32), rng.standard_normal((H, G * H)).astype(np.float32)
    return functional.prepare(spec, w, u, extra=np.zeros((len(spec.extra), H), np.float32))


def scans(kind: str) -> dict[str, Any] | None:
    """Two cells by one kind of kernel, with a mask and without: what was planned, what was launched, what a second call costs."""
    from asv_bench.gpu.kinds import kinds

    if (planner := kinds().get(kind)) is None:
        return None
    noted = Noted()
    if kind == "steps":
        blas.Library.load = classmethod(lambda cls: blas.Library(noted))  # type: ignore
    backend, out = CUDA(), {}
    for name in ("lstm", "gru_reset_before"):
        for D, H, B, T, precision in ((8, 20, 3, 5, "fp32"), (16, 160, 2, 4, "fp32"), (16, 64, 8, 4, "bf16")):
            cell = cell_of(name, D, H)
            size = machine.size_of(cell.recurrence, 1, D, H)
            launch = planner(size, Call(B, T, precision), backend.driver.device)
            if launch is None:
                continue
            machine.plan = lambda *_, launch=launch: launch  # type: ignore[assignment]
            x, mask = np.ones((B, T, D), np.float32), np.ones((B, T), np.bool_)
            with config.device("auto", precision):
                prepared = backend.prepare(cell.recurrence, cell.weights)
                first = seen()
                backend.scan(prepared, x, None, None, ScanOptions(return_sequences=True))
                backend.scan(prepared, x, mask, None, ScanOptions())
                found, second = since(first), seen()
                noted.products.clear()
                with counted() as ours:
                    backend.scan(prepared, x, mask, None, ScanOptions())
            out[f"{name} {D} {H} {B} {T} {precision}"] = {
                "planned": [*launch.grid, launch.threads, int(launch.waits)], "launches": found["launches"],
                "again": since(second), "ours": ours, "stream": int(backend.stream), "products": list(noted.products),
            }  # fmt: skip
    return out


def arrays() -> dict[str, Any]:
    """Arrays of numba's on the GPU through a layer, which neither waits nor copies."""
    from numba_rnn.kernels.cuda.toolkit import cuda
    from numba_rnn.layers import LSTM, Bidirectional, Dense
    from numba_rnn.models import Sequential

    settings.device = "auto"
    model = Sequential([Bidirectional(LSTM(5, return_sequences=True)), LSTM(6), Dense(3, activation="tanh")])
    x = cuda.to_device(np.ones((2, 4, 3), np.float32))
    y, _ = model(x), model(x)
    before = seen()
    again = model(x)
    return {"type": type(y).__name__, "shape": again.shape, **since(before)}


def models() -> dict[str, Any]:
    """Every kind of layer over arrays of numba's on the GPU, strided ones too, with masks: what a third call costs."""
    from numba_rnn import Input, Model, layers
    from numba_rnn.kernels.cuda.toolkit import cuda

    settings.device = "auto"
    tokens, x = Input((4,), dtype="int32"), Input((4, 3))
    y = layers.Embedding(9, 3, mask_zero=True)(tokens)
    y = layers.Concatenate()([y, layers.Masking()(x), layers.Multiply()([y, x])])
    y, *states = layers.Bidirectional(layers.LSTM(5, return_sequences=True, return_state=True), "ave")(y)
    y = layers.TimeDistributed(layers.Dense(5, activation="relu"))(layers.LayerNormalization()(y))
    y = layers.RNN([layers.GRUCell(4), layers.LSTMCell(5)], return_sequences=True, go_backwards=True)(y)
    y = layers.Add()([layers.BatchNormalization()(y), layers.LeakyReLU()(y), y * 2 - 1])
    pooled = layers.Maximum()(
        [layers.GlobalMaxPooling1D()(y), layers.GlobalAveragePooling1D()(y), *states[:1], y[:, ::2][:, -1]]
    )
    pooled = layers.Reshape((5, 1))(layers.Dropout(0.1)(pooled))
    last = layers.Dense(3, activation="softmax")(layers.Flatten()(layers.Permute((2, 1))(pooled)))
    model = Model([tokens, x], [last, layers.RepeatVector(2)(last), states[1]])
    given = [cuda.to_device(np.ones((2, 4), np.int64)), cuda.to_device(np.ones((2, 4, 6), np.float32))[:, :, ::2]]
    first = model.predict(given)
    model.predict(given)
    before = seen()
    with counted() as ours:
        again = model.predict(given)
    shapes = [[type(y).__name__, list(y.shape), int(y.stream)] for y in again]
    found = since(before)
    model.predict(given, batch_size=1)
    return {"outputs": shapes, "kept": len(first), "ours": ours, **found}


if __name__ == "__main__":
    settings.device = "cuda"
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])) + "\n")
