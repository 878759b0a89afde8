"""A scan step by step: a library multiplies all sequences' h by the recurrent weights, then a kernel computes their gates."""

from __future__ import annotations

from typing import Any

from numba_rnn.kernels.backend import Recurrence
from numba_rnn.kernels.cuda.compiled import Compiled
from numba_rnn.kernels.cuda.driver import Driver
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.memory import part_of

__all__ = ["run_steps"]


def run_steps(
    driver: Driver,
    compiled: Compiled,
    recurrence: Recurrence,
    launch: Launch,
    recurrent: Any,
    arrays: tuple[Any, ...],
    start: int,
    T: int,
    flags: int,
    precision: str,
    stream: Any,
) -> None:
    """Put the steps of xw onto a stream.

    Args:
        recurrence, launch: of a call; the launch is of `plan_steps`.
        recurrent: (N, H, G*H).
        arrays: xw, mask, biases, extra, states, y, work, as `build_scan_step` has them.
        start, T, flags: as `scan` has them.
        precision: of the products.
    """
    xw, *_, states, _, work = arrays
    N, _, n, columns = xw.shape
    H = states.shape[3]
    first = (recurrence.spec.first or columns // H) * H

    def products(h: list[Any], begin: int, end: int) -> list[Any]:
        """Of each cell's h (1, B, H) with these columns of its recurrent weights."""
        out = []
        for cell, x in enumerate(h):
            w = part_of(recurrent, cell, slice(None), slice(begin, end))
            z = part_of(work, one(cell), slice(None), slice(begin, end))
            out.append(driver.product(x, w, z, precision, stream))
        return out

    def kernel(phase: int) -> Any:
        return compiled.scan(recurrence, launch._replace(parameters=(phase,)))

    begun = products([part_of(states, cell, one(0)) for cell in range(N)], 0, first)
    phases = [(begun, kernel(1))]
    if first < columns:  # the gates after `first` multiply what the first ones make of h
        replaced = [part_of(work, one(cell), slice(None), slice(columns, None)) for cell in range(N)]
        phases = [(begun, kernel(0)), (products(replaced, first, columns), kernel(1))]
    for i in range(n):
        for multiplications, then in phases:
            for multiply in multiplications:
                multiply()
            driver.launch(then, launch.grid, launch.threads, stream, *arrays, i, start, T, flags)


def one(place: int) -> slice:
    """A place of an axis that stays."""
    return slice(place, place + 1)
