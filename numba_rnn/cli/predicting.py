"""`numba-rnn predict`: a model on the arrays in a file."""

from __future__ import annotations

import time
from pathlib import Path

import click

from numba_rnn.cli import arrays as files
from numba_rnn.cli.common import DEVICE, MODEL, compilations, errors_in_words, find_kernels, load

__all__ = ["predict"]


@click.command()
@MODEL
@click.argument("inputs_path", metavar="INPUTS", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the predictions to this .npy or .npz file.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Rows to run at a time.  [default: the model's own, or 32]"
)
@DEVICE
def predict(
    model_path: Path, inputs_path: Path, output: Path | None, batch_size: int | None, device: str | None
) -> None:
    """Predict for the arrays in INPUTS, a .npy or .npz file.

    The arrays of a .npz go to the model's inputs of the same names; a model with one input takes the only array, whatever
    its name. An array `label` is compared with the predictions: with the largest of several columns, or with whether a
    single column exceeds 0.5.
    """
    files.check_output(output, model_path, inputs_path)
    with errors_in_words():
        from numba_rnn import config

        arrays = files.read_arrays(inputs_path)
        model = load(model_path, device)
        label = arrays.pop("label", None)
        inputs = files.match(model, arrays)
        rows = files.count_rows(arrays, label)
        if output is not None and output.suffix == ".npy" and len(model.outputs) > 1:
            raise click.BadParameter(
                f"the model has {len(model.outputs)} outputs: name a .npz file", param_hint="--output"
            )
        own = model.inputs[0].shape[0]
        if label is not None:
            files.check_label(model, label)
        with compilations() as compiled:
            start = time.perf_counter()
            with config.device(device):
                list(find_kernels(model))  # chooses them, which imports the compiler: no part of predicting
            chosen = time.perf_counter()
            predictions = model.predict(inputs, batch_size=batch_size or own or 32, verbose="auto")
            preparing = chosen - start + compiled[0]
            seconds = time.perf_counter() - start - preparing
        named = files.named(predictions)
        accuracy = None if label is None else files.accuracy(next(iter(named.values())), label)
        if output is not None:
            files.write(output, named)
    for name, array in named.items():
        click.echo(f"{name}: {array.dtype} {array.shape}")
    click.echo(f"time: {seconds:.3f} s for {rows} rows, after {preparing:.1f} s of getting kernels ready")
    if accuracy is not None:
        click.echo(f"accuracy: {accuracy:.4f}")
    if output is not None:
        click.echo(f"written: {output}")
