"""Launches, as plain arithmetic: every unit and sequence has its threads, and nothing takes more than the device has."""

import dataclasses
import itertools
import math

import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.cuda import launch as module
from numba_rnn.kernels.cuda.cuts import grid_registers, grid_shared, lane_width, registers, slice_pitch, slice_width
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Size
from numba_rnn.kernels.cuda.plan import plan

H100, A100, SMALL = Device("H100", (9, 0), 132), Device("A100", (8, 0), 108), Device("small", (8, 6), 10)
UNITS = (*range(1, 300), *range(300, 1100, 7), 1023, 1024, 1056, 1057, 1792, 2048, 2112, 2113, 4096)
BATCHES = 1, 2, 3, 4, 5, 8, 15, 16, 17, 131, 132, 133, 264, 1000, 100_000


def sizes(H, N=1, item=4):
    for spec in CELLS.values():
        G = len(spec.gates)
        yield Size(G, spec.first or G, len(spec.states), len(spec.extra), N, 3, H, item)


def launches(device, batches=BATCHES, T=1000):
    for H, N, item in itertools.product(UNITS, (1, 2), (4, 8)):
        for size, B in itertools.product(sizes(H, N, item), batches):
            yield size, Call(B, T, "fp32"), plan(size, Call(B, T, "fp32"), device)


@pytest.mark.parametrize("device", [H100, A100, SMALL], ids=lambda device: device.name)
def test_every_launch_has_room(device):
    seen = set()
    for size, call, launch in launches(device):
        seen.add(launch.kernel)
        assert launch.grid[1] == min(size.N, launch.cells)
        assert 1 <= launch.steps <= call.T
        assert launch.threads % 32 == 0
        assert 32 <= launch.threads <= 1024
        {"block": check_block, "grid": check_grid, "steps": check_steps, "general": check_general}[launch.kernel](
            size, call, launch, device
        )
        xw = size.N * call.B * launch.steps * size.G * size.H * size.item
        work = math.prod(launch.work) * size.item if launch.waits else 0
        one = size.N * call.B * (size.G + 2) * (size.H + 3) * size.item  # a step has to run, however large
        assert xw + work <= max(module.WORKSPACE, 2 * one)
    assert seen == {"block", "grid", "steps", "general"}


def check_block(size, call, launch, device):
    H, rows, lanes = launch.parameters
    assert H == size.H
    assert rows <= lanes <= 4
    assert rows & (rows - 1) == lanes & (lanes - 1) == 0
    assert (launch.grid[0] - 1) * rows < call.B <= launch.grid[0] * rows
    assert launch.threads - 32 < lanes * H <= launch.threads
    width = lane_width(H, lanes, size.item)
    assert lanes * width >= H
    assert width * size.item % 16 == 0
    assert width <= slice_pitch(width)
    assert slice_pitch(width) // 4 % 2 == 1
    assert size.G * width * size.item // 4 < registers(launch.threads)
    assert 3 * rows * lanes * slice_pitch(width) * size.item <= module.SHARED
    assert not launch.waits


def check_grid(size, call, launch, device):
    H, units, rows = launch.parameters
    assert H == size.H
    assert (size.item, size.two_phases) == (4, False)
    padded = launch.work[3]
    assert padded - 3 <= H <= padded
    assert padded % 4 == 0
    assert (launch.grid[0] - 1) * units < padded <= launch.grid[0] * units
    assert launch.grid[0] * launch.grid[1] <= device.multiprocessors  # all blocks at once: they wait for one another
    assert launch.waits
    assert launch.work[:3] == (launch.cells, launch.steps + 1, math.ceil(min(call.B, launch.rows) / rows) * rows)
    assert launch.rows <= 16
    assert len(launch.parts(size.N, call.B)) == size.N // launch.cells * math.ceil(call.B / launch.rows)
    assert 8 * slice_width(H, size.G, units) >= padded
    assert rows * units <= launch.threads
    assert grid_registers(H, size.G, units) <= 160 < registers(launch.threads)
    assert grid_shared(H, size.G, size.S, units, rows) <= module.SHARED


def check_steps(size, call, launch, device):
    assert device.blas
    assert launch.grid[0] == call.B * math.ceil(size.H / launch.threads)
    assert launch.work[:2] == (size.N, call.B)
    assert launch.work[2] == (size.G + size.two_phases) * size.H
    assert not launch.waits


def check_general(size, call, launch, device):
    (rows,) = launch.parameters
    assert (launch.grid[0] - 1) * rows < call.B <= launch.grid[0] * rows
    assert launch.work == (3, size.N, call.B, size.H)
    assert not launch.waits


def test_which_kernel():
    def kernel(H, B, name="lstm", N=1, device=H100, item=4):
        spec = CELLS[name]
        G = len(spec.gates)
        size = Size(G, spec.first or G, len(spec.states), 0, N, 3, H, item)
        return plan(size, Call(B, 100, "fp32"), device).kernel

    assert {kernel(H, B) for H in (1, 32, 64, 96, 104) for B in (1, 16, 1000)} == {"block"}
    assert {kernel(H, B) for H in (105, 256, 1024, 1056) for B in (1, 16)} == {"grid"}
    assert {kernel(H, 64) for H in (160, 256, 1024)} == {"grid"}  # four launches
    assert {kernel(H, 1000) for H in (256, 512, 1024, 2048)} == {"steps"}
    assert kernel(1057, 1) == kernel(1024, 1, item=8) == kernel(1024, 1, "gru_reset_before") == "steps"
    without = dataclasses.replace(H100, blas=False)
    assert kernel(1057, 1, device=without) == kernel(1024, 1, "gru_reset_before", device=without) == "general"
    assert kernel(256, 1, "gru_reset_before") == kernel(105, 1000) == "general"
    assert kernel(1024, 1, device=A100) == "steps"
    assert kernel(528, 1, N=2) == kernel(529, 1, N=2) == kernel(1056, 16, N=2) == kernel(864, 16, device=A100) == "grid"
    assert (kernel(192, 1, "simple_rnn"), kernel(128, 1, "gru"), kernel(128, 1, "gru_reset_before")) == ("block",) * 3
    assert (kernel(193, 1, "simple_rnn"), kernel(129, 1, "gru"), kernel(2112, 1, "simple_rnn")) == ("grid",) * 3


def test_a_sequence_is_summed_the_same_way_however_many_there_are():
    """Which lanes share a unit must not depend on how many sequences a call has."""
    for H, item in itertools.product(range(1, 200), (4, 8)):
        for size in sizes(H, item=item):
            found = {plan(size, Call(B, 9, "fp32"), H100) for B in BATCHES}
            assert len({launch.parameters[2] for launch in found if launch.kernel == "block"}) <= 1


@pytest.mark.parametrize(
    ("threads", "most"), [(32, 255), (128, 255), (256, 255), (257, 168), (384, 168), (385, 128), (512, 128), (1024, 64)]
)
def test_registers(threads, most):
    assert registers(threads) == most
