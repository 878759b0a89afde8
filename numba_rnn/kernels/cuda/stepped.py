"""A scan step by step: a library multiplies all sequences' h by the recurrent weights, then a kernel computes their gates."""

from __future__ import annotations

from typing import Any

from numba_rnn.config import settings
from numba_rnn.kernels.backend import Recurrence
from numba_rnn.kernels.cuda.compiled import Compiled
from numba_rnn.kernels.cuda.driver import Driver
from numba_rnn.kernels.cuda.launch import Launch

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
    stream: Any,
) -> None:
    """Put the steps of xw onto a stream.

    Args:
        recurrence, launch: of a call; the launch is of `plan_steps`.
        recurrent: (N, H, G*H).
        arrays: xw, mask, biases, extra, states, y, work, as `build_scan_step` has them.
        start, T, flags: as `scan` has them.
    """
    xw, *_, states, _, work = arrays
    N, _, n, columns = xw.shape
    H = states.shape[3]
    first = (recurrence.spec.first or columns // H) * H

    def products(h: list[Any], begin: int, end: int) -> list[Any]:
        """Of each cell's h (1, B, H) with these columns of its recurrent weights."""
        targets = (work[cell : cell + 1, :, begin:end] for cell in range(N))
        weights = (recurrent[cell, :, begin:end] for cell in range(N))
        return [
            driver.product(x, w, z, settings.precision, stream) for x, w, z in zip(h, weights, targets, strict=True)
        ]

    phases = [(products([states[cell, :1] for cell in range(N)], 0, first), compiled.scan(recurrence, launch))]
    if first < columns:  # the gates after `first` multiply what the first ones make of h
        replaced = [work[cell : cell + 1, :, columns:] for cell in range(N)]
        phases.append((products(replaced, first, columns), phases[0][1]))
        phases[0] = phases[0][0], compiled.scan(recurrence, launch._replace(parameters=(0,)))
    for i in range(n):
        for multiplications, kernel in phases:
            for multiply in multiplications:
                multiply()
            driver.launch(kernel, launch.grid, launch.threads, stream, *arrays, i, start, T, flags)
