"""README's tables of times, from a file of results; `asv_bench.report` measures and writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .benchmarks.compare import OURS, ratio
from .benchmarks.peers import PEERS
from .benchmarks.shapes import CASES as SUITE
from .benchmarks.shapes import FAMILIES

__all__ = ["between_markers", "geometric_mean", "tables"]

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- times: begin -->", "<!-- times: end -->"
CELLS = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
KINDS = {
    "stream": "one step (D = H)",
    "deepbench": "DeepBench inference (D = H)",
    "batches": "batches of sequences",
    "tiny": "3 to 24 units (D = H)",
    "bidirectional": "bidirectional, 32 units",
    "stacks": "2 and 4 layers",
    "masked": "masked, lengths 1 to T",
}
Row = Mapping[str, Any]


def between_markers(text: str, table: str) -> str:
    """README's text with the table in its place.

    Raises:
        ValueError: the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"Expected `{BEGIN}` and `{END}` once each, in this order.")
    return f"{before}{BEGIN}\n{table.strip()}\n{END}{after}"


def geometric_mean(values: Iterable[float]) -> float:
    """NaN for none."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def _ratios(rows: Iterable[Row]) -> list[float]:
    return [value for value in map(ratio, rows) if not math.isnan(value)]


def _ordered(results: Mapping[str, Any], threads: int) -> list[Row]:
    """The rows of so many threads, in the order of the suite; those of cases that it no longer has come last."""
    place = {(case.family, case.name): n for n, case in enumerate(SUITE)}
    rows = [row for row in results["rows"] if row["threads"] == threads]
    return sorted(rows, key=lambda row: place.get((row["family"], row["name"]), len(place)))


def _counts(results: Mapping[str, Any]) -> list[int]:
    return sorted({row["threads"] for row in results["rows"]})


def _heading(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def _summary(results: Mapping[str, Any]) -> list[str]:
    """A line a family and one for all: geometric mean, the least, and how many are ahead."""
    counts = _counts(results)
    titles = [f"{_heading(n)}: mean | least | ahead | of the limit" for n in counts]
    lines = [f"| | {' | '.join(titles)} |", f"|---{'|---:' * 4 * len(counts)}|"]
    for family in [*FAMILIES, None]:
        cells = []
        for n in counts:
            rows = [row for row in _ordered(results, n) if family in (None, row["family"])]
            found, limits = _ratios(rows), geometric_mean(row["limit"] / row["seconds"][OURS] for row in rows)
            if not rows:
                cells += ["", "", "", ""]
            elif not found:
                cells += ["", "", "", f"{limits:.2f}"]
            else:
                ahead = f"{sum(value > 1 for value in found)} of {len(found)}"
                cells += [f"{geometric_mean(found):.2f}", f"{min(found):.2f}", ahead, f"{limits:.2f}"]
        if any(cells):
            lines.append(f"| {KINDS[family] if family else '**all**'} | {' | '.join(cells)} |")
    return lines


def _rows(results: Mapping[str, Any], threads: int) -> list[str]:
    """Every row of so many threads, folded away."""
    peers = [name for name in PEERS if any(name in row["seconds"] for row in results["rows"])]
    heads = ["cell", "B, T, D, H", OURS, *peers, f"best peer / {OURS}", "of the limit", "which limit"]
    lines = [
        f"<details><summary>Every case, {_heading(threads)}: microseconds a call</summary>",
        "",
        f"| {' | '.join(heads)} |",
        f"|---|---{'|---:' * (len(heads) - 3)}|---|",
    ]
    reasons: dict[str, None] = {}
    for row in _ordered(results, threads):
        shape = ", ".join(str(row[k]) for k in "BTDH")
        shape += ", both ways" * row["bidirectional"] + ", masked" * row["masked"]
        shape += f", {row['layers']} layers" * (row["layers"] > 1)
        times = [f"{row['seconds'][name] * 1e6:,.1f}" if name in row["seconds"] else "" for name in (OURS, *peers)]
        value = ratio(row)
        won = "" if math.isnan(value) else f"{value:.2f}"
        share = f"{row['limit'] / row['seconds'][OURS]:.2f}"
        lines.append(f"| {' | '.join([CELLS[row['cell']], shape, *times, won, share, row['held_by']])} |")
        for name, reason in (row["skipped"] | row["failed"]).items():
            if name in peers:
                reasons[f"{name}, {row['name']}: {reason}"] = None
    return [*lines, "", *(f"- {reason}" for reason in reasons), "", "</details>"]


def _limits(results: Mapping[str, Any]) -> str:
    """What was measured of the machine."""
    parts = []
    for threads, rates in sorted(results["limits"].items()):
        loads = ", ".join(f"{level} {rates[level] / 1e9:.0f}" for level in ("L1", "L2", "L3", "memory"))
        parts.append(f"{_heading(int(threads))} {rates['fma'] / 1e9:.0f} GFLOP/s, loads {loads} GB/s")
    return "; ".join(parts)


def _starting(results: Mapping[str, Any]) -> list[str]:
    if not results["starting"]:
        return []
    lines = ["", "| start to end, the interpreter's own start included | seconds |", "|---|---:|"]
    return lines + [f"| {what} | {seconds:.2f} |" for what, seconds in results["starting"].items()]


def _storages(results: Mapping[str, Any]) -> list[str]:
    found = results.get("storages") or {}
    if not found:
        return []
    names = list(next(iter(found.values())))
    lines = ["", f"| weights kept as, one row, one thread: times float32's speed | {' | '.join(names)} |"]
    lines.append("|---|" + "---:|" * len(names))
    return lines + [
        f"| {case} | " + " | ".join(f"{row[name]:.2f}" for name in names) + " |" for case, row in found.items()
    ]


def tables(results: Mapping[str, Any], picture: str) -> str:
    """What stands between README's markers; `picture` is the chart's path from there."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    peers = [name for name in PEERS if any(name in row["seconds"] for row in results["rows"])]
    lines = [
        f"How many times as fast as the best of {len(peers)} peers ({', '.join(peers)}) a call of `layer(x)` is, float32, all "
        f"outputs returned: above 1, {OURS} is the faster. The weights are the same, the outputs are compared, the number of "
        "threads is the same; the sides take turns in one process, and the minimum counts.",
        "",
        f"![Speed against the best peer, every case a dot]({picture})",
        "",
        *_summary(results),
        "",
        "Mean: geometric. Ahead: cases faster than the best peer. Of the limit: what multiply-adds or reading the weights take at "
        f"least, over our time; measured: {_limits(results)}. [How to read this](asv_bench/NOTES.md).",
        "",
    ]
    for threads in _counts(results):
        lines += [*_rows(results, threads), ""]
    lines += [*_storages(results), *_starting(results)]
    machine = f"{results['processor']}, {results['cores']} cores, {results['date']}"
    lines += ["", f"{machine}; {versions}. Written by `python -m asv_bench.report`."]
    return "\n".join(lines)
