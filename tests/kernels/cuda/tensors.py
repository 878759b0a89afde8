"""Kernels on tensor cores in the simulator, beside the oracle."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.kernels.backend import ScanOptions
from numba_rnn.kernels.cuda.launch import Launch
from numba_rnn.kernels.cuda.scan_cluster import build_scan_cluster
from numba_rnn.kernels.cuda.scan_tensor import build_scan_tensor
from numba_rnn.kernels.cuda.tiles import SLICES, groups_of, padded_units

from .calls import Call, made, scanned

__all__ = [
    "ERRORS",
    "KINDS",
    "MASKS",
    "NAMES",
    "Given",
    "check",
    "check_seeds",
    "cluster_launch",
    "kinds",
    "part_of",
    "tensor_launch",
]

NAMES = "gru", "lstm", "simple_rnn"
MASKS = None, "random", "none counts", "rows"
KINDS = [ScanOptions(*bits) for bits in itertools.product((False, True), repeat=3)]

# The largest error of a few steps of cells whose sums are of about one: of 11 bits, of 8, and of twice 8.
ERRORS = {"tf32": 1e-3, "bf16": 1e-2, "bf16x3": 1e-5}


@dataclasses.dataclass(frozen=True)
class Given(Call):
    """A call whose numbers are given, as `Call.drawn` has them."""

    numbers: Any = None

    @property
    def drawn(self) -> Any:
        """The numbers."""
        return self.numbers


def part_of(call: Call, rows: slice) -> Given:
    """The same call of some of its sequences, without a mask."""
    cells, x, _, states = call.drawn
    numbers = cells, x[rows], None, states[:, :, rows]
    return Given(**(vars(call) | {"B": x[rows].shape[0], "numbers": numbers}))


def kinds(rest: bool) -> list[tuple[int, ScanOptions]]:
    """Half of the options, in which each is on and off; or the rest of them; numbered."""
    return [(i, options) for i, options in enumerate(KINDS) if (i in (0, 2, 5, 7)) != rest]


def tensor_launch(
    call: Call, precision: str, groups: int = 1, warps: int = 2, slices: int = 1
) -> tuple[Callable[..., Any], Launch]:
    """The factory and a launch of the kernel that the whole GPU runs."""
    padded = padded_units(call.H)
    grid = slices * padded // (8 * groups), call.N
    work = call.N, call.T + 1, call.B, padded
    return build_scan_tensor, Launch(
        "tensor", (call.H, groups, warps, precision), grid, 32 * warps, 32 * warps, work, True, call.T
    )  # fmt: skip


def cluster_launch(call: Call, precision: str, blocks: int = 4) -> tuple[Callable[..., Any], Launch]:
    """The factory and a launch of the kernel that clusters run."""
    grid, threads = (blocks * math.ceil(call.B / 8), call.N), 32 * SLICES * groups_of(call.H, blocks)
    return build_scan_cluster, Launch(
        "cluster", (call.H, blocks, precision), grid, threads, threads, (1, 1, 1, 1), False, call.T
    )


def check(
    call: Call,
    launched: tuple[Callable[..., Any], Launch],
    pieces: tuple[int, ...] = (),
    bound: float | None = None,
    **how: Any,
) -> tuple[Any, Any]:
    """The kernel's y and states, once they are near the oracle's."""
    build, launch = launched
    actual = scanned(made(build, call, launch.parameters), call, launch, pieces, **how)
    bound = ERRORS[str(launch.parameters[-1])] if bound is None else bound
    for a, b in zip(actual, call.expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)
    return actual


def check_seeds(call: Call, launched: tuple[Callable[..., Any], Launch], seeds: int, **how: Any) -> None:
    """`check` by several seeds."""
    for seed in range(seeds):
        check(call, launched, seed=seed, **how)
