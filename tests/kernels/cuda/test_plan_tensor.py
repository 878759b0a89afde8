"""Which calls the tensor cores take: arithmetic."""

import itertools
import math

import pytest

from numba_rnn.cells import CELLS
from numba_rnn.kernels.cuda import launch as data
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Size
from numba_rnn.kernels.cuda.plan import plan
from numba_rnn.kernels.cuda.plan_tensor import plan_cluster, plan_tensor
from numba_rnn.kernels.cuda.tiles import padded_units

H100, A100 = Device("H100", (9, 0), 132), Device("A100", (8, 0), 108)
PRECISIONS = "bf16", "bf16x3", "tf32"
LARGEST = {  # units of one cell that a cluster, and the whole GPU, takes
    ("lstm", "tf32"): (256, 1024), ("lstm", "bf16x3"): (256, 1024), ("lstm", "bf16"): (384, 1056),
    ("gru", "tf32"): (256, 1024), ("gru", "bf16x3"): (256, 1024), ("gru", "bf16"): (384, 1056),
    ("simple_rnn", "tf32"): (384, 1056), ("simple_rnn", "bf16x3"): (320, 1056), ("simple_rnn", "bf16"): (384, 1792),
}  # fmt: skip


def size_of(name, H, N=1, item=4):
    spec = CELLS[name]
    return Size(
        len(spec.gates), spec.first or len(spec.gates), len(spec.states), len(spec.extra), N=N, D=5, H=H, item=item
    )


@pytest.mark.parametrize("make", [plan_cluster, plan_tensor])
def test_what_is_not_for_tensor_cores(make):
    size, call = size_of("lstm", 128), Call(8, 10, "tf32")
    assert make(size, call, H100) is not None
    assert make(size, call._replace(precision="fp32"), H100) is None
    assert make(size_of("lstm", 128, item=8), call, H100) is None
    assert make(size_of("gru_reset_before", 128), call, H100) is None
    assert make(size, call, Device("T4", (7, 5), 40)) is None


def test_clusters_need_capability_9():
    size, call = size_of("lstm", 128), Call(8, 10, "bf16")
    assert plan_cluster(size, call, A100) is None
    assert plan_tensor(size, call, A100) is not None


@pytest.mark.parametrize(("name", "precision"), sorted(LARGEST))
def test_every_cell_up_to_the_largest_is_taken(name, precision):
    for make, largest in zip((plan_cluster, plan_tensor), LARGEST[name, precision], strict=True):
        taken = [H for H in range(1, 2500) if make(size_of(name, H), Call(8, 10, precision), H100) is not None]
        assert taken == list(range(1, largest + 1))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("device", [H100, A100])
@pytest.mark.parametrize("name", ["gru", "lstm", "simple_rnn"])
def test_the_whole_gpu_runs_at_once(name, device, precision):
    """All blocks, each sequence in one slice, no slice without any."""
    for H, B, N in itertools.product((1, 40, 200, 500, 512, 768, 1000), (1, 8, 9, 64, 300), (1, 2)):
        launch = plan_tensor(size_of(name, H, N), Call(B, 1000, precision), device)
        if launch is None:
            assert padded_units(H) / 16 > device.multiprocessors / 2
            continue
        _, groups, warps, _ = launch.parameters
        across, cells = launch.grid
        assert cells == launch.cells
        assert len(launch.parts(N, B)) == N // cells
        assert across * cells <= device.multiprocessors
        slices, rest = divmod(across, padded_units(H) // (8 * groups))
        assert rest == 0
        assert 1 <= slices <= math.ceil(B / 8)
        assert launch.threads == 32 * warps
        assert launch.waits
        assert launch.work == (cells, launch.steps + 1, B, padded_units(H))


def test_blocks_own_more_units_where_that_leaves_fewer_turns():
    parameters = [plan_tensor(size_of("lstm", 512), Call(B, 10, "tf32"), H100).parameters[1] for B in (1, 16, 32, 64)]
    assert parameters == [1, 1, 2, 2]


def test_many_clusters():
    launch = plan_cluster(size_of("lstm", 256, 2), Call(100, 10, "tf32"), H100)
    assert launch.parameters == (256, 8, "tf32")
    assert launch.grid == (8 * 13, 2)
    assert launch.threads == 256
    assert not launch.waits
    assert plan_cluster(size_of("gru", 128), Call(8, 10, "tf32"), H100).parameters == (128, 4, "tf32")


def test_long_sequences_run_in_pieces(monkeypatch):
    """The exchanged h fits into the workspace too, beside as much of the projected input."""
    monkeypatch.setattr(data, "WORKSPACE", 64 * 8 * 512 * 4)
    launch = plan_tensor(size_of("simple_rnn", 512), Call(8, 1000, "tf32"), H100)
    assert launch.steps == 31
    assert launch.work == (1, 32, 8, 512)


@pytest.mark.parametrize(
    ("device", "H", "B", "precision", "kernel"),
    [
        (H100, 512, 256, "tf32", "tensor"), (A100, 128, 64, "tf32", "tensor"), (A100, 256, 128, "bf16", "tensor"),
        (H100, 256, 64, "bf16", "cluster"), (H100, 1024, 1000, "bf16", "steps"), (H100, 2048, 1, "tf32", "steps"),
    ],
)  # fmt: skip
def test_what_is_chosen(device, H, B, precision, kernel):
    """Slices of the sequences run side by side, which is what makes the tensor kernel worth while for many."""
    assert plan(size_of("lstm", H), Call(B, 100, precision), device).kernel == kernel
