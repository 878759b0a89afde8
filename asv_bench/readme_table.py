"""Measure README's tables of times and write them between its markers: `python -m asv_bench.readme_table`."""

from __future__ import annotations

import os
from pathlib import Path

from .benchmarks import peers, start  # first: they set up BLAS before NumPy is imported

__all__ = ["between_markers", "main"]

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- times: begin -->", "<!-- times: end -->"


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


def processor() -> str:
    """The processor's name, as Linux has it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return "unknown processor"


def calls() -> str:
    """`layer(x)` and ONNX Runtime, by shapes."""
    import numba
    import onnxruntime

    lines = [
        f"Microseconds a call of `layer(x)`, one thread, float32, all outputs returned; minima. {processor()}, numba "
        f"{numba.__version__}, ONNX Runtime (ORT) {onnxruntime.__version__}. Above 1, numba_rnn is the faster.",
        "",
        "| batch, steps, inputs, units | LSTM | ORT | ORT / ours | GRU | ORT | ORT / ours |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for shape in peers.SHAPES:
        row = [", ".join(map(str, shape))]
        for cell in peers.CELLS:
            mine, other, _ = peers.compare(cell, *shape)
            row += [f"{mine * 1e6:,.1f}", f"{other * 1e6:,.1f}", f"{other / mine:.2f}"]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def starting() -> str:
    """What a process pays once."""
    cold, cached = start.first_prediction_seconds("LSTM")
    rows = {
        "a process that only does `import numba_rnn`": start.import_seconds(),
        "a process that predicts with an LSTM, the first ever on this machine (it compiles)": cold,
        "the same process again (it finds what was compiled)": cached,
    }
    lines = ["| start to end, the interpreter's own start included | seconds |", "|---|---:|"]
    return "\n".join(lines + [f"| {what} | {seconds:.2f} |" for what, seconds in rows.items()])


def main() -> None:
    """Measure, then rewrite README."""
    text = README.read_text(encoding="utf-8")
    between_markers(text, "")  # before the minutes of measuring, not after
    table = f"{calls()}\n\n{starting()}\n\nWritten by `python -m asv_bench.readme_table` on {os.cpu_count()} cores."
    README.write_text(between_markers(text, table), encoding="utf-8")


if __name__ == "__main__":
    main()
