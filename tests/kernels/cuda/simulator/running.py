"""Run a kernel's own Python source, all threads of all blocks at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .cuda_names import Cuda, Index
from .memory import Global, Layout, Shared
from .ptx_names import Ptx
from .races import Races
from .rewiring import Rewiring
from .scheduling import Barrier, Block, Scheduler, Thread, Warp

__all__ = ["Report", "run"]


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run was.

    Attributes:
        threads: how many ran.
        switches: how often another was chosen.
        shared: bytes of shared memory that the kernel declares.
        cluster: blocks a cluster.
    """

    threads: int
    switches: int
    shared: int
    cluster: int


class ClusterSizeError(Exception):
    """The kernel says how large its clusters are."""

    def __init__(self, blocks: int) -> None:
        super().__init__(blocks)
        self.blocks = blocks


@dataclasses.dataclass
class Cluster:
    """Blocks that reach one another's shared memory."""

    blocks: list[Block]
    barrier: Barrier


def triple(size: Any) -> Index:
    """(x, y, z) of a number or a tuple."""
    sizes = tuple(int(n) for n in size) if isinstance(size, (tuple, list)) else (int(size),)
    return Index(*sizes, *(1,) * (3 - len(sizes)))


class Simulation:
    """One launch."""

    def __init__(
        self, grid: Index, threads: Index, cluster: int, seed: int, schedule: str, give_up: bool, races: bool
    ) -> None:
        self.grid, self.threads, self.cluster = grid, threads, cluster
        self.scheduler = Scheduler(schedule, seed, give_up)
        count = threads.x * threads.y * threads.z
        self.races = Races(count * grid.x * grid.y * grid.z) if races else None
        self.scheduler.races = self.races
        self.memory, self.layout = Global(self.races), Layout()
        self.barrier = Barrier("the grid's sync", count * grid.x * grid.y * grid.z)
        self.cuda = Cuda(self.scheduler, threads, grid, self.barrier)
        self.ptx = Ptx(self)
        self.rewiring = Rewiring(self.cuda, self.ptx)

    def need_cluster(self, blocks: int) -> None:
        """Begin anew where the kernel's clusters are of another size."""
        if blocks != self.cluster:
            raise ClusterSizeError(blocks)

    def argument(self, value: Any) -> Any:
        """As the kernel gets it."""
        if isinstance(value, np.ndarray):
            return self.memory.add(value)
        if type(value) is tuple:
            return tuple(self.argument(item) for item in value)
        return self.rewiring.twin(value)

    def start(self, function: Any, arguments: Any) -> Report:
        """Run to the end."""
        function = self.rewiring.twin(function) if hasattr(function, "py_func") else self.rewiring.function(function)
        arguments = tuple(self.argument(value) for value in arguments)
        scheduler, ended = self.scheduler, self.ended

        def body(thread: Thread) -> None:
            scheduler.hub.switch()
            thread.block.started += 1
            function(*arguments)
            ended(thread)

        threads: list[Thread] = [thread for block in self.blocks() for thread in self.members(block, body)]
        for number, thread in enumerate(threads):
            thread.number = number
            if self.races is not None:
                self.races.begin(thread)
        with np.errstate(all="ignore"):
            scheduler.start(threads)
        return Report(len(threads), scheduler.switches, self.layout.used, self.cluster)

    def blocks(self) -> list[Block]:
        """All of the grid."""
        count = self.threads.x * self.threads.y * self.threads.z
        out = []
        for z in range(self.grid.z):
            for y in range(self.grid.y):
                for first in range(0, self.grid.x, self.cluster):
                    members = [Block(Index(first + rank, y, z), count) for rank in range(self.cluster)]
                    cluster = Cluster(members, Barrier("the cluster's barrier", count * self.cluster))
                    for rank, block in enumerate(members):
                        block.cluster, block.rank, block.memory = (
                            cluster,
                            rank,
                            Shared(self.layout, self.races, len(out) + rank),
                        )
                    out += members
        return out

    def members(self, block: Block, body: Any) -> list[Thread]:
        """The threads of a block."""
        out = []
        size = self.threads
        for z in range(size.z):
            for y in range(size.y):
                for x in range(size.x):
                    thread = Thread()
                    thread.run = lambda thread=thread: body(thread)
                    thread.position, thread.block = Index(x, y, z), block
                    number, thread.lane = divmod(x + size.x * (y + size.y * z), 32)
                    if thread.lane == 0:
                        block.warps.append(Warp(block, number))
                    thread.warp = block.warps[number]
                    thread.warp.live |= 1 << thread.lane
                    thread.seen, thread.seen_version, thread.arrived = set(), -1, None
                    out.append(thread)
        for warp in block.warps:
            warp.lanes = warp.live
        return out

    def ended(self, thread: Thread) -> None:
        """Nobody waits for it any more."""
        block = thread.block
        block.live -= 1
        thread.warp.live &= ~(1 << thread.lane)
        for barrier in (block.barrier, block.cluster.barrier, self.barrier):
            self.scheduler.leave(barrier)


def run(
    function: Callable[..., None],
    grid: Any,
    threads: Any,
    arguments: Any,
    cluster: int = 1,
    seed: int = 0,
    schedule: str = "random",
    give_up: bool = False,
    races: bool = False,
) -> Report:
    """Run a kernel; its array arguments change as they would on the GPU.

    Args:
        function: the kernel: a plain function, or what `cuda.jit` made of one.
        grid: how many blocks: a number or (x, y) or (x, y, z).
        threads: how many threads a block, likewise.
        arguments: of the kernel: NumPy arrays, numbers, tuples of them.
        cluster: blocks a cluster; a kernel that calls `cluster_size` says it itself.
        seed, schedule: in which order threads run: "random" or "priority".
        races: look for accesses that nothing orders; takes several times as long.
        give_up: where all that runs polls in vain, let the kernel's own bound end it, instead of raising DeadlockError.

    Raises:
        DeadlockError, DivergenceError, OutOfRangeError, RaceError: what is wrong with the kernel.
    """
    grid, threads = triple(grid), triple(threads)
    while True:
        if grid.x % cluster:
            raise ValueError(f"a grid of {grid.x} blocks has no clusters of {cluster}")
        try:
            return Simulation(grid, threads, cluster, seed, schedule, give_up, races).start(function, arguments)
        except ClusterSizeError as error:
            cluster = error.blocks
