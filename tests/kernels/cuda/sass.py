"""What the compiler makes of a kernel, without a GPU: Python -> PTX -> machine code, its registers and its instructions."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from numba_rnn.kernels.cuda import toolkit

__all__ = ["ARCHITECTURES", "Compiled", "compiled", "instructions", "needs_compiler", "tool", "why_not"]

ARCHITECTURES = ((8, 0), (9, 0))
FOLDERS = ("cu13/bin", "cu14/bin", "cuda_nvcc/bin")  # of NVIDIA's wheels in site-packages/nvidia
INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)(.*)")
LABEL = re.compile(r"\s*(\.L_x?_?\w+):")
TARGET = re.compile(r"`\((\.L\w+)\)")
RESOURCES = {
    "registers": r"Used (\d+) registers",
    "stack": r"(\d+) bytes stack frame",
    "spill_stores": r"(\d+) bytes spill stores",
    "spill_loads": r"(\d+) bytes spill loads",
    "shared": r"(\d+) bytes smem",
}


@dataclasses.dataclass(frozen=True)
class Loop:
    """Instructions between a backward branch and where it goes, with those of the loops inside.

    Attributes:
        first, last: places in the kernel's list of instructions.
        full: how many of each, by full name: "BAR.SYNC.DEFER_BLOCKING".
    """

    first: int
    last: int
    full: collections.Counter[str]

    @property
    def opcodes(self) -> collections.Counter[str]:
        """How many of each, by the first part of the name: "BAR"."""
        return short(self.full)

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A kernel for one architecture.

    Attributes:
        registers: of each thread.
        stack, spill_stores, spill_loads: bytes a thread; all 0 where everything lives in registers.
        shared: bytes a block.
        full: how many of each instruction there are, by full name.
        loops: the largest first.
        ptx, sass: the sources of all that.
    """

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int
    full: collections.Counter[str]
    loops: tuple[Loop, ...]
    ptx: str
    sass: str

    @property
    def opcodes(self) -> collections.Counter[str]:
        """How many of each instruction there are, by the first part of the name."""
        return short(self.full)

    @property
    def spills(self) -> int:
        """Bytes of registers that went to memory, and of arrays that did not become registers."""
        return self.stack + self.spill_stores + self.spill_loads

    @property
    def time_loop(self) -> Loop:
        """The smallest loop with a barrier of the block, otherwise the largest: the loop over time of a persistent kernel."""
        with_barrier = [loop for loop in self.loops if "BAR" in loop.opcodes]
        return with_barrier[-1] if with_barrier else self.loops[0]

    @property
    def doubles(self) -> set[str]:
        """Instructions that compute in float64, which a kernel in float32 has no use for."""
        return {
            name for name in self.full if re.match(r"D(ADD|FMA|MUL|SETP|MNMX|MMA)|MUFU\.\w*64H?|[FI]2[FI]\..*F64", name)
        }

    def __str__(self) -> str:
        loop = f", {len(self.time_loop)} of them in the time loop" if self.loops else ""
        common = " ".join(f"{name} {count}" for name, count in self.opcodes.most_common(16))
        return (
            f"{self.registers} registers, {self.spills} bytes spilled or on the stack, {self.shared} bytes shared, "
            f"{self.full.total()} instructions{loop}: {common}"
        )


def short(full: collections.Counter[str]) -> collections.Counter[str]:
    """Counts by the first part of the names."""
    out: collections.Counter[str] = collections.Counter()
    for name, count in full.items():
        out[name.split(".")[0]] += count
    return out


def tool(name: str) -> str | None:
    """A CUDA program: of NVIDIA's wheels, of CUDA_HOME, or on the path."""
    folders: list[Path] = []
    found = importlib.util.find_spec("nvidia")
    for place in (found.submodule_search_locations or ()) if found else ():
        folders += [Path(place) / folder for folder in FOLDERS]
    folders += [Path(home) / "bin" for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if home]
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


def why_not() -> str | None:
    """None where kernels can be compiled, otherwise the reason why not."""
    if not hasattr(toolkit.cuda, "HAS_NUMBA"):
        return "compiles kernels with numba-cuda: pip install 'numba-cuda[cu13]' nvidia-cuda-nvcc nvidia-cuda-nvdisasm"
    missing = [name for name in ("ptxas", "nvdisasm") if tool(name) is None]
    if missing:
        return f"needs {' and '.join(missing)}: pip install nvidia-cuda-nvcc nvidia-cuda-nvdisasm"
    return None


needs_compiler = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@contextlib.contextmanager
def pretended(capability: tuple[int, int]) -> Iterator[None]:
    """Device functions ask the current GPU for its capability when they are compiled; here there may be none."""
    from numba.cuda import dispatcher  # noqa: TID251 (nothing else in the package needs it)

    real = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = real


def compiled(
    function: Callable[..., None], signature: Any, threads: int, capability: tuple[int, int] = (9, 0)
) -> Compiled:
    """Compile a kernel as `toolkit.kernel(function, threads)` is, for a GPU of that capability.

    Args:
        function: the kernel; a fresh one for each capability if it calls device functions.
        signature: numba types of its arguments, such as (float32[:, ::1], int64).
        threads: the most that a block has.
        capability: (9, 0) for an H100.
    """
    function = getattr(function, "py_func", function)
    with pretended(capability):
        ptx, _ = toolkit.cuda.compile(
            function,
            signature,
            device=False,
            abi="numba",
            output="ptx",
            cc=capability,
            fastmath=False,
            launch_bounds=(threads, 1),
        )
    text = ptx.decode() if isinstance(ptx, bytes) else ptx
    log, sass = assemble(text, capability)
    names, labels = instructions(sass)
    numbers = {key: max(map(int, re.findall(pattern, log)), default=0) for key, pattern in RESOURCES.items()}
    full = collections.Counter(name for name, _ in names)
    return Compiled(**numbers, full=full, loops=loops(names, labels), ptx=text, sass=sass)


def assemble(ptx: str, capability: tuple[int, int]) -> tuple[str, str]:
    """What the assembler says of resources, and the machine code as text."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        command = [tool("ptxas"), f"-arch=sm_{capability[0]}{capability[1]}", "-v", "-O3", source, "-o", binary]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"ptxas refuses the kernel:\n{done.stdout}{done.stderr}")
        command = [tool("nvdisasm"), "-c", binary]
        sass = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr, sass.stdout


def instructions(sass: str) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """(name, operands) of each, and where the labels stand."""
    found: list[tuple[str, str]] = []
    labels: dict[str, int] = {}
    for line in sass.splitlines():
        if label := LABEL.match(line):
            labels[label.group(1)] = len(found)
        elif instruction := INSTRUCTION.match(line):
            found.append((instruction.group(1), instruction.group(2)))
    return found, labels


def loops(found: list[tuple[str, str]], labels: dict[str, int]) -> tuple[Loop, ...]:
    """All backward branches, the largest loop first."""
    out = []
    for last, (name, operands) in enumerate(found):
        target = TARGET.search(operands) if name.startswith("BRA") else None
        first = labels.get(target.group(1), last) if target else last
        if first < last:
            out.append(Loop(first, last, collections.Counter(name for name, _ in found[first : last + 1])))
    return tuple(sorted(out, key=len, reverse=True))
