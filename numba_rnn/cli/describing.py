"""`numba-rnn info`: what a file is, what it holds, which kernels run it, or what stops it from running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from numba_rnn.cli.common import FILE, check_built, errors_in_words, find_kernels, print_table, printable
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
        click.echo(printable(f"Written by: {report.written_by}"))
        if report.classes:
            names = [f"{name} x {n}" if n > 1 else name for name, n in report.classes.items()]
            click.echo(printable(f"Holds: {', '.join(names)}"))
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
    model, weights = report.model, report.weights
    if hasattr(model, "layers"):
        model.summary(print_fn=_echo)
        kernels = list(find_kernels(model))
        if kernels:
            running = [(name, "\n".join(lines)) for name, lines in kernels]
            print_table("Kernels", ["Recurrent layer", "Kernel"], running)
        else:
            click.echo("No recurrent layers.")
        return
    if hasattr(model, "summary"):
        model.summary(_echo)
    elif weights:
        rows = [(w.name, str(w.shape), w.dtype) for w in weights[:MOST]]
        print_table("Weights", ["Name", "Shape", "Type"], rows, lines=False)
        if len(weights) > MOST:
            click.echo(f"And {len(weights) - MOST} more.")
    if report.problem is None and report.remedy:
        click.echo(f"Use: {report.remedy}")


def _echo(text: str) -> None:
    click.echo("\n".join(map(printable, text.rstrip("\n").split("\n"))))
