"""What the commands share: the model that a file holds, errors in words, tables, and a word where compiling takes long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

__all__ = [
    "DEVICE", "EXISTING", "FILE", "MODEL", "check_built", "compilations", "errors_in_words", "find_kernels", "load", "print_table",
    "printable",
]  # fmt: skip

PATIENCE = 1.0  # seconds: loading a kernel from the disk cache takes less, compiling one takes more
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
MODEL = click.argument("model_path", metavar="MODEL", type=EXISTING)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "reference"]),
    help="Where to run.  [default: NUMBA_RNN_DEVICE, or auto]",
)
FILE = click.argument("path", metavar="FILE", type=EXISTING)


def print_table(title: str, columns: list[str], rows: Sequence[tuple[str, ...]], lines: bool = True) -> None:
    """A table to the terminal; what stands in it is text, not rich's markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left", show_lines=lines)
    for row in rows:
        table.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in row))
    Console().print(table)


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """What the library raises becomes one line and exit code 1; anything else is a bug and keeps its traceback."""
    try:
        yield
    except (ValueError, IndexError, OSError, ImportError) as error:  # Embedding raises IndexError
        raise click.ClickException(printable(" ".join(str(error).split()))) from error


def printable(text: str) -> str:
    """Text that a file may have brought along, a question mark in place of what would steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def load(path: Path, device: str | None = None) -> Any:
    """The model in a file, which must say the shape of its input."""
    from numba_rnn.loaders import load_model

    model = load_model(path, device=device)
    check_built(model, path)
    return model


def check_built(model: Any, path: Path) -> None:
    """Raise `ValueError` where a model does not say the shape of its input."""
    if not model.built or not model.inputs:
        raise ValueError(
            f"The model in {str(path)!r} does not say the shape of its input. Save it after calling it once."
        )


def find_kernels(model: Any, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each recurrent layer's name and its kernels in words, nested models included."""
    for layer in model.layers:
        name = f"{prefix}{layer.name}"
        if hasattr(layer, "layers"):
            yield from find_kernels(layer, f"{name}/")
        elif hasattr(layer, "describe_kernels") and (lines := layer.describe_kernels()):
            yield f"{name} ({type(layer).__name__})", lines


@contextlib.contextmanager
def compilations() -> Iterator[list[float]]:
    """Say so when a compilation takes long; yields a list of one number, the seconds spent on all of them."""
    from numba_rnn.progress import set_listener

    spent = [0.0]

    @contextlib.contextmanager
    def listener(what: str) -> Iterator[None]:
        text = f"Compiling {what} for this machine. This happens once: later runs load it from the disk cache."
        timer = threading.Timer(PATIENCE, click.echo, (text,), {"err": True})
        timer.daemon = True
        start = time.perf_counter()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            spent[0] += time.perf_counter() - start

    set_listener(listener)
    try:
        yield spent
    finally:
        set_listener(None)
