"""What the compiler makes of the kernels on tensor cores: all that stays is in registers, and a step is short."""

import itertools
import re

import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call as Planned
from numba_rnn.kernels.cuda.launch import Size
from numba_rnn.kernels.cuda.plan_tensor import plan_cluster, plan_tensor
from numba_rnn.kernels.cuda.scan_cluster import build_scan_cluster
from numba_rnn.kernels.cuda.scan_tensor import build_scan_tensor

from .calls import Call, made
from .sass import compiled, needs_compiler
from .tensors import ERRORS, NAMES

pytestmark = needs_compiler
FACTORIES = {"cluster": build_scan_cluster, "tensor": build_scan_tensor}
PLANS = {"cluster": plan_cluster, "tensor": plan_tensor}
SMALL, LARGE = (8, 0), (9, 0)
CASES = [  # kernel, cell, precision, B, H, capability, most registers, most instructions of a step
    ("tensor", "lstm", "tf32", 8, 1024, SMALL, 250, 450),
    ("tensor", "lstm", "tf32", 8, 1024, LARGE, 250, 400),
    ("tensor", "gru", "bf16x3", 8, 1000, LARGE, 255, 500),
    ("tensor", "simple_rnn", "bf16", 64, 512, LARGE, 200, 350),
    ("cluster", "lstm", "tf32", 8, 256, LARGE, 230, 350),
    ("cluster", "gru", "bf16x3", 8, 256, LARGE, 250, 420),
    ("cluster", "lstm", "bf16", 8, 384, LARGE, 168, 380),
]


def planned(kernel, name, precision, B, H, capability):
    """The launch, or None."""
    spec = CELLS[name]
    size = Size(len(spec.gates), spec.first or len(spec.gates), len(spec.states), len(spec.extra), 1, 8, H, 4)
    return PLANS[kernel](size, Planned(B, 100, precision), Device("one", capability, 132))


def check(kernel, name, precision, B, H, capability):
    """Compile what the plan says; nothing is spilled, called, computed in float64, or fenced in the time loop."""
    from numba import boolean, float32, int32, int64

    launch = planned(kernel, name, precision, B, H, capability)
    three, four = float32[:, :, ::1], float32[:, :, :, ::1]
    signature = four, boolean[:, ::1], three, three, three, four, three, four, int32[::1], int64, int64, int64
    function = made(FACTORIES[kernel], Call(name, B=B, T=1, H=H), launch.parameters)
    found = compiled(function, signature, launch.threads, capability)
    # What is laid out behind the kernel's end, for lanes that have parted, jumps back into the loop too: that is no loop.
    step = min((loop for loop in found.loops if "BAR" in loop.opcodes and "EXIT" not in loop.opcodes), key=len)
    assert found.spills == 0
    assert not found.opcodes.keys() & {"LDL", "STL"}
    assert not re.search(r"CALL\.\S+ `\(\$", found.sass)  # to a label, it is a jump
    assert found.doubles == set()
    assert not step.opcodes.keys() & {"MEMBAR", "FENCE", "CCTL", "ERRBAR"}
    assert step.opcodes["BAR"] == 1
    shape = "16816" if precision.startswith("bf16") else "1688"
    assert (
        sum(count for text, count in step.full.items() if text.startswith(f"HMMA.{shape}")) == step.opcodes["HMMA"] > 0
    )
    wanted = {"STAS", "SYNCS", "SHFL"} if kernel == "cluster" else {"LDG", "STG"}
    assert wanted <= step.opcodes.keys()
    if kernel == "tensor":
        assert any(text.startswith("LDG.E.128.STRONG.GPU") for text in step.full)
    return found, step


@pytest.mark.parametrize(("kernel", "name", "precision", "B", "H", "capability", "registers", "instructions"), CASES)
def test_a_step_is_short(kernel, name, precision, B, H, capability, registers, instructions):
    found, step = check(kernel, name, precision, B, H, capability)
    assert found.registers <= registers
    assert len(step) <= instructions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "groups", "capability"),
    [("cluster", None, LARGE), *itertools.product(["tensor"], [1, 2], [SMALL, LARGE])],
)
@pytest.mark.parametrize("precision", sorted(ERRORS))
@pytest.mark.parametrize("name", NAMES)
def test_what_the_plan_says_fits_does(kernel, groups, capability, name, precision):
    """The largest cell that is taken, whose blocks own one group of units or two."""
    for H in range(2500, 0, -1):
        launch = planned(kernel, name, precision, 256, H, capability)
        if launch is not None and groups in (None, launch.parameters[1]):
            break
    check(kernel, name, precision, 256, H, capability)
