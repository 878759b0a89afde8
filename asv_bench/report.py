"""Measure the suite and write it down: `python -m asv_bench.report`, or a part of it with `--families`, `--threads`, `--quick`.

Raw numbers go to `asv_bench/results/<processor>-<date>.json`, after every case, so that `--resume` goes on where a run ended. From
all of that file come the README's tables and `asv_bench/results/speed.svg`; `--render` does that alone, from the newest file.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .benchmarks import shapes, start  # first: they set up BLAS before NumPy is imported
from .benchmarks.compare import OURS, best_peer, ratio
from .benchmarks.storages import UNITS, speedups
from .chart import chart
from .readme_table import README, between_markers, tables
from .worker import Worker

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
CHART = "speed.svg"
GPU = "gpu-"  # how the names of `asv_bench.gpu`'s files begin


def processor() -> str:
    """The processor's name, as Linux has it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine() or "unknown processor"


def opened(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Today's file for this processor, and what it holds already."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', processor().lower()).strip('-')}-{today}.json"
    if path.exists():
        return path, json.loads(path.read_text(encoding="utf-8"))
    from numba import __version__ as numba

    machine = {"processor": processor(), "cores": os.cpu_count(), "date": today}
    return path, machine | {"versions": {"numba": numba}, "limits": {}, "storages": {}, "starting": {}, "rows": []}


def save(path: Path, results: dict[str, Any]) -> None:
    """Write the file at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def line(row: dict[str, Any]) -> str:
    """A row in a line of text."""
    ours, peer = row["seconds"][OURS], best_peer(row)
    theirs = f"{peer[1] * 1e6:11.1f} {ratio(row):6.2f}  {peer[0]}" if peer else "  no peer"
    failed = "".join(f"  FAILED {name}: {reason}" for name, reason in row["failed"].items())
    head = f"{row['threads']} {row['family']:14}{row['name']:32}{ours * 1e6:11.1f} us {row['limit'] / ours:5.2f} of the limit"
    return f"{head} {theirs}{failed}"


def run(
    path: Path, results: dict[str, Any], cases: list[shapes.Case], threads: list[int], seconds: float, resume: bool
) -> None:
    """Measure the cases on each number of threads, saving after each."""
    key = ("family", "name", "threads")
    done = {tuple(row[k] for k in key) for row in results["rows"]} if resume else set()
    bar = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*bar) as progress:
        task = progress.add_task("", total=len(cases) * len(threads))
        for count in threads:
            left = [case for case in cases if (case.family, case.name, count) not in done]
            progress.advance(task, len(cases) - len(left))
            if not left:
                continue
            worker = Worker(count, seconds)
            results["limits"][str(count)] = worker.rates
            results["versions"] |= worker.versions
            for case in left:
                progress.update(task, description=f"{case.family} {case.name}, {count} thread{'s' * (count > 1)}")
                row = worker.row(case)
                results["rows"] = [r for r in results["rows"] if any(r[k] != row[k] for k in key)] + [row]
                save(path, results)
                progress.console.print(line(row), markup=False, highlight=False, soft_wrap=True)
                progress.advance(task)
            worker.end()


def starting() -> dict[str, float]:
    """What a process pays once, in seconds."""
    cold, cached = start.first_prediction_seconds("LSTM")
    return {
        "from a process's start until `import numba_rnn` is through": start.import_seconds(),
        "from a process's start to its prediction with an LSTM, the first ever on this machine (it compiles)": cold,
        "the same again (it finds what was compiled)": cached,
    }


def storages() -> dict[str, dict[str, float]]:
    """What weights in fewer bytes save, case by case."""
    cases = [(cell, H) for cell in ("lstm", "gru") for H in UNITS]
    return {f"{cell.upper()}, {H} inputs and units": speedups(cell, H) for cell, H in cases}


def render(path: Path, results: dict[str, Any]) -> None:
    """The chart beside the results, and README's tables."""
    (path.parent / CHART).write_text(chart(results), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(between_markers(text, tables(results, f"asv_bench/results/{CHART}")), encoding="utf-8")


@click.command()
@click.option("--families", help=f"Comma-separated, of: {', '.join(shapes.FAMILIES)}. All if not given.")
@click.option("--threads", default="1,2", show_default=True, help="Comma-separated numbers of threads.")
@click.option("--quick", is_flag=True, help="One case a family, one thread, 0.05 s a side; README stays as it is.")
@click.option("--seconds", default=0.5, show_default=True, help="Time for each side of a case, about.")
@click.option("--resume", is_flag=True, help="Keep the cases that today's file has.")
@click.option(
    "--render", "only_render", is_flag=True, help="Measure nothing: write the newest file's tables and chart."
)
@click.option("--readme/--no-readme", default=True, help="Write README's tables and the chart.")
@click.option("--results", "folder", type=click.Path(path_type=Path), default=RESULTS, help="Where the files go.")
def main(
    families: str | None,
    threads: str,
    quick: bool,
    seconds: float,
    resume: bool,
    only_render: bool,
    readme: bool,
    folder: Path,
) -> None:
    """Measure the suite against its peers and the machine's limits, and write the tables."""
    if only_render:
        measured = (file for file in folder.glob("*.json") if not file.name.startswith(GPU))
        if not (files := sorted(measured, key=lambda file: file.stat().st_mtime)):
            raise click.ClickException(f"{folder} holds no results.")
        render(files[-1], json.loads(files[-1].read_text(encoding="utf-8")))
        return
    between_markers(README.read_text(encoding="utf-8"), "")  # before the minutes of measuring, not after
    names = families.split(",") if families else list(shapes.FAMILIES)
    if unknown := set(names) - set(shapes.FAMILIES):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: expected of {', '.join(shapes.FAMILIES)}.")
    cases = [case for name in names for case in (shapes.FAMILIES[name][:1] if quick else shapes.FAMILIES[name])]
    path, results = opened(folder)
    counts = [1] if quick else [int(n) for n in threads.split(",")]
    run(path, results, cases, counts, min(seconds, 0.05) if quick else seconds, resume)
    if not (quick or families or (resume and results["starting"])):
        results["storages"] = storages()
        results["starting"] = starting()
        save(path, results)
    if readme and not quick:
        render(path, results)
    click.echo(f"Written: {path}")
    if failed := [row["name"] for row in results["rows"] if row["failed"]]:
        raise click.ClickException(f"peers differed or failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
