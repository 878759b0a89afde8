"""A load test: many clients, each with a stream at a steady rate; reports throughput and latency.

`python -m examples.serve.load` starts a service of its own, `python -m examples.serve.load HOST:PORT` takes one that runs. At the
end half of the clients vanish without a word; the report says whether the service noticed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from urllib.error import URLError
from urllib.request import urlopen

import click
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

__all__ = ["drive", "main", "metric"]

MEMORY, CPU = "process_resident_memory_bytes", "process_cpu_seconds_total"
READY = 60.0  # seconds for a service to start, kernels compiled (a guess)


@click.command()
@click.argument("address", required=False)
@click.option("--streams", default=200, show_default=True)
@click.option("--rate", default=10.0, show_default=True, help="Frames a second, a stream.")
@click.option("--seconds", default=10.0, show_default=True)
def main(address: str | None, streams: int, rate: float, seconds: float) -> None:
    """Drive the service at ADDRESS (HOST:PORT), or one of its own."""
    with nullcontext(address) if address else service(streams) as at:
        memory, cpu = (metric(at, name) for name in (MEMORY, CPU))
        latencies, took = asyncio.run(drive(at, streams, rate, seconds))
        answers = len(latencies)
        p50, p99, most = np.percentile(latencies, (50, 99, 100)) * 1000
        batches, taken = metric(at, "serve_batch_seconds_count"), metric(at, "serve_batch_seconds_sum")
        click.echo(f"{streams} streams at {rate:g} frames/s: {answers / took:.0f} answers/s")
        click.echo(f"latency p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {most:.2f} ms")
        click.echo(f"{answers / batches:.1f} streams a batch, {1e6 * taken / batches:.0f} us each")
        click.echo(f"CPU of the service, connecting included, {1e6 * (metric(at, CPU) - cpu) / answers:.0f} us a frame")
        click.echo(f"memory {memory / 2**20:.0f} -> {metric(at, MEMORY) / 2**20:.0f} MiB")
        click.echo(f"streams left open {metric(at, 'serve_streams_open'):.0f}")


async def drive(address: str, streams: int, rate: float, seconds: float) -> tuple[list[float], float]:
    """The latencies of all answers in seconds, each from when its frame was due, and how long all took."""
    with urlopen(f"http://{address}/model") as reply:
        known = json.load(reply)
    frames = np.random.default_rng(0).standard_normal((streams, *known["frame"])).astype(known["dtype"])
    latencies: list[float] = []
    count = max(1, round(rate * seconds))
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(f"ws://{address}/stream", compression=None)) for _ in range(streams)
        ]
        begin = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as group:
            for n, (ws, frame) in enumerate(zip(clients, frames, strict=True)):
                due = [begin + (k + n / streams) / rate for k in range(count)]
                group.create_task(send(ws, frame.tobytes(), due))
                group.create_task(receive(ws, due, latencies))
        took = time.perf_counter() - begin
        for ws in clients[::2]:
            ws.transport.abort()
    await asyncio.sleep(0.5)
    return latencies, took


async def send(ws: ClientConnection, frame: bytes, due: list[float]) -> None:
    """Send the frame at each of these times."""
    for moment in due:
        await asyncio.sleep(moment - time.perf_counter())
        await ws.send(frame)


async def receive(ws: ClientConnection, due: list[float], latencies: list[float]) -> None:
    """Take the answers."""
    for moment in due:
        await ws.recv()
        latencies.append(time.perf_counter() - moment)


def metric(address: str, name: str) -> float:
    """One of the service's numbers."""
    with urlopen(f"http://{address}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


@contextmanager
def service(streams: int) -> Iterator[str]:
    """The address of a service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "examples.serve", "--port", str(port), "--streams", str(streams)]
    process = subprocess.Popen(command)
    try:
        wait_for(f"127.0.0.1:{port}", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the service answers."""
    end = time.monotonic() + READY
    while process.poll() is None and time.monotonic() < end:
        try:
            urlopen(f"http://{address}/health").close()
        except URLError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"The service did not start within {READY:g} s.")


if __name__ == "__main__":
    main()
