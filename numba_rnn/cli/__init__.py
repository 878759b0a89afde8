"""The command line: `numba-rnn predict`, `info`, `convert` and `warmup`, for the models that the library loads."""

from __future__ import annotations

import click

from numba_rnn.cli.converting import convert
from numba_rnn.cli.describing import info
from numba_rnn.cli.predicting import predict
from numba_rnn.cli.warming import warmup

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="numba_rnn")
def main() -> None:
    """Run trained recurrent networks at kernel speed, without TensorFlow.

    MODEL is a file that Keras saved, .keras or .h5, or a .safetensors file of this library's; `info` and `convert` know others.
    """


for command in (convert, info, predict, warmup):
    main.add_command(command)
