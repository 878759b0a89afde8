"""Run a kernel's own Python source, all threads of all blocks at once."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterator
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
        self.races = Races(self.scheduler, count * grid.x * grid.y * grid.z) if races else None
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

        def body(thread: Thread) -> None:
            block, warp = thread.block, thread.warp
            block.started += 1
            function(*arguments)
            block.live -= 1
            warp.live &= ~(1 << thread.lane)
            self.scheduler.ended(thread, (block.barrier, block.cluster.barrier, self.barrier))

        threads = self.make_threads()
        self.scheduler.start(threads, body)
        return Report(len(threads), self.scheduler.switches, self.layout.used, self.cluster)

    def make_threads(self) -> list[Thread]:
        """All of the grid."""
        size = self.threads
        places = [Index(x, y, z) for z in range(size.z) for y in range(size.y) for x in range(size.x)]
        out: list[Thread] = []
        for block in self.make_blocks(len(places)):
            for first in range(0, len(places), 32):
                lanes = places[first : first + 32]
                warp = Warp(block, (1 << len(lanes)) - 1)
                out += [Thread(len(out) + lane, block, warp, lane, place) for lane, place in enumerate(lanes)]
        if self.races is not None:
            for thread in out:
                self.races.begin(thread)
        return out

    def make_blocks(self, threads: int) -> Iterator[Block]:
        """All of the grid, cluster by cluster."""
        places = [Index(x, y, z) for z in range(self.grid.z) for y in range(self.grid.y) for x in range(self.grid.x)]
        for first in range(0, len(places), self.cluster):
            members = [Block(place, threads) for place in places[first : first + self.cluster]]
            cluster = Cluster(members, Barrier("the cluster's barrier", threads * self.cluster))
            for rank, block in enumerate(members):
                block.cluster, block.rank = cluster, rank
                block.memory = Shared(self.layout, self.races, first + rank)
            yield from members


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which would look through the history of all words again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@uncollected()
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
