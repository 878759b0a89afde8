"""On a GPU: the same bits again and again, two Python threads at once, and no memory lost."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda import toolkit

from .conftest import SIMULATED, counts_memory

OPTIONS = ScanOptions(return_sequences=True)


def test_soak(bench: Any, m: Any) -> None:
    """10^5 steps of each kernel whose blocks wait for one another, at one shape; `python -m asv_bench.gpu` has more."""
    ran = 0
    for job in m.soak.jobs(bench):
        a = job.arguments
        if not SIMULATED and (
            a["name"] != "lstm" or a["precision"] not in ("fp32", "bf16") or a["H"] not in (1024, 256)
        ):
            continue
        row = m.soak.run(bench, **a)
        assert "wrong" not in row, (job.name, row)
        ran += "steps" in row
    assert ran


def run_of(backend: Any, m: Any, cell: Any, B: int, T: int) -> Any:
    """A call with NumPy in and out, always the same."""
    x, _, initial = m.data.sequences(cell, B, T, m.data.Call(initial=True))
    prepared = backend.prepare(cell.recurrence, *cell.weights())
    return lambda: backend.scan(prepared, x, None, initial, OPTIONS)


def test_two_threads_at_once(hardware: None, cuda: Any, m: Any) -> None:
    sizes = (8, 32, 4, 60), (16, 512, 2, 40), (16, 96, 8, 50)  # D, H, B, T
    calls = [
        run_of(cuda, m, m.data.Cell(name, "float32", D, H), B, T) for name in ("lstm", "gru") for D, H, B, T in sizes
    ]
    alone = [call() for call in calls]
    problems: list[BaseException] = []

    def work(mine: list[int]) -> None:
        try:
            for n in range(60):
                i = mine[n % len(mine)]
                for a, b in zip(calls[i](), alone[i], strict=True):
                    np.testing.assert_array_equal(a, b)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in ([0, 1, 2], [3, 4, 5], [5, 1, 0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "threads wait for one another"
    if problems:
        raise problems[0]


@counts_memory
def test_memory_does_not_grow(hardware: None, cuda: Any, m: Any) -> None:
    calls = [
        run_of(cuda, m, m.data.Cell(name, "float32", 24, H), 4, T)
        for name, H, T in (("lstm", 64, 30), ("gru", 512, 10))
    ]

    def free() -> int:
        toolkit.cuda.synchronize()
        return toolkit.cuda.current_context().get_memory_info()[0]

    for _ in range(20):
        for call in calls:
            call()
    before = free()
    for _ in range(500):
        for call in calls:
            call()
    assert before - free() < 8 << 20, f"{before - free()} bytes are gone after 1000 calls"


@pytest.mark.parametrize("kind", ["block", "general", "grid", "tensor", "cluster"])
def test_calls_of_many_shapes_do_not_disturb_one_another(bench: Any, m: Any, kind: str) -> None:
    """The pool hands arrays from call to call: what one leaves there must not reach the next."""
    if kind not in m.kinds.kinds():
        pytest.skip(f"there is no {kind} kernel")
    sizes = ((3, 5), (2, 4)) if SIMULATED else ((16, 64), (16, 96), (16, 512), (16, 384))
    cells = [m.data.Cell("lstm", "float32", D, H, N) for D, H in sizes for N in (1, 2)]
    made: list[Any] = []
    with m.kinds.forced(kind):
        for cell in cells:
            for B, T in ((1, 3), (2, 3)) if SIMULATED else ((1, 9), (7, 13), (8, 13)):
                call = run_of(bench.backend, m, cell, B, T)
                try:
                    made.append((call, call()))
                except m.kinds.RefusedError:
                    continue
        for n in np.random.default_rng(14).integers(0, len(made), 6 if SIMULATED else 60) if made else ():
            call, expected = made[n]
            for a, b in zip(call(), expected, strict=True):
                np.testing.assert_array_equal(a, b)
