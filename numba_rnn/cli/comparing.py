"""`numba-rnn info --compare`: what weights of fewer bytes cost and save."""

from __future__ import annotations

from typing import Any

import click

from numba_rnn.cli.common import compilations, print_table

__all__ = ["compare"]


def compare(model: Any) -> None:
    """A table of the model with each way to keep its weights."""
    from numba_rnn.compressed import STORAGES
    from numba_rnn.models.batches import progress
    from numba_rnn.models.comparison import ROWS, STEPS, compare_weights

    found = []
    with compilations(), progress("compare", 1 + len(STORAGES), "auto") as advance:
        for comparison in compare_weights(model):
            found.append(comparison)
            advance()
    own = " and ".join(sorted({weight.dtype for weight in model.weights}))
    rows = [
        (c.storage or own, f"{c.nbytes:,}", f"{c.largest:.2g}", f"{c.mean:.2g}", f"{c.seconds * 1e6:,.1f} us")
        if c.refused is None
        else (str(c.storage), "-", "-", "-", "-")
        for c in found
    ]
    print_table("What weights cost", ["Weights", "Bytes", "Largest difference", "Mean", "Time a call"], rows)
    click.echo(
        f"Differences: of the outputs, absolute, on random input of unit scale, {ROWS} rows and {STEPS} steps where the model "
        "takes any number. Times: the fastest call, of one row where the model takes any number."
    )
    for c in found:
        if c.refused is not None:
            click.echo(f"{c.storage}: {c.refused}")
