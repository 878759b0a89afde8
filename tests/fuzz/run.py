"""Hostile files by the thousand: `python tests/fuzz/run.py --count 10000 keras`; every one is read, or refused with ModelFileError.

A worker process makes each file from its number, reads it, and measures seconds of processor time and the peak of its memory. It
may take 2 s and 500 MB more than before the file; a crash, a hang or any other exception is a failure too. `--only N --keep FILE`
writes file number N and reads it with its traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("NUMBA_RNN_DEVICE", "reference")

SECONDS, MEGABYTES = 2.0, 500.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop when so much time has passed")
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fault", default="", help="of the reader `faulty`, for the test of this program")
    given = parser.parse_args()
    os.environ["FUZZ_FAULT"] = given.fault or os.environ.get("FUZZ_FAULT", "")
    if given.worker:
        return work(given.reader, given.first, given.count, given.seconds)
    if given.only is not None:
        return one(given.reader, given.only, given.keep)
    return run(given.reader, given.first, given.count, given.seconds)


def run(reader: str, first: int, count: int, seconds: float) -> int:
    """All files, each worker until it falls; a report in the end."""
    end, stop = first + count, time.monotonic() + seconds
    outcomes: Counter[str] = Counter()
    slowest, largest, failures = (0.0, -1), (0.0, -1), []
    at = first
    while at < end and time.monotonic() < stop:
        command = [sys.executable, __file__, "--worker", reader, "--first", str(at), "--count", str(end - at)]
        command += ["--seconds", str(stop - time.monotonic())]
        worker = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        assert worker.stdout is not None
        started = at - 1
        for line in worker.stdout:
            n, outcome, took, memory = json.loads(line)
            if outcome is None:
                started = n
                continue
            at = n + 1
            slowest, largest = max(slowest, (took, n)), max(largest, (memory, n))
            outcomes[outcome.split(":")[0]] += 1
            if outcome not in ("loaded", "ModelFileError") or took > SECONDS or memory > MEGABYTES:
                failures.append((n, outcome, took, memory))
                print(f"FAILED: file {n} of {reader}: {outcome}, {took:.2f} s, {memory:.0f} MB", flush=True)
        _, errors = worker.communicate()
        if started >= at:
            at = started + 1
            outcomes["crashed"] += 1
            failures.append((started, f"worker ended with {worker.returncode}", 0.0, 0.0))
            print(
                f"FAILED: file {started} of {reader}: the worker ended with {worker.returncode}\n{errors[-3000:]}",
                flush=True,
            )
        elif worker.returncode:
            print(errors, file=sys.stderr)
            return 2
        else:
            break
    worst = f"{slowest[0]:.2f} s (file {slowest[1]}), {largest[0]:.0f} MB (file {largest[1]})"
    total, kinds = sum(outcomes.values()), dict(sorted(outcomes.items()))
    print(f"{reader}: {total} files, {kinds}, at most {worst}, {len(failures)} failures")
    return 1 if failures else 0


def work(name: str, first: int, count: int, seconds: float) -> int:
    """The worker: a line before each file and a line after it."""
    from readers import READERS

    reader, stop = READERS[name], time.monotonic() + seconds
    seeds = reader.seeds()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for seed in seeds[:3]:  # everything imported, everything warm
            read(reader, seed, seed)
        address = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (address + (4 << 30), resource.RLIM_INFINITY))
        for n in range(first, first + count):
            if time.monotonic() > stop:
                break
            seed, data = reader.make(seeds, random.Random(f"{name} {n}"))
            path.write_bytes(data)
            print(json.dumps([n, None, 0, 0]), flush=True)
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + SECONDS) + 2, resource.RLIM_INFINITY))
            Path("/proc/self/clear_refs").write_text("5")
            before, start = memory("VmRSS"), time.process_time()
            outcome = read(reader, path, seed)
            took = time.process_time() - start
            print(json.dumps([n, outcome, round(took, 3), round(memory("VmHWM") - before, 1)]), flush=True)
    return 0


def read(reader: Any, path: Path, seed: Path) -> str:
    """What came of it, in a word."""
    from numba_rnn.errors import ModelFileError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path, seed)
    except ModelFileError:
        return "ModelFileError"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})"
    return "loaded"


def memory(line: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most since it was reset."""
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith(line):
            return int(text.split()[1]) / 1024
    return 0.0


def one(name: str, n: int, keep: Path | None) -> int:
    """One file, read with its traceback."""
    from readers import READERS

    seed, data = READERS[name].make(READERS[name].seeds(), random.Random(f"{name} {n}"))
    path = keep or Path(tempfile.mkdtemp()) / "file"
    path.write_bytes(data)
    print(f"{path}: from {seed.name}", flush=True)
    faulthandler.enable()
    READERS[name].read(path, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
