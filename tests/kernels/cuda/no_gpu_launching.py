"""What `test_launching.py` runs in a process whose CUDA driver is `no_gpu.c`; prints what it saw as JSON."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from no_gpu import LIBRARY, counted, seen

from numba_rnn.kernels.cuda import launching, ptx, toolkit
from numba_rnn.kernels.cuda.driver import Hardware
from numba_rnn.kernels.cuda.memory import Pool


def widths(arguments: tuple[Any, ...]) -> Iterator[int]:
    """Bytes of each parameter that a kernel takes for them."""
    for argument in arguments:
        if isinstance(argument, tuple):
            yield from widths(argument)
        elif isinstance(argument, int | np.number):
            yield np.asarray(argument).itemsize
        else:
            yield from (8,) * (5 + 2 * argument.ndim)


def given(arguments: tuple[Any, ...]) -> None:
    """Let the driver note the parameters of launches with such arguments, from now on."""
    found = bytes(widths(arguments))
    (ctypes.c_ubyte * 251).in_dll(LIBRARY, "sizes")[: len(found) + 1] = [*found, 0]


def noted(start: int) -> list[list[int]]:
    """All that the driver was given with each launch after the first so many."""
    words = ((ctypes.c_uint64 * 256) * 4096).in_dll(LIBRARY, "given")
    width = 5 + bytes((ctypes.c_ubyte * 251).in_dll(LIBRARY, "sizes")).index(0)
    return [[*launch, *words[i][:width]] for i, launch in enumerate(seen()["launches"]) if i >= start]


def writing(x: Any, mask: Any, flag: Any, n: int, p: float, places: tuple[int, ...]) -> None:
    """A kernel."""
    flag[0] = n


def waiting(x: Any, mask: Any, flag: Any, n: int, p: float, places: tuple[int, ...]) -> None:
    """A kernel whose blocks may wait for one another."""
    ptx.cooperative()
    flag[0] = n


def launches() -> dict[str, Any]:
    """Launches by the library and the same by numba: whether the driver was given the same, and which were not numba's."""
    d = Hardware()
    stream, pool, flag = d.stream(), Pool(d), d.flag()
    x, mask = d.upload(np.ones((4, 6), np.float32), stream), d.upload(np.ones((4, 6), np.bool_), stream)
    described = x.__cuda_array_interface__
    pooled = pool.take((4, 6), np.float32)
    arrays = {
        "contiguous": (x, mask), "rows": (x[1:3], mask[1:2]), "columns": (x[:, 1:3], mask), "steps": (x[::2, ::3], mask[:, ::2]),
        "one column": (x[:, :1], mask), "Fortran's": (toolkit.cuda.to_device(np.ones((4, 6), np.float32, order="F")), mask),
        "adopted": (d.adopt(described, x), mask), "spread": (d.adopt(described | {"strides": (0, 4)}, x), mask),
        "backwards": (d.adopt(described | {"strides": (24, -4)}, x), mask), "float64": (d.empty((4, 6), np.float64), mask),
        "new axes": (x.reshape(2, 3, 4), mask), "pooled": (pooled, mask), "empty": (d.empty((0, 6), np.float32), mask),
    }  # fmt: skip
    out: dict[str, Any] = {}
    kernels = {function.__name__: d.kernel(function, 64) for function in (writing, waiting)}

    def compare(name: str, kernel: Any, arguments: tuple[Any, ...], where: Any = stream) -> None:
        given(arguments)
        with counted() as ours:
            start = len(seen()["launches"])
            for _ in range(3):
                d.launch(kernel, (3, 2), 64, where, *arguments)
            kernel._dispatcher[(3, 2), 64, where](*arguments)
        found = noted(start)
        out[name] = {"given": found[2], "numba": found[3], "ours": ours, "cooperative": found[2][3]}

    numbers = -7, np.float32(0.1), (5, -(2**40), 3)
    for name, (a, b) in arrays.items():
        compare(name, kernels["writing"], (a, b, flag, *numbers))
    for name in ("contiguous", "steps"):
        compare(f"{name}, waiting", kernels["waiting"], (*arrays[name], flag, *numbers))
    pool.give(pooled)
    compare("pooled again", kernels["writing"], (pool.take((4, 6), np.float32), mask, flag, *numbers))
    compare("default stream", kernels["writing"], (x, mask, flag, *numbers), d.external(1))
    compare("other numbers", kernels["writing"], (x, mask, flag, 2**62, np.float64(0.1), (1, (2, 3))))
    compare("unsigned", kernels["writing"], (x, mask, flag, 2**63, *numbers[1:]))
    return out


def threads() -> dict[str, Any]:
    """Two threads launch one kernel, each onto its own stream: whether each stream got what it was given, in order."""
    d, times = Hardware(), 200
    kernel, flag = d.kernel(writing, 64), d.flag()
    mask = d.empty((4, 6), np.bool_)
    jobs = [(d.stream(), d.empty((B, 6), np.float32)) for B in (3, 5)]
    words = [(flag, 0, np.float32(B), (B, B, B)) for B in (3, 5)]
    given((jobs[0][1], mask, *words[0]))
    d.launch(kernel, (1, 1), 32, jobs[0][0], jobs[0][1], mask, *words[0])  # compiled

    def run(job: int) -> None:
        (stream, x), (_, _, p, places) = jobs[job], words[job]
        for n in range(times):
            d.launch(kernel, (job + 1, 1), 32, stream, x, mask, flag, n, p, places)

    ctypes.c_int.in_dll(LIBRARY, "pause_us").value = 20  # in which the other thread launches, too
    start = len(seen()["launches"])
    with counted() as ours:
        workers = [threading.Thread(target=run, args=(job,)) for job in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    found = noted(start)
    good = []
    for job, (stream, x) in enumerate(jobs):
        mine = [launch for launch in found if launch[5] == int(stream)]
        B, pointer = x.shape[0], x.device_ctypes_pointer.value
        at = 6 + 5  # where the parameters begin: x, mask, flag and n, p, places
        good.append(
            len(mine) == times
            and all(
                (launch[0], launch[at + 2], launch[at + 4], launch[at + 25 : at + 27], launch[-3:])
                == (job + 1, 6 * B, pointer, [n, int(np.float32(B).view(np.uint32))], [B] * 3)
                for n, launch in enumerate(mine)
            )
        )
    return {"good": good, "ours": [ours.count(True), ours.count(False)], "times": times}


def refused() -> dict[str, Any]:
    """What the driver refuses, and numbas whose inside is another: launches that are left to numba."""
    d = Hardware()
    stream, out = d.stream(), dict[str, Any]()
    arguments = d.empty((4, 6), np.float32), d.empty((4, 6), np.bool_), d.flag(), 1, np.float32(1), (1, 2, 3)

    def launch(times: int) -> list[bool]:
        kernel = d.kernel(writing, 64)
        with counted() as ours:
            for _ in range(times):
                d.launch(kernel, (1, 1), 32, stream, *arguments)
        return ours

    start = len(seen()["launches"])
    compiled, driver = toolkit.cuda.dispatcher._Kernel, launching.driver
    before = compiled._prepare_args

    def other(self: Any, kind: Any, value: Any, stream: Any, after: Any, found: list[Any]) -> None:
        before(self, kind, value, stream, after, found)
        found.append(0)

    compiled._prepare_args = other
    out["other parameters"] = launch(3)
    compiled._prepare_args, launching.driver = before, None
    out["no driver"] = launch(3)
    launching.driver = driver
    out["launches"] = len(seen()["launches"]) - start
    kernel = d.kernel(writing, 64)
    d.launch(kernel, (1, 1), 32, stream, *arguments)
    ctypes.c_int.in_dll(LIBRARY, "refusal").value = 720
    try:
        d.launch(kernel, (1, 1), 32, stream, *arguments)
    except Exception as error:
        out["error"] = str(error)
    return out


if __name__ == "__main__":
    sys.stdout.write(json.dumps(globals()[sys.argv[1]]()) + "\n")
