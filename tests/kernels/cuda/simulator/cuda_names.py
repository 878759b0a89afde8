"""What `cuda` is in a kernel that runs in the simulator."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from .arrays import Checked, registers
from .mathematics import fma
from .scheduling import DivergenceError, line_of, name_of

__all__ = ["Cuda", "Index"]

ALL = 0xFFFFFFFF


class Index(NamedTuple):
    """threadIdx and the like."""

    x: int
    y: int
    z: int


class Exchange:
    """Lanes of a warp that execute one instruction together."""

    __slots__ = ("expected", "place", "result", "values", "waiting")

    def __init__(self, place: Any, expected: int) -> None:
        self.place, self.expected = place, expected
        self.values: dict[int, Any] = {}
        self.waiting: list[Any] = []
        self.result: Any = None


class SharedNames:
    """`cuda.shared`."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def array(self, shape: Any, dtype: Any, alignment: int | None = None) -> Checked:
        """Of the block: one for each statement of the source."""
        frame = sys._getframe(1)
        return self.scheduler.current.block.memory.array((frame.f_code, frame.f_lasti), shape, dtype, alignment)


class LocalNames:
    """`cuda.local`."""

    @staticmethod
    def array(shape: Any, dtype: Any, alignment: int | None = None) -> Any:
        """Of the thread, full of garbage."""
        return registers(shape, dtype)()


class ConstNames:
    """`cuda.const`."""

    def array_like(self, array: Any) -> Checked:
        """The array itself."""
        return array.view(Checked)


class Atomics:
    """`cuda.atomic`: each is one step, whatever the schedule. One that changes nothing counts as a poll."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def change(self, array: Any, index: Any, new: Any) -> Any:
        """Replace array[index] by new(it); what it was."""
        get = Checked.__getitem__
        old = get(array, index)
        if new(old) == old:
            self.scheduler.poll((id(array), index))
            old = get(array, index)
        value = new(old)
        if value != old:
            Checked.__setitem__(array, index, value)
            self.scheduler.version += 1
        if self.scheduler.races is not None:
            array.space.trace_atomic(array, index)
        return old

    def add(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: old + array.dtype.type(value))

    def sub(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: old - array.dtype.type(value))

    def max(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: max(old, array.dtype.type(value)))

    def min(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: min(old, array.dtype.type(value)))

    def or_(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: old | array.dtype.type(value))

    def and_(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: old & array.dtype.type(value))

    def exch(self, array: Any, index: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: array.dtype.type(value))

    def cas(self, array: Any, index: Any, expected: Any, value: Any) -> Any:
        """The old value."""
        return self.change(array, index, lambda old: array.dtype.type(value) if old == expected else old)

    def compare_and_swap(self, array: Any, expected: Any, value: Any) -> Any:
        """The old value of the first element."""
        return self.cas(array, 0, expected, value)


class Grid:
    """What `cuda.cg.this_grid()` returns."""

    def __init__(self, scheduler: Any, barrier: Any) -> None:
        self.scheduler, self.barrier = scheduler, barrier

    def sync(self) -> None:
        """Wait for all threads of all blocks."""
        self.scheduler.wait(self.barrier)


class Groups:
    """`cuda.cg`."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def this_grid(self) -> Grid:
        """All threads."""
        return self.grid


class Cuda:
    """The names that kernels use; every other one raises NotImplementedError."""

    warpsize = 32

    def __init__(self, scheduler: Any, block: Index, grid: Index, barrier: Any) -> None:
        self.scheduler = scheduler
        self.blockDim, self.gridDim = block, grid
        self.shared, self.local, self.const = SharedNames(scheduler), LocalNames(), ConstNames()
        self.atomic, self.cg = Atomics(scheduler), Groups(Grid(scheduler, barrier))

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"cuda.{name} has no twin in the simulator: add it to {__name__}")

    threadIdx = property(lambda self: self.scheduler.current.position)  # noqa: N815 (CUDA's names)
    blockIdx = property(lambda self: self.scheduler.current.block.index)  # noqa: N815
    laneid = property(lambda self: self.scheduler.current.lane)

    def grid(self, dimensions: int) -> Any:
        """The thread's place in the whole grid."""
        thread = self.scheduler.current
        if dimensions == 1:
            return thread.block.index.x * self.blockDim.x + thread.position.x
        places = (b * n + t for b, n, t in zip(thread.block.index, self.blockDim, thread.position, strict=True))
        return tuple(places)[:dimensions]

    def gridsize(self, dimensions: int) -> Any:
        """How many threads there are."""
        if dimensions == 1:
            return self.gridDim.x * self.blockDim.x
        return tuple(n * m for n, m in zip(self.gridDim, self.blockDim, strict=True))[:dimensions]

    def syncthreads(self) -> None:
        """Wait for all threads of the block."""
        self.scheduler.wait(self.scheduler.current.block.barrier, sys._getframe(1))

    def syncwarp(self, mask: int = ALL) -> None:
        """Wait for the lanes in the mask."""
        races = self.scheduler.races
        if races is None:
            self.exchange(mask, sys._getframe(1), None, exited=True)
            return
        thread = self.scheduler.current
        arrivals: list[Any] = []
        races.arrive(arrivals, thread)
        group = self.exchange(
            mask, sys._getframe(1), arrivals[0], lambda values: races.join(list(values.values())), exited=True
        )
        races.learn(thread, group.result)

    def threadfence(self) -> None:
        """Of interest to those who look for races: memory is consistent here."""
        if self.scheduler.races is not None:
            self.scheduler.races.fence()

    threadfence_block = threadfence_system = threadfence

    def nanosleep(self, nanoseconds: int) -> None:
        """Others may run."""
        self.scheduler.wake([self.scheduler.current])
        self.scheduler.pause()

    def exchange(self, mask: int, frame: Any, value: Any, combine: Any = None, exited: bool = False) -> Exchange:
        """Leave a value and wait for all lanes in the mask; the last computes `combine(values by lane)` for all."""
        thread = self.scheduler.current
        warp, lane = thread.warp, thread.lane
        place = frame.f_code, frame.f_lasti
        group = warp.groups.get(mask)
        if group is None:
            group = warp.groups[mask] = Exchange(place, self.participants(thread, mask, exited))
        elif group.place != place and line_of(group.place) != line_of(place):
            raise DivergenceError(
                f"{name_of(thread)} executes a warp instruction at {line_of(place)}, another lane of the mask waits at "
                f"{line_of(group.place)}"
            )
        if not mask >> lane & 1:
            raise DivergenceError(f"{name_of(thread)} is lane {lane}, which the mask {mask:#x} leaves out")
        group.values[lane] = value
        if len(group.values) < group.expected:
            group.waiting.append(thread)
            self.scheduler.pause()
            return group
        del warp.groups[mask]
        if combine is not None:
            group.result = combine(group.values)
        if group.waiting:
            self.scheduler.wake(group.waiting)
        return group

    def participants(self, thread: Any, mask: int, exited: bool) -> int:
        """How many lanes have to come."""
        warp = thread.warp
        if not 0 < mask <= ALL:
            raise ValueError(f"a mask has 32 bits. Received: {mask:#x}.")
        if exited:
            return (mask & warp.live).bit_count()
        if mask & warp.lanes & ~warp.live:
            raise DivergenceError(f"the mask {mask:#x} names lanes of {name_of(thread)}'s warp that have ended")
        return (mask & warp.lanes).bit_count()

    def shuffle(self, mask: int, value: Any, lane: int) -> Any:
        """The value that another lane left; one's own where the lane does not exist."""
        values = self.exchange(mask, sys._getframe(2), value).values
        if lane in values:
            return values[lane]
        if 0 <= lane < 32:
            raise DivergenceError(
                f"{name_of(self.scheduler.current)} shuffles from lane {lane}, which does not take part"
            )
        return value

    def shfl_sync(self, mask: int, value: Any, source: int) -> Any:
        """That lane's value."""
        return self.shuffle(mask, value, int(source) & 31)

    def shfl_xor_sync(self, mask: int, value: Any, bits: int) -> Any:
        """The value of the lane that differs in these bits."""
        return self.shuffle(mask, value, self.scheduler.current.lane ^ int(bits))

    def shfl_down_sync(self, mask: int, value: Any, delta: int) -> Any:
        """The value of a lane above, one's own where there is none."""
        return self.shuffle(mask, value, self.scheduler.current.lane + int(delta))

    def shfl_up_sync(self, mask: int, value: Any, delta: int) -> Any:
        """The value of a lane below, one's own where there is none."""
        return self.shuffle(mask, value, self.scheduler.current.lane - int(delta))

    def vote(self, mask: int, predicate: Any, combine: Any) -> Any:
        """One answer for all."""
        return self.exchange(mask, sys._getframe(2), bool(predicate), combine).result

    def ballot_sync(self, mask: int, predicate: Any) -> int:
        """A bit for each lane that says yes."""
        return self.vote(mask, predicate, lambda values: sum(1 << lane for lane, yes in values.items() if yes))

    def any_sync(self, mask: int, predicate: Any) -> bool:
        """Whether one lane says yes."""
        return self.vote(mask, predicate, lambda values: any(values.values()))

    def all_sync(self, mask: int, predicate: Any) -> bool:
        """Whether all lanes say yes."""
        return self.vote(mask, predicate, lambda values: all(values.values()))

    def activemask(self) -> int:
        """What no kernel may rely on."""
        raise NotImplementedError(
            "activemask tells which lanes happen to run together: pass a mask that says which have to"
        )

    fma = staticmethod(fma)

    @staticmethod
    def selp(condition: Any, x: Any, y: Any) -> Any:
        """Either."""
        return x if condition else y

    @staticmethod
    def popc(x: int) -> int:
        """How many bits are set."""
        return int(x).bit_count()

    @staticmethod
    def ffs(x: int) -> int:
        """The place of the lowest bit that is set, from 1; 0 for none."""
        return (int(x) & -int(x)).bit_length()

    @staticmethod
    def clz(x: int) -> int:
        """How many leading zeros 32 bits have."""
        return 32 - (int(x) & ALL).bit_length()
