"""The suite as a picture: a dot a case, a row a family, the best peer's time over ours on a logarithmic scale, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from .benchmarks.compare import OURS, best_peer, ratio
from .benchmarks.shapes import FAMILIES
from .readme_table import CELLS, KINDS, geometric_mean

__all__ = ["chart"]

COLOURS = {"lstm": "#1f6fb4", "gru": "#d9622b", "simple_rnn": "#6b7280"}
LEFT, RIGHT, WIDTH, STEP, TOP = 210, 30, 860, 26, 58
AXIS = 34  # below the rows of one number of threads


def _ticks(values: list[float]) -> list[float]:
    """Powers of two that hold all values, and 1."""
    low, high = min([*values, 1.0]), max([*values, 2.0])
    return [2.0**n for n in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]


def _text(x: float, y: float, text: str, options: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {options}>{escape(text)}</text>'


def chart(results: Mapping[str, Any]) -> str:
    """The picture of a file of results; rows without a peer are left out."""
    rows = [row for row in results["rows"] if not math.isnan(ratio(row))]
    counts, ticks = sorted({row["threads"] for row in rows}), _ticks([ratio(row) for row in rows])
    span = math.log2(ticks[-1] / ticks[0])
    at = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * math.log2(value / ticks[0]) / span  # noqa: E731
    body, y = [], TOP
    for threads in counts:
        mine = [row for row in rows if row["threads"] == threads]
        families = [family for family in FAMILIES if any(row["family"] == family for row in mine)]
        mean = geometric_mean(map(ratio, mine))
        body.append(
            _text(12, y, f"{threads} thread{'s' * (threads > 1)}: geometric mean {mean:.2f}", 'font-weight="bold"')
        )
        bottom = y + 14 + STEP * len(families)
        for tick in ticks:
            one = tick == 1
            body.append(
                f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{y + 12}" y2="{bottom}" '
                f'stroke="{"#111827" if one else "#d1d5db"}" stroke-width="{1.5 if one else 1}"/>'
            )
            body.append(_text(at(tick), bottom + 15, f"{tick:g}", 'text-anchor="middle" fill="#4b5563"'))
        for n, family in enumerate(families):
            middle, found = y + 14 + STEP * (n + 0.5), [row for row in mine if row["family"] == family]
            body.append(_text(LEFT - 12, middle + 4, KINDS[family], 'text-anchor="end"'))
            for row in found:
                peer = best_peer(row)
                times = f"{row['seconds'][OURS] * 1e6:.1f} us, {peer[0]} {peer[1] * 1e6:.1f} us" if peer else ""
                title = escape(f"{row['name']}: {ratio(row):.2f} ({times})")
                body.append(
                    f'<circle cx="{at(ratio(row)):.1f}" cy="{middle:.1f}" r="4" fill="{COLOURS[row["cell"]]}" '
                    f'fill-opacity="0.65"><title>{title}</title></circle>'
                )
            x = at(geometric_mean(map(ratio, found)))
            body.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 10:.1f}" y2="{middle + 10:.1f}" stroke="#111827" stroke-width="3"/>'
            )
        y = bottom + AXIS + 12
    legend, x = [], LEFT
    for cell, colour in COLOURS.items():
        legend += [f'<circle cx="{x}" cy="{TOP - 24}" r="4" fill="{colour}"/>', _text(x + 9, TOP - 20, CELLS[cell])]
        x += 100
    legend.append(_text(x, TOP - 20, "bar: geometric mean of the row", 'fill="#4b5563"'))
    title = f"The best peer's time over {OURS}'s: right of 1, {OURS} is the faster"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" '
            'font-family="system-ui, sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            _text(12, 20, title, 'font-size="15" font-weight="bold"'),
            *legend,
            *body,
            "</svg>\n",
        ]
    )
