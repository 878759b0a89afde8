"""`numba-rnn warmup`: the kernels that a model needs, compiled now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from numba_rnn.cli.common import MODEL, compilations, errors_in_words, load

__all__ = ["warmup"]

WARM_STEPS = 2  # steps of the sequences that `warmup` runs, where the model takes any number


@click.command(short_help="Compile what MODEL needs, for later runs.")
@MODEL
def warmup(model_path: Path) -> None:
    """Compile everything that MODEL needs, so that later runs take it from the disk cache."""
    with errors_in_words():
        from numba_rnn.config import settings

        start = time.perf_counter()
        model = load(model_path)
        with compilations():
            model.predict_on_batch([_zeros(i) for i in model.inputs])
            model.warmup()
        click.echo(f"Ready in {time.perf_counter() - start:.1f} s.")
        if not settings.cache:
            click.echo("Nothing is kept for the next run: NUMBA_RNN_CACHE=0 turns the disk cache off.", err=True)


def _zeros(symbol: Any) -> Any:
    import numpy as np

    batch, *rest = symbol.shape
    return np.zeros((batch or 1, *(n or WARM_STEPS for n in rest)), symbol.dtype)
