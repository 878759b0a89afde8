"""What `test_disk.py` runs in a process whose CUDA driver is `no_gpu.c`; prints what it saw as JSON."""

from __future__ import annotations

import ctypes
import hashlib
import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from no_gpu import LIBRARY, cell_of, models
from no_gpu_launching import given, noted

from numba_rnn import config
from numba_rnn.cells import CELLS, CellSpec
from numba_rnn.functional import ScanOptions
from numba_rnn.kernels.cuda import blas, disk, launching, machine, toolkit
from numba_rnn.kernels.cuda.compiled import Compiled
from numba_rnn.kernels.cuda.driver import Hardware
from numba_rnn.kernels.cuda.launch import Call
from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.plan_exact import plan_general
from numba_rnn.kernels.disk import KernelFiles

SHAPES = {  # of the calls: cell, D, H, B, T, precision
    "block": ("lstm", 8, 20, 3, 5, "fp32"),
    "cluster": ("lstm", 16, 64, 2, 4, "bf16"),
    "general": ("gru", 8, 20, 3, 5, "fp32"),
    "grid": ("lstm", 16, 160, 2, 4, "fp32"),
    "tensor": ("lstm", 16, 64, 8, 4, "bf16"),
    "steps": ("gru_reset_before", 8, 64, 3, 4, "fp32"),
}


class Compilations:
    """How often each part of the compiler has run: the one that infers types, the one that makes PTX, the linker."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("kernels", "ptx", "links"), 0)
        cudadrv = toolkit.cuda.cudadrv
        self._count(toolkit.cuda.dispatcher._Kernel, "__init__", "kernels")
        self._count(cudadrv.nvvm, "compile_ir", "ptx")
        self._count(cudadrv.driver._Linker, "complete", "links")

    def _count(self, place: Any, name: str, what: str) -> None:
        before = getattr(place, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            self.counts[what] += 1
            return before(*arguments, **options)

        setattr(place, name, counting)


def names() -> list[str]:
    """Of the kernels that the driver was asked for."""
    count = ctypes.c_int.in_dll(LIBRARY, "loads").value
    buffers = ((ctypes.c_char * 512) * 256).in_dll(LIBRARY, "loaded")
    return [buffers[i].value.decode() for i in range(count)]


def code_of(kernel: Any) -> list[Any]:
    """What was compiled for each signature, whole."""
    found = []
    for types, compiled in kernel._dispatcher.overloads.items():
        states = compiled.library._reduce_states()
        cubins = [cubin.code for cubin in states["cubin_cache"].values()]
        digest = hashlib.sha256(repr((states["ptx_cache"], cubins)).encode()).hexdigest()
        found.append([repr(types), states["entry_name"], compiled.cooperative, len(cubins), digest])
    return found


def scans() -> dict[str, Any]:
    """A call by each kind of kernel: what was compiled, asked for and launched with what."""
    from asv_bench.gpu.kinds import kinds

    compilations, launches, first = Compilations(), [], dict[Any, float]()
    before = launching.Kernel.launch

    def launch(self: Any, grid: Any, threads: int, stream: Any, arguments: Any) -> None:
        given(arguments)
        start, begun = len(noted(0)), time.perf_counter()
        before(self, grid, threads, stream, arguments)
        first.setdefault(self, time.perf_counter() - begun)
        # A function's handle is the driver's, and where memory lies is another in each process.
        launches.extend(
            [word if word < 1 << 40 else 0 for word in (*launch[:6], *launch[7:])] for launch in noted(start)
        )

    launching.Kernel.launch = launch  # type: ignore[method-assign]
    blas.Library.load = classmethod(lambda cls: Products())  # type: ignore[method-assign, assignment]
    planners, backend, seconds = kinds(), CUDA(), {}
    for kind, (name, D, H, B, T, precision) in SHAPES.items():
        cell = cell_of(name, D, H)
        planned = planners[kind](
            machine.size_of(cell.recurrence, 1, D, H), Call(B, T, precision), backend.driver.device
        )
        assert planned is not None, kind
        machine.plan = lambda *_, planned=planned: planned  # type: ignore[assignment]
        known = len(first)
        with config.device("auto", precision):
            prepared = backend.prepare(cell.recurrence, cell.weights)
            backend.scan(prepared, np.ones((B, T, D), np.float32), None, None, ScanOptions(return_sequences=True))
        seconds[kind] = max(list(first.values())[known:])
    kernels = backend._compiled._kernels
    return {
        "compiled": compilations.counts, "names": names(), "launches": launches, "seconds": seconds,
        "kernels": {repr(key): code_of(kernel) for key, kernel in kernels.items()},
    }  # fmt: skip


class Products:
    """A cuBLAS that multiplies nothing."""

    def product(self, *_: Any) -> Callable[[], None]:
        """Nothing to be done."""
        return lambda: None


def layers() -> dict[str, Any]:
    """All that layers do."""
    compilations = Compilations()
    models()
    return {"compiled": compilations.counts, "names": names()}


def build_writing(number: int) -> Callable[..., None]:
    """A small kernel."""
    real = toolkit.float32

    def writing(x: Any, n: int) -> None:
        x[n] = real(number)

    return writing


def cell(act: Any, rec: Any, x: Any, r: Any, s: Any, p: Any) -> Any:
    """A step of a cell that is not the library's."""
    return (act(x[0] + r[0]) + s[0],)


class Launched:
    """Small kernels, launched as by a process that has just started."""

    def __init__(self) -> None:
        self.driver, self.compilations = Hardware(), Compilations()
        self.x = self.driver.empty((8,), np.float32)

    def __call__(self, number: int = 3, key: Any = None, x: Any = None) -> list[Any]:
        """How many were compiled, what the code is, and what was said."""
        before = self.compilations.counts["kernels"]
        get = Compiled(self.driver.kernel).get
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kernel = get(key or ("writing", number), partial(build_writing, number), 64)
            self.driver.launch(kernel, (1, 1), 32, self.driver.stream(), self.x if x is None else x, 5)
        library = next(iter(kernel._dispatcher.overloads.values())).library
        (ptx,) = next(iter(library._ptx_cache.values()))
        code = re.sub(r"\b_Z\w+", "", ptx)  # names count what the process has compiled before
        return [
            self.compilations.counts["kernels"] - before,
            hashlib.sha256(code.encode()).hexdigest(),
            [str(w.message) for w in caught],
        ]


def once(capability: str = "90") -> list[Any]:
    """One small kernel on a GPU of that capability."""
    ctypes.c_int.in_dll(LIBRARY, "capability").value = int(capability)
    return Launched()()


def others() -> dict[str, Any]:
    """What is not to be found under a kernel's name: other numbers, types, threads, versions, sources; another's cell at all."""
    run = Launched()
    out: dict[str, Any] = {"cold": run(), "again": run(), "number": run(4)}
    out["types"] = run(x=run.driver.empty((8,), np.float64))
    before = toolkit.versions
    toolkit.versions = lambda: (*before()[:-1], 0)
    out["versions"] = run()
    toolkit.versions = lambda: None
    out["unknown"], out["unknown again"] = run(), run()
    toolkit.versions = before
    source = disk.source
    disk.source = lambda: source() + 1  # type: ignore[assignment]
    out["source"] = run()
    disk.source = source
    spec = CellSpec("of another", ("n",), ("h",), cell)
    try:
        asked: list[Any] = []
        compiled = Compiled(lambda function, threads, key: asked.append(key))
        recurrence = cell_of("lstm", 4, 8).recurrence
        for r in (recurrence, replace(recurrence, spec=spec)):
            compiled.scan(r, plan_general(machine.size_of(r, 1, 4, 8), Call(1, 1, "fp32"), run.driver.device))
        out["keys"] = [key is not None for key in asked]
    finally:
        del CELLS[spec.name]
    out["at last"] = run()
    return out


def otherwise() -> dict[str, Any]:
    """Numbas whose inside is another, and disks that take nothing."""
    run, kernel = Launched(), toolkit.cuda.dispatcher._Kernel
    out = {}

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError

    reduce, rebuild, write = kernel._reduce_states, kernel._rebuild, KernelFiles._open_for_write
    kernel._reduce_states = refuse
    out["no pickling"], out["no pickling again"] = run(), run()
    kernel._reduce_states = reduce
    run()
    kernel._rebuild = refuse
    out["no unpickling"] = run()
    kernel._rebuild = rebuild

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    KernelFiles._open_for_write = full
    out["full"] = run(5)
    KernelFiles._open_for_write = write
    out["room"], out["room again"] = run(5), run(5)
    return out


if __name__ == "__main__":
    config.settings.device = "cuda"
    sys.stdout.write(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])) + "\n")
