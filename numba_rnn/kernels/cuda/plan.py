"""Which kernel runs a call: the one that is estimated to be the fastest of those that take it."""

from __future__ import annotations

from functools import lru_cache

from numba_rnn.kernels.cuda import launch as data
from numba_rnn.kernels.cuda.cost import step_microseconds
from numba_rnn.kernels.cuda.driver import Device
from numba_rnn.kernels.cuda.launch import Call, Launch, Size
from numba_rnn.kernels.cuda.plan_exact import plan_block, plan_general, plan_grid, plan_steps
from numba_rnn.kernels.cuda.plan_tensor import plan_cluster, plan_tensor

__all__ = ["plan"]


def plan(size: Size, call: Call, device: Device) -> Launch:
    """A block by itself where the cell is small, whatever the batch; else what is quickest by the step.

    Of the kernels whose weights stay in registers the first that takes the call: tensor cores where the precision lets them, then
    the whole GPU. Many sequences, or units, may be better off with a product a step, or with the kernel that takes any call.
    """
    return _planned(size, call, device, data.WORKSPACE)


@lru_cache(4096)
def _planned(size: Size, call: Call, device: Device, workspace: int) -> Launch:
    if (block := plan_block(size, call, device)) is not None:
        return block
    attempts = (attempt(size, call, device) for attempt in (plan_cluster, plan_tensor, plan_grid))
    resident = next((launch for launch in attempts if launch is not None), None)
    others = plan_steps(size, call, device), plan_general(size, call, device)
    launches = [launch for launch in (resident, *others) if launch is not None]
    return min(launches, key=lambda launch: step_microseconds(size, call, launch, device))
