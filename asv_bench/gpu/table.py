"""The measurements as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .sections import SECTIONS

__all__ = ["summary", "tables"]

Row = Mapping[str, Any]
STATES = "failed", "wrong", "skipped", "refused"  # what a row may be instead of right, worst first
PAIRS = ("fp32", "fp32"), ("bf16x3", "fp32"), ("tf32", "tf32"), ("bf16", "fp16"), ("bf16", "bf16")  # ours, cuDNN's
PLAIN = "name", "took"
LISTED = 40  # rows in which something is amiss, of one section


def state(row: Row) -> str:
    """One of STATES, or "right"."""
    return next((word for word in STATES if word in row), "right")


def summary(name: str, rows: Sequence[Row]) -> str:
    """A section in a line."""
    counts = Counter(map(state, rows))
    return f"{name}: " + ", ".join(f"{counts[word]} {word}" for word in ("right", *STATES) if counts[word])


def grid(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def number(value: float | None) -> str:
    """Three digits or so."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def amiss(rows: Sequence[Row]) -> str:
    """What went wrong, in full for the first ones; what was refused or not reached, in numbers."""
    bad = [row for row in rows if state(row) in ("failed", "wrong")]
    lines = [
        f"- **{state(row)}** {row['name']}: {' '.join(str(row[state(row)]).split())[-400:]}" for row in bad[:LISTED]
    ]
    if len(bad) > LISTED:
        lines.append(f"- and {len(bad) - LISTED} more")
    for word in ("skipped", "refused"):
        for reason, count in Counter(str(row[word]) for row in rows if state(row) == word).items():
            if word == "skipped":
                lines.append(f"- skipped {count}: {reason}")
    return "\n".join(lines)


def environment(rows: Sequence[Row]) -> str:
    """Everything known."""
    return grid(("what", "value"), [(k, v) for row in rows for k, v in row.items() if k not in PLAIN])


def latencies(rows: Sequence[Row]) -> str:
    """Microseconds."""
    return grid(
        ("", "us", "us each, many in a row", ""),
        [
            (row["name"], number(row["us"]), number(row.get("us in a row")), row.get("of", ""))
            for row in rows
            if "us" in row
        ],
    )


def correctness(rows: Sequence[Row]) -> str:
    """For each kind of kernel, cell and precision: how many calls, and the largest error of them."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if "worst" in row:
            kind, cell, precision, *_ = str(row["name"]).split(", ")
            found.setdefault((kind, cell, precision), []).append(row)
    return grid(
        ("kernel", "cell", "precision", "shapes", "calls", "largest error", "allowed", "wrong"),
        [
            (*key, len(group), sum(row.get("calls", 1) for row in group), f"{max(row['worst'] for row in group):.1e}",
             f"{group[0]['bound']:.0e}", sum("wrong" in row for row in group))
            for key, group in found.items()
        ],
    )  # fmt: skip


def soak(rows: Sequence[Row]) -> str:
    """Steps of each kernel and shape, and the error of a short call."""
    return grid(
        ("kernel and shape", "steps", "blocks wait", "the same bits", "error"),
        [
            (row["name"], f"{row.get('steps', 0):,}", {True: "yes", False: "no"}.get(row.get("waits"), ""),
             "no" if "wrong" in row else "yes", f"{row['worst']:.1e}" if "worst" in row else "")
            for row in rows if "steps" in row or "wrong" in row
        ],
    )  # fmt: skip


def timing(rows: Sequence[Row]) -> str:
    """Microseconds a step; ratios are cuDNN's time over ours, above 1 where ours is the faster."""
    head = ["shape (D = H)", *(f"ours {p}" for p in ("fp32", "bf16x3", "tf32", "bf16"))]
    head += [f"cuDNN {p}" for p in ("fp32", "tf32", "fp16", "bf16")]
    head += [f"{a} to {b}" for a, b in PAIRS] + [
        "NumPy in and out",
        "host, ours",
        "host, cuDNN",
        "error fp32",
        "kernel fp32",
    ]
    body = []
    for row in rows:
        if "us" not in row:
            continue
        us, errors, pays = row["us"], row.get("error", {}), row.get("host us a call", {})
        ratios = [us.get(f"cuDNN {b}", math.nan) / us.get(f"ours {a}", math.nan) for a, b in PAIRS]
        body.append([
            row["name"], *(number(us.get(name)) for name in head[1:9]),
            *("" if math.isnan(r) else f"**{r:.2f}**" if r > 1 else f"{r:.2f}" for r in ratios),
            number(us.get("ours fp32, NumPy")), number(pays.get("ours fp32")), number(pays.get("cuDNN fp32")),
            f"{errors['ours fp32']:.1e}" if "ours fp32" in errors else "",
            row.get("kernel", {}).get("fp32", ""),
        ])  # fmt: skip
    sides = [f"- {row['name']}, {side}: {why}" for row in rows for side, why in row.get("failed sides", {}).items()]
    notes = (
        "Microseconds a step: the whole sequence's time over T, input product included. Ratios are cuDNN's time over "
    )
    notes += "ours. host: microseconds until a whole call returns, with an idle GPU."
    return "\n\n".join([notes, grid(head, body), *(["\n".join(sides)] if sides else [])])


def choice(rows: Sequence[Row]) -> str:
    """Microseconds a step by kind of kernel, the estimate behind each; the kind that is chosen in bold."""
    rows = [row for row in rows if "us a step" in row]
    names = sorted({kind for row in rows for kind in row["us a step"]})

    def entry(row: Row, kind: str) -> str:
        if kind not in row["us a step"]:
            return ""
        text = f"{number(row['us a step'][kind])} ({number(row['estimated'][kind])})"
        return f"**{text}**" if kind == row["chosen"] else text

    body = []
    for row in rows:
        times = row["us a step"]
        quickest = min(times, key=times.get)
        body.append(
            [row["name"], *(entry(row, kind) for kind in names), f"{times[row['chosen']] / times[quickest]:.2f}"]
        )
    notes = "In brackets the estimate, without the input's product. The last column: the chosen kind's time over the shortest."
    return "\n\n".join([notes, grid(("call", *names, "chosen to best"), body)])


RENDER: dict[str, Callable[[Sequence[Row]], str]] = {
    "environment": environment, "latencies": latencies, "correctness": correctness, "soak": soak, "timing": timing,
    "choice": choice,
}  # fmt: skip


def tables(results: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [
        f"# {results['device']}, {results['date']}",
        "Written by `python -m asv_bench.gpu`; the raw numbers are in the JSON file beside it.",
    ]
    for name, section in SECTIONS.items():
        if name not in results["sections"]:
            continue
        rows = results["sections"][name]["rows"]
        parts += [f"## {section.title}", f"{summary(name, rows)}.", RENDER[name](rows), amiss(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"
