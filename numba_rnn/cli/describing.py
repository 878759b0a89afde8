"""`numba-rnn info`: what a file is, what it holds, which kernels run it, or what stops it from running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from numba_rnn.cli.common import FILE, check_built, errors_in_words, find_kernels, in_one_line, print_table
from numba_rnn.cli.comparing import compare

__all__ = ["info"]

MOST = 200  # rows of a table of weights


@click.command(short_help="Say what FILE is, and what will run it.")
@FILE
@click.option(
    "--compare",
    "costs",
    is_flag=True,
    help="Run it with weights of fewer bytes, too, and show what that costs and saves.",
)
def info(path: Path, costs: bool) -> None:
    """Say what FILE is, who wrote it and what it holds.

    Of a model: the layers, and which kernel will run each recurrent one, and why. Of weights alone: their names, and how to load
    them. FILE is one of Keras', .keras, .h5 or .weights.h5, of any version; .safetensors; PyTorch's .pt; or ONNX.

    Exits with 0 if the file can be used, with 1 if something stops it, which is then the last line.
    """
    with errors_in_words():
        from numba_rnn.loaders import describe

        report = describe(path)
        keras = hasattr(report.model, "layers")  # else one of ONNX's, or a cell of PyTorch's
        if keras:
            check_built(report.model, path)
        click.echo(f"{path}: {report.kind}")
        click.echo(f"Written by: {report.written_by}")
        if report.classes:
            click.echo("Holds: " + ", ".join(f"{name} x {n}" if n > 1 else name for name, n in report.classes.items()))
        if report.weights:
            click.echo(f"Weights: {len(report.weights)} arrays, {report.parameters:,} numbers")
        elif report.parameters:
            click.echo(f"Weights: {report.parameters:,} numbers")
        _print_what_runs(report)
        if costs:
            if not keras:
                raise ValueError("`--compare` needs a model of Keras' layers.")
            compare(report.model)
        if report.problem is not None:
            raise ValueError(f"It does not run here. {report.problem}")


def _print_what_runs(report: Any) -> None:
    if hasattr(report.model, "summary"):
        report.model.summary()
    if hasattr(report.model, "layers"):
        kernels = list(find_kernels(report.model))
        if kernels:
            running = [(name, "\n".join(lines)) for name, lines in kernels]
            print_table("Kernels", ["Recurrent layer", "Kernel"], running)
        else:
            click.echo("No recurrent layers.")
        return
    if report.weights:
        rows = [(in_one_line(w.name), str(w.shape), str(w.dtype)) for w in report.weights[:MOST]]
        print_table("Weights", ["Name", "Shape", "Type"], rows, lines=False)
        if len(report.weights) > MOST:
            click.echo(f"And {len(report.weights) - MOST} more.")
    if report.problem is None and report.remedy:
        click.echo(f"Use: {report.remedy}")
