"""`numba-rnn convert`: what a file holds, as a file of another kind."""

from __future__ import annotations

from pathlib import Path

import click

from numba_rnn.cli.common import EXISTING, errors_in_words

__all__ = ["convert"]


@click.command(short_help="Write a model as a file of another kind.")
@click.argument("source", metavar="MODEL", type=EXISTING)
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--like", type=EXISTING, help="A model's file, where MODEL holds weights alone.")
@click.option("--prefix", default="", help="Where a recurrent module lies in a larger file of PyTorch's.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
def convert(source: Path, target: Path, like: Path | None, prefix: str, overwrite: bool) -> None:
    """Write what MODEL holds to OUT, whose extension says as what.

    MODEL is a file of Keras', .keras, .h5 or .weights.h5; a .safetensors; or PyTorch's weights of a recurrent module, .pt or
    .safetensors. OUT ends in .keras, .weights.h5 or .h5, which Keras 3 opens, or in .safetensors. MODEL is never changed.
    """
    with errors_in_words():
        from numba_rnn.loaders.conversion import check_conversion
        from numba_rnn.loaders.conversion import convert as written

        try:
            check_conversion(source, target, *([like] if like else []), overwrite=overwrite)
        except FileExistsError as error:
            raise click.BadParameter(f"{str(target)!r} exists; --overwrite replaces it", param_hint="OUT") from error
        except (ValueError, OSError) as error:
            raise click.BadParameter(str(error), param_hint="OUT") from error
        written(source, target, like=like, prefix=prefix, overwrite=overwrite)
    click.echo(f"written: {target}")
