"""What the scan kernels may take of a GPU, read off their machine code: nothing here runs.

Every budget holds the number of instructions that a warp executes a step, as measured, and a tenth more.
"""

from __future__ import annotations

import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.cuda import launch as data
from numba_rnn.kernels.cuda import plan, toolkit
from numba_rnn.kernels.cuda.compiled import KERNELS
from numba_rnn.kernels.cuda.cuts import registers
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Size
from numba_rnn.kernels.cuda.scan_step import build_scan_step

from .calls import Call, made
from .sass import ARCHITECTURES, compiled, instructions, needs_compiler

pytestmark = needs_compiler

SLACK = 1.1
STEPS = {"block": 4, "grid": 1, "general": 1}  # that one turn of the time loop takes
PROLOGUE = 48  # bytes of stack, stored and loaded, before and after the time loop

# (cell, H, B): the plan's kernel and parameters on an H100, instructions a warp and step on sm_90.
BLOCK = {
    ("lstm", 32, 1): ((32, 1, 4), 114),
    ("lstm", 64, 1): ((64, 1, 2), 208),
    ("lstm", 64, 1000): ((64, 2, 2), 343),
    ("lstm", 96, 1): ((96, 1, 4), 182),
    ("lstm", 96, 1000): ((96, 4, 4), 500),
    ("lstm", 104, 1): ((104, 1, 2), 296),
    ("gru", 64, 1): ((64, 1, 2), 160),
    ("gru", 128, 1): ((128, 1, 2), 263),
    ("gru", 128, 1000): ((128, 2, 2), 475),
    ("gru_reset_before", 64, 1): ((64, 1, 2), 171),
    ("gru_reset_before", 80, 1000): ((80, 4, 4), 352),
    ("gru_reset_before", 88, 1000): ((88, 2, 2), 370),
    ("gru_reset_before", 128, 1000): ((128, 1, 2), 284),
    ("simple_rnn", 128, 1): ((128, 1, 2), 115),
    ("simple_rnn", 192, 1000): ((192, 2, 2), 276),
}
GRID = {
    ("lstm", 256, 1): ((256, 8, 1), 223),
    ("lstm", 512, 4): ((512, 8, 4), 365),
    ("lstm", 1024, 1): ((1024, 8, 1), 321),
    ("lstm", 1024, 16): ((1024, 8, 4), 438),
    ("lstm", 1056, 16): ((1056, 8, 4), 573),
    ("gru", 1024, 1): ((1024, 8, 1), 280),
    ("gru", 1024, 16): ((1024, 8, 4), 389),
    ("simple_rnn", 2112, 1): ((2112, 16, 1), 348),
}
SAMPLE = {("lstm", 64, 1), ("gru_reset_before", 64, 1), ("lstm", 96, 1000), ("lstm", 1024, 1), ("lstm", 1024, 16)}


def params(cases):
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(*case, *budget, marks=marks[case in SAMPLE]) for case, budget in cases.items()]


def built(name, H, B, capability, dtype="float32"):
    """The launch that the plan makes, and what the compiler makes of its kernel."""
    spec, item = CELLS[name], 4 if dtype == "float32" else 8
    G = len(spec.gates)
    size = Size(G, spec.first or G, len(spec.states), len(spec.extra), 1, 3, H, item)
    launch = plan.plan(size, data.Call(B, 100, "fp32"), Device("H100", (9, 0), 132))
    kernel = made(KERNELS[launch.kernel], Call(name, 1, 1, H, dtype=dtype), launch.parameters, fresh=True)
    return launch, compiled(kernel, signature(dtype), launch.threads, capability)


def signature(dtype):
    real, boolean, int64 = toolkit.real_type(dtype), toolkit.types.boolean, toolkit.types.int64
    three, four = real[:, :, ::1], real[:, :, :, ::1]
    return four, boolean[:, ::1], three, three, three, four, three, four, toolkit.int32[::1], int64, int64, int64


def assert_lean(launch, found, loop):
    """Nothing in the time loop goes to local memory, to a function or through a fence."""
    assert found.registers <= registers(launch.threads)
    assert found.spills <= PROLOGUE
    assert not {"LDL", "STL", "MEMBAR", "ERRBAR", "CCTL"} & set(loop.opcodes), loop.opcodes


def assert_no_calls(found, loop):
    """The activations of most models are a few instructions in float32; in float64, to divide takes a function."""
    body = instructions(found.sass)[0][loop.first : loop.last + 1]
    assert not [to for name, to in body if name.startswith("CALL") and "$" in to]  # to a label, it is a jump


@pytest.mark.parametrize("capability", ARCHITECTURES)
@pytest.mark.parametrize(("name", "H", "B", "parameters", "most"), params(BLOCK | GRID))
def test_time_loop(name, H, B, parameters, most, capability):
    launch, found = built(name, H, B, capability)
    assert launch.parameters == parameters
    loop = found.time_loop
    assert_lean(launch, found, loop)
    assert_no_calls(found, loop)
    assert found.doubles == set()
    spec = CELLS[name]
    steps = STEPS[launch.kernel]
    assert loop.opcodes["BAR"] == steps * (1 if spec.first is None else 2)
    assert len(loop) / steps <= most * SLACK, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("capability", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "H", "B", "dtype"),
    [
        ("lstm", 100, 1, "float32"), ("lstm", 73, 1000, "float32"), ("lstm", 72, 1, "float32"), ("gru", 88, 1, "float32"),
        ("gru", 96, 1000, "float32"), ("simple_rnn", 192, 1, "float32"), ("gru_reset_before", 96, 1, "float32"),
        ("lstm", 40, 1, "float64"), ("lstm", 64, 1, "float64"), ("lstm", 56, 1000, "float64"), ("gru", 64, 1000, "float64"),
        ("gru_reset_before", 52, 1, "float64"), ("simple_rnn", 128, 1000, "float64"),
    ],
)  # fmt: skip
def test_the_largest_cells_of_each_cut(name, H, B, dtype, capability):
    launch, found = built(name, H, B, capability, dtype)
    assert launch.kernel == "block"
    assert_lean(launch, found, found.time_loop)


@pytest.mark.parametrize("capability", ARCHITECTURES)
@pytest.mark.parametrize(("name", "phase", "most"), [("lstm", 1, 704), ("gru_reset_before", 0, 392)])
def test_one_step(name, phase, most, capability):
    kernel = made(build_scan_step, Call(name, 1, 1, 1), (phase,), fresh=True)
    real, boolean, int64 = toolkit.float32, toolkit.types.boolean, toolkit.int64
    three, four = real[:, :, ::1], real[:, :, :, ::1]
    arguments = four, boolean[:, ::1], three, three, four, three, three, *[int64] * 4
    found = compiled(kernel, arguments, 256, capability)
    assert found.spills == 0
    assert found.doubles == set()
    assert found.full.total() <= most * SLACK, str(found)
