"""Measure a GPU: `python -m asv_bench.gpu`, about eight minutes; `--only`, `--quick` do a part of it, `--simulate` needs no GPU.

Whether it is right, what its latencies are, how fast it is against cuDNN: see `sections`. The raw numbers go to
`asv_bench/results/gpu-<device>.json` every few seconds, and a page of tables beside them, so that a run that is cut off has lost
nothing; sections that are not run again stay in the files.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from numba_rnn.kernels.cuda.machine import CUDA
from numba_rnn.kernels.cuda.presence import why_not

from .environment import device_name
from .runner import Pool, run_here
from .section import Bench, Row
from .sections import SECTIONS
from .table import state, summary, tables

__all__ = ["main"]

RESULTS = Path(__file__).parents[1] / "results"
SECONDS = 480.0
QUICK = 0.25  # of the time
SHOWN = 12  # rows of a section that are wrong or failed, on the screen; the files have all
EVERY = 5.0  # seconds from one writing of the files to the next


def simulated() -> CUDA:
    """A backend whose GPU is the tests' simulator."""
    from tests.kernels.cuda.simulator.driver import SimulatedDriver

    return CUDA(SimulatedDriver(multiprocessors=4))


class Writer:
    """The two files."""

    def __init__(self, path: Path, device: str) -> None:
        self.path = path
        self.results: dict[str, Any] = {"device": device, "sections": {}}
        if path.exists() and (old := json.loads(path.read_text(encoding="utf-8")))["device"] == device:
            self.results = old
        self.results["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
        self.written = 0.0
        self.shown: Counter[str] = Counter()

    def write(self) -> None:
        """Each at once or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path, text in (
            (self.path, json.dumps(self.results, indent=1) + "\n"),
            (self.path.with_suffix(".md"), tables(self.results)),
        ):
            part = path.with_name(path.name + ".part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        self.written = time.monotonic()

    def tell(self, name: str, row: Row) -> None:
        """Keep a row, and show it if something is amiss or it says a time."""
        self.results["sections"][name]["rows"].append(row)
        if (word := state(row)) in ("failed", "wrong"):
            self.shown[name] += 1
            if self.shown[name] <= SHOWN:
                click.echo(f"  {word}: {row['name']}: {str(row[word])[-240:]}")
        elif isinstance(us := row.get("us"), dict):
            click.echo(f"  {row['name']}: " + ", ".join(f"{side} {value:.3g}" for side, value in us.items()))
        elif isinstance(us, float):
            click.echo(f"  {row['name']}: {us:.3g} us")
        if time.monotonic() - self.written > EVERY:
            self.write()


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The JSON file; the tables go beside it as .md."
)
@click.option("--quick", is_flag=True, help="A look at everything, in about two minutes.")
@click.option("--only", help=f"Comma-separated, of: {', '.join(SECTIONS)}. They share all of the time.")
@click.option(
    "--simulate", is_flag=True, help="Tiny sizes on a simulated GPU, to see that these measurements themselves work."
)
def main(out: Path | None, quick: bool, only: str | None, simulate: bool) -> None:
    """Measure this machine's GPU and write it down; exits with 2 where there is none, with 1 if something was wrong."""
    names = only.split(",") if only else list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: expected of {', '.join(SECTIONS)}.")
    if not simulate and (reason := why_not()) is not None:
        click.echo(f"There is nothing to measure: {reason}.", err=True)
        sys.exit(2)
    device = "simulated" if simulate else device_name()
    path = (out or RESULTS / f"gpu-{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}").with_suffix(".json")
    writer = Writer(path, device)
    total = sum(SECTIONS[name].seconds for name in names)
    bench = Bench(CUDA(), quick=quick) if not simulate else Bench(simulated(), simulated=True, quick=quick)
    for name in (name for name in SECTIONS if name in names):
        section, started = SECTIONS[name], time.monotonic()
        writer.results["sections"][name] = {"rows": []}

        def tell(row: Row, name: str = name) -> None:
            writer.tell(name, row)

        click.echo(f"{section.title}:")
        try:
            if simulate:
                run_here(section, bench, tell)
            else:
                Pool(section, quick, tell).run(
                    section.jobs(bench), SECONDS * (QUICK if quick else 1) * section.seconds / total
                )
        except Exception as problem:  # of the section's own: the others go on
            tell({"name": name, "failed": f"{type(problem).__name__}: {problem}"})
        found = writer.results["sections"][name]
        found |= {"took": round(time.monotonic() - started, 1), "date": writer.results["date"]}
        click.echo(f"  {summary(name, found['rows'])}, {found['took']:.0f} s")
        writer.write()
    click.echo(f"Written: {path} and {path.with_suffix('.md')}")
    if any(state(row) in ("failed", "wrong") for name in names for row in writer.results["sections"][name]["rows"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
