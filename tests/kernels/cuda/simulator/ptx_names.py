"""What `numba_rnn.kernels.cuda.ptx` is in a kernel that runs in the simulator."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import tensor_cores
from .arrays import OutOfRangeError
from .memory import WINDOW
from .scheduling import DivergenceError, name_of

__all__ = ["Ptx"]

FLOAT32 = np.float32
TINY = np.finfo(np.float32).tiny


def flushed(x: Any) -> Any:
    """A float32; zero of the same sign where it is not a normal number, as `.ftz` says."""
    return np.copysign(FLOAT32(0), x) if abs(x) < TINY else x


class ByteBarrier:
    """An mbarrier: a phase is over when all have arrived and all bytes that they expect have come."""

    __slots__ = ("arrivals", "arrived", "bytes", "expected", "known", "phase")

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.arrived = self.bytes = self.phase = 0
        self.arrivals: list[Any] = []  # what they know, where races are looked for
        self.known: Any = None

    def settle(self) -> bool:
        """Whether that was the end of a phase."""
        if self.arrived < self.expected or self.bytes:
            return False
        self.arrived = 0
        self.phase += 1
        return True


class Ptx:
    """Twins by name of all in `ptx.__all__`."""

    def __init__(self, simulation: Any) -> None:
        self.simulation, self.scheduler, self.cuda = simulation, simulation.scheduler, simulation.cuda
        self.memory, self.races = simulation.memory, simulation.races

    # Addresses.

    def address(self, array: Any, index: Any) -> int:
        """In global memory."""
        return self.memory.address(array, index)

    def shared_address(self, array: Any, index: Any) -> int:
        """In the block's shared memory."""
        return self.scheduler.current.block.memory.address(array, index)

    def map_shared(self, address: int, rank: int) -> int:
        """The same place in the shared memory of the cluster's block of that rank."""
        cluster = self.scheduler.current.block.cluster
        if not 0 <= rank < len(cluster.blocks):
            raise OutOfRangeError(f"rank {rank} in a cluster of {len(cluster.blocks)} blocks")
        return (int(rank) + 1) * WINDOW + int(address) % WINDOW

    def remote(self, address: int) -> tuple[Any, int]:
        """The block and the address there, of what `map_shared` returned."""
        thread = self.scheduler.current
        rank, offset = divmod(int(address), WINDOW)
        if rank == 0:
            raise OutOfRangeError("a remote store needs addresses from `map_shared`")
        block = thread.block.cluster.blocks[rank - 1]
        if block.started == 0:
            raise DivergenceError(
                f"{name_of(thread)} stores into block {tuple(block.index)} before it runs: wait for the cluster first"
            )
        if block.live == 0:
            raise DivergenceError(
                f"{name_of(thread)} stores into block {tuple(block.index)}, which has ended: wait for the cluster last"
            )
        return block, offset

    # Numbers.

    @staticmethod
    def exp2(x: Any) -> Any:
        """2^x."""
        return flushed(FLOAT32(np.exp2(np.float64(flushed(FLOAT32(x))))))

    @staticmethod
    def reciprocal(x: Any) -> Any:
        """1 / x."""
        return flushed(FLOAT32(1) / flushed(FLOAT32(x)))

    @staticmethod
    def bits_of(x: Any) -> int:
        """Of a float32."""
        return int(FLOAT32(x).view(np.uint32))

    @staticmethod
    def float_of(word: int) -> Any:
        """The float32 of these bits."""
        return np.uint32(word).view(FLOAT32)

    to_tf32 = staticmethod(tensor_cores.to_tf32)

    @staticmethod
    def pack_bf16(high: Any, low: Any) -> int:
        """Two of them in a word."""
        return tensor_cores.to_bf16(high) << 16 | tensor_cores.to_bf16(low)

    def together(self, values: tuple[Any, ...], compute: Any) -> Any:
        """An instruction of all 32 lanes."""

        def combine(by_lane: dict[int, Any]) -> Any:
            if len(by_lane) != 32:
                raise DivergenceError(f"mma needs 32 lanes. Received: {len(by_lane)}.")
            return compute([by_lane[lane] for lane in range(32)])

        return self.cuda.exchange(0xFFFFFFFF, sys._getframe(2), values, combine).result[self.scheduler.current.lane]

    def mma_tf32(self, *values: Any) -> tuple[Any, ...]:
        """d = a b + c."""
        return self.together(values, tensor_cores.mma_tf32)

    def mma_bf16(self, *values: Any) -> tuple[Any, ...]:
        """d = a b + c."""
        return self.together(values, tensor_cores.mma_bf16)

    # Loads and stores.

    @staticmethod
    def advance(count: int, stride: int, address: int) -> int:
        """The address so many strides further."""
        return int(address) + int(count) * int(stride)

    @staticmethod
    def once32(value: int) -> int:
        """The value: what the compiler does with it is nothing here."""
        return int(value)

    once64 = once32

    # An address may be any kind of number; Python's own is the fastest.

    def load_byte(self, address: int) -> int:
        """An unsigned number of global memory that nobody writes."""
        address = int(address)
        region = self.memory.find(address, 1)
        if self.races is not None:
            self.races.read(address, constant=True)
        return int(region.bytes[address - region.start])

    def load_float32(self, address: int) -> Any:
        """A number of global memory that nobody writes."""
        address = int(address)
        region = self.memory.find(address, 4)
        if self.races is not None:
            self.races.read(address, constant=True)
        return region.floats[(address - region.start) >> 2]

    def load_float64(self, address: int) -> Any:
        """A number of global memory that nobody writes."""
        address = int(address)
        region = self.memory.find(address, 8)
        if self.races is not None:
            self.races.read(address, constant=True)
        return region.double(address)[0]

    def read_float32(self, address: int) -> Any:
        """A number of global memory that others may write."""
        address = int(address)
        region = self.memory.find(address, 4)
        if self.races is not None:
            self.races.read(address)
        return region.floats[(address - region.start) >> 2]

    def read_float64(self, address: int) -> Any:
        """A number of global memory that others may write."""
        address = int(address)
        region = self.memory.find(address, 8)
        if self.races is not None:
            self.races.read(address)
        return region.double(address)[0]

    def store_float32(self, address: int, value: Any) -> None:
        """Into global memory."""
        address = int(address)
        region = self.memory.find(address, 4)
        region.floats[(address - region.start) >> 2] = value
        if self.races is not None:
            self.races.write(address)

    def store_float64(self, address: int, value: Any) -> None:
        """Into global memory."""
        address = int(address)
        self.memory.find(address, 8).double(address)[0] = value
        if self.races is not None:
            self.races.write(address)

    def store_float32_shared(self, address: int, value: Any) -> None:
        """Into the block's shared memory."""
        address, shared = int(address), self.scheduler.current.block.memory
        shared.floats[shared.find(address, 4)] = value
        if self.races is not None:
            self.races.write(shared.key + address)

    def store_float64_shared(self, address: int, value: Any) -> None:
        """Into the block's shared memory."""
        address, shared = int(address), self.scheduler.current.block.memory
        i = shared.find(address, 8)
        shared.floats[i : i + 2].view(np.float64)[0] = value
        if self.races is not None:
            self.races.write(shared.key + address)

    def load2_float64_shared(self, address: int) -> tuple[Any, ...]:
        """Two of the block's shared memory."""
        address, shared = int(address), self.scheduler.current.block.memory
        i = shared.find(address, 16)
        if self.races is not None:
            for number in (address, address + 8):
                self.races.read(shared.key + number)
        return tuple(shared.floats[i : i + 4].view(np.float64))

    def load4(self, address: int) -> tuple[Any, ...]:
        """Four float32 of global memory that nobody writes."""
        address = int(address)
        region = self.memory.find(address, 16)
        i = (address - region.start) >> 2
        if self.races is not None:
            for word in range(address, address + 16, 4):
                self.races.read(word, constant=True)
        return tuple(region.floats[i : i + 4])

    def load4_shared(self, address: int) -> tuple[Any, ...]:
        """Four float32 of the block's shared memory."""
        address, shared = int(address), self.scheduler.current.block.memory
        i = shared.find(address, 16)
        if self.races is not None:
            for word in range(address, address + 16, 4):
                self.races.read(shared.key + word)
        return tuple(shared.floats[i : i + 4])

    def store4_shared(self, address: int, a: Any, b: Any, c: Any, d: Any) -> None:
        """Four float32 into the block's shared memory."""
        address, shared = int(address), self.scheduler.current.block.memory
        i = shared.find(address, 16)
        shared.floats[i : i + 4] = a, b, c, d
        if self.races is not None:
            for word in range(address, address + 16, 4):
                self.races.write(shared.key + word)

    def load_relaxed(self, address: int) -> int:
        """A word that others write."""
        address = int(address)
        region = self.memory.find(address, 4)
        i = (address - region.start) >> 2
        self.scheduler.poll(address)
        if self.races is not None:
            self.races.read(address, relaxed=True)
        return int(region.words[i])

    def load4_relaxed(self, address: int) -> tuple[int, ...]:
        """Four words that others write."""
        address = int(address)
        region = self.memory.find(address, 16)
        i = (address - region.start) >> 2
        self.scheduler.poll(address)
        if self.races is not None:
            for word in range(address, address + 16, 4):
                self.races.read(word, relaxed=True)
        return tuple(region.words[i : i + 4].tolist())

    def store_relaxed(self, address: int, word: int) -> None:
        """A word that others wait for."""
        address = int(address)
        region = self.memory.find(address, 4)
        i = (address - region.start) >> 2
        region.words[i] = int(word) & 0xFFFFFFFF
        self.scheduler.version += 1
        if self.races is not None:
            self.races.write(address, relaxed=True)

    # Clusters.

    def cluster_rank(self) -> int:
        """Of the block in its cluster."""
        return self.scheduler.current.block.rank

    def cluster_size(self, blocks: int) -> None:
        """Says what `run` has to know before the kernel begins."""
        self.simulation.need_cluster(int(blocks))

    def cluster_arrive(self) -> None:
        """Come, without waiting."""
        thread = self.scheduler.current
        if thread.arrived is not None:
            raise DivergenceError(f"{name_of(thread)} arrives at the cluster's barrier twice without waiting")
        thread.arrived = self.scheduler.arrive(thread.block.cluster.barrier)

    def cluster_wait(self) -> None:
        """Until all threads of the cluster have come."""
        thread = self.scheduler.current
        if thread.arrived is None:
            raise DivergenceError(f"{name_of(thread)} waits at the cluster's barrier without arriving")
        phase, thread.arrived = thread.arrived, None
        self.scheduler.wait_phase(thread.block.cluster.barrier, phase)

    def barrier(self, shared: Any, address: int) -> ByteBarrier:
        """The barrier that lies there."""
        try:
            return shared.barriers[address]
        except KeyError:
            raise DivergenceError(f"no barrier was initialised at the shared address {address:#x}") from None

    def barrier_init(self, address: int, arrivals: int) -> None:
        """A new barrier of 8 bytes in the block's shared memory."""
        shared = self.scheduler.current.block.memory
        shared.find(address, 8)
        shared.barriers[int(address)] = ByteBarrier(int(arrivals))

    def barrier_expect(self, address: int, size: int) -> None:
        """Arrive, and expect so many bytes in this phase."""
        barrier = self.barrier(self.scheduler.current.block.memory, address)
        barrier.bytes += int(size)
        barrier.arrived += 1
        if barrier.arrived > barrier.expected:
            raise DivergenceError(f"{barrier.arrived} arrivals at a barrier of {barrier.expected}")
        self.settle(barrier)

    def settle(self, barrier: ByteBarrier) -> None:
        """The current thread has come, or has brought bytes; whoever polls the barrier looks again at the end of a phase."""
        if self.races is not None:
            self.races.arrive(barrier.arrivals, self.scheduler.current)
        if barrier.settle():
            self.scheduler.version += 1
            if self.races is not None:
                barrier.known = self.races.join(barrier.arrivals)
                barrier.arrivals = []

    def barrier_reached(self, address: int, parity: int) -> int:
        """1 once the phase of that parity is over."""
        barrier = self.barrier(self.scheduler.current.block.memory, address)
        self.scheduler.poll(("barrier", self.scheduler.current.block.index, address))
        reached = barrier.phase & 1 != int(parity) & 1
        if reached and self.races is not None and barrier.known is not None:
            self.races.learn(self.scheduler.current, barrier.known)
        return int(reached)

    def fence_barriers(self) -> None:
        """Nothing: memory is consistent here."""

    def store4_remote(self, address: int, barrier_address: int, a: Any, b: Any, c: Any, d: Any) -> None:
        """Four float32 into another block's shared memory, 16 bytes for its barrier."""
        block, offset = self.remote(address)
        barrier_block, barrier_offset = self.remote(barrier_address)
        if block is not barrier_block:
            raise DivergenceError("a remote store and its barrier must lie in one block")
        i = block.memory.find(offset, 16)
        barrier = self.barrier(block.memory, barrier_offset)
        block.memory.floats[i : i + 4] = a, b, c, d
        if self.races is not None:
            for word in range(offset, offset + 16, 4):
                self.races.write(block.memory.key + word)
        barrier.bytes -= 16
        self.settle(barrier)

    def cooperative(self) -> None:
        """All blocks run at once here anyway."""
