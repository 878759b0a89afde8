"""Which kernel runs a call: the first that takes it, in the order in which they are estimated to be fast."""

from __future__ import annotations

from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Launch, Size
from numba_rnn.kernels.cuda.plan_exact import plan_block, plan_general, plan_grid
from numba_rnn.kernels.cuda.plan_tensor import plan_cluster, plan_tensor

__all__ = ["plan"]


def plan(size: Size, call: Call, device: Device) -> Launch:
    """A block by itself where the cell is small; tensor cores where the precision lets them; the whole GPU; what takes any call."""
    for attempt in (plan_block, plan_cluster, plan_tensor, plan_grid):
        if (launch := attempt(size, call, device)) is not None:
            return launch
    return plan_general(size, call, device)
