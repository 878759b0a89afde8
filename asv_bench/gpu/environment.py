"""What the machine is: the GPU, its driver, its clocks, and the versions of all that takes part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from numba_rnn.kernels.cuda.toolkit import cuda

from .section import Bench, Job, Row, Section

__all__ = ["ENVIRONMENT", "device_name"]

PACKAGES = (
    "numba_rnn", "numba", "numba-cuda", "llvmlite", "numpy", "torch", "cupy-cuda13x", "cupy-cuda12x", "jax", "cuda-core",
    "cuda-bindings", "cuda-pathfinder", "nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12",
)  # fmt: skip
QUERY = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu,pstate,compute_mode"
ATTRIBUTES = (
    "MULTIPROCESSOR_COUNT", "CLOCK_RATE", "L2_CACHE_SIZE", "MAX_SHARED_MEMORY_PER_BLOCK", "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN",
    "MAX_REGISTERS_PER_BLOCK", "COOPERATIVE_LAUNCH", "CAN_MAP_HOST_MEMORY",
)  # fmt: skip


def device_name() -> str:
    """As NVIDIA has it; asked in another process, since this one must not be on the GPU while others measure.

    Raises:
        RuntimeError: it cannot be used; the reason is its own.
    """
    code = "from numba_rnn.kernels.cuda.machine import CUDA; print(CUDA().driver.device.name)"
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"the GPU cannot be used: {ran.stderr.strip()[-1000:]}")
    return ran.stdout.strip().splitlines()[-1]


def jobs(bench: Bench) -> list[Job]:
    """One row for each thing to ask, since any may be missing."""
    asked = ("versions",) if bench.simulated else ("device", "driver", "versions", "libraries", "source")
    return [Job(what, {"what": what}, "all") for what in asked]


def run(bench: Bench, what: str) -> Row:
    """A row of what is known."""
    return {"device": gpu, "driver": smi, "versions": versions, "libraries": libraries, "source": source}[what](bench)


def gpu(bench: Bench) -> Row:
    """As CUDA has it."""
    device = cuda.get_current_device()
    row: Row = {"gpu": bench.backend.driver.device.name, "capability": ".".join(map(str, device.compute_capability))}
    for name in ATTRIBUTES:
        try:
            row[name.lower()] = int(getattr(device, name))
        except Exception as problem:  # an attribute that this version has no name for
            row[name.lower()] = f"unknown: {problem}"[:80]
    free, total = cuda.current_context().get_memory_info()
    return row | {"memory": f"{total / 2**30:.1f} GiB, {free / 2**30:.1f} free"}


def smi(bench: Bench) -> Row:
    """As `nvidia-smi` has it; nothing is set."""
    if (program := shutil.which("nvidia-smi")) is None:
        return {"skipped": "there is no nvidia-smi"}
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader"]
    out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip().splitlines()[0]
    return dict(zip(QUERY.split(","), out.split(", "), strict=False))


def versions(bench: Bench) -> Row:
    """Of Python, CUDA and the packages that are installed."""
    row: Row = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    for name in PACKAGES:
        try:
            row[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if not bench.simulated:
        row["cuda runtime"] = ".".join(map(str, cuda.runtime.get_version()))
    return row


def libraries(bench: Bench) -> Row:
    """Whether cuBLAS was found, and what PyTorch brings."""
    row: Row = {
        "cublas": "found"
        if getattr(bench.backend.driver, "_blas", None) is not None
        else "not found: our own kernel multiplies"
    }
    try:
        import torch
    except ImportError:
        return row
    return row | {"torch cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def source(bench: Bench) -> Row:
    """Which state of the repository this is."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root), "-c", f"safe.directory={root}", "log", "-1", "--format=%H"]
    found: Any = shutil.which("git") and subprocess.run(
        command, capture_output=True, text=True, timeout=10, check=False
    )
    return {"commit": found.stdout.strip() if found and found.returncode == 0 else "unknown"}


ENVIRONMENT = Section("environment", "The machine", seconds=20, patience=60, processes=1, jobs=jobs, run=run)
