"""The command line: `numba-rnn predict`, `info` and `warmup`, for the models that the library loads."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["main"]

PATIENCE = 1.0  # seconds: loading a kernel from the disk cache takes less, compiling one takes more
WARM_STEPS = 2  # steps of the sequences that `warmup` runs, where the model takes any number
MODEL = click.argument("model_path", metavar="MODEL", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="numba_rnn")
def main() -> None:
    """Run trained Keras recurrent networks at kernel speed, without TensorFlow.

    MODEL is a file saved by Keras 3: .keras or .h5.
    """


@main.command()
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
def predict(model_path: Path, inputs_path: Path, output: Path | None, batch_size: int | None) -> None:
    """Predict for the arrays in INPUTS, a .npy or .npz file.

    The arrays of a .npz go to the model's inputs of the same names; a model with one input takes the only array, whatever
    its name. An array `label` is compared with the predictions: with the largest of several columns, or with whether a
    single column exceeds 0.5.
    """
    _check_output(output, model_path, inputs_path)
    with _errors_in_words():
        arrays = _read_arrays(inputs_path)
        model = _load(model_path)
        label = arrays.pop("label", None)
        inputs = _matched(model, arrays)
        rows = _rows(arrays, label)
        if output is not None and output.suffix == ".npy" and len(model.outputs) > 1:
            raise click.BadParameter(
                f"the model has {len(model.outputs)} outputs: name a .npz file", param_hint="--output"
            )
        own = model.inputs[0].shape[0]
        if label is not None:
            _check_label(model, label)
        with _compilations() as compiled:
            start = time.perf_counter()
            list(_kernels(model))  # chooses them, which imports the compiler: no part of predicting
            chosen = time.perf_counter()
            predictions = model.predict(inputs, batch_size=batch_size or own or 32, verbose="auto")
            preparing = chosen - start + compiled[0]
            seconds = time.perf_counter() - start - preparing
        named = _named(predictions)
        accuracy = None if label is None else _accuracy(next(iter(named.values())), label)
        if output is not None:
            _write(output, named)
    for name, array in named.items():
        click.echo(f"{name}: {array.dtype} {array.shape}")
    click.echo(f"time: {seconds:.3f} s for {rows} rows, after {preparing:.1f} s of getting kernels ready")
    if accuracy is not None:
        click.echo(f"accuracy: {accuracy:.4f}")
    if output is not None:
        click.echo(f"written: {output}")


@main.command(short_help="Summarise MODEL and say which kernels will run.")
@MODEL
@click.option(
    "--compare", is_flag=True, help="Run it with weights of fewer bytes, too, and show what that costs and saves."
)
def info(model_path: Path, compare: bool) -> None:
    """Summarise MODEL and say which kernel will run each recurrent layer, and why."""
    with _errors_in_words():
        model = _load(model_path)
        model.summary()
        kernels = list(_kernels(model))
        if kernels:
            _print_table(
                "Kernels", ["Recurrent layer", "Kernel"], [(name, "\n".join(lines)) for name, lines in kernels]
            )
        else:
            click.echo("No recurrent layers.")
        if compare:
            _compare(model)


def _compare(model: Any) -> None:
    """A table of the model with each way to keep its weights."""
    from numba_rnn.compressed import STORAGES
    from numba_rnn.models.batches import progress
    from numba_rnn.models.comparison import ROWS, STEPS, compare_weights

    found = []
    with _compilations(), progress("compare", 1 + len(STORAGES), "auto") as advance:
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
    _print_table("What weights cost", ["Weights", "Bytes", "Largest difference", "Mean", "Time a call"], rows)
    click.echo(
        f"Differences: of the outputs, absolute, on random input of unit scale, {ROWS} rows and {STEPS} steps where the model "
        "takes any number. Times: the fastest call, of one row where the model takes any number."
    )
    for c in found:
        if c.refused is not None:
            click.echo(f"{c.storage}: {c.refused}")


@main.command(short_help="Compile what MODEL needs, for later runs.")
@MODEL
def warmup(model_path: Path) -> None:
    """Compile everything that MODEL needs, so that later runs take it from the disk cache."""
    with _errors_in_words():
        from numba_rnn.config import settings

        start = time.perf_counter()
        model = _load(model_path)
        with _compilations():
            model.predict_on_batch([_zeros(i) for i in model.inputs])
            model.warmup()
        click.echo(f"Ready in {time.perf_counter() - start:.1f} s.")
        if not settings.cache:
            click.echo("Nothing is kept for the next run: NUMBA_RNN_CACHE=0 turns the disk cache off.", err=True)


def _print_table(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", show_lines=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@contextlib.contextmanager
def _errors_in_words() -> Iterator[None]:
    """What the library raises becomes one line and exit code 1; anything else is a bug and keeps its traceback."""
    try:
        yield
    except (
        ValueError,
        IndexError,
        OSError,
    ) as error:  # the library's errors are ValueErrors; Embedding raises IndexError
        raise click.ClickException(" ".join(str(error).split())) from error


def _check_output(output: Path | None, *taken: Path) -> None:
    """A bad output path is found before any work, not after it."""
    if output is None:
        return
    folder = output.resolve().parent
    if output.suffix not in {".npy", ".npz"}:
        why = "the name must end in .npy or .npz"
    elif any(output.resolve() == path.resolve() for path in taken):
        why = "the file is an input"
    elif not folder.is_dir():
        why = f"there is no folder {str(folder)!r}"
    elif not os.access(output if output.exists() else folder, os.W_OK):
        why = "it is not writable"
    else:
        return
    raise click.BadParameter(f"{str(output)!r}: {why}", param_hint="--output")


def _load(path: Path) -> Any:
    from numba_rnn.loaders import load_model

    model = load_model(path)
    if not model.built or not model.inputs:
        raise ValueError(
            f"The model in {str(path)!r} does not say the shape of its input. Save it after calling it once."
        )
    return model


def _read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a `.npz` by name, or that of a `.npy` under `x`; nothing is unpickled."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with open(path, "rb") as file:
            start = file.read(6)
            if start != b"\x93NUMPY" and not start.startswith(b"PK"):
                raise ValueError(f"it starts with {start!r}")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"Cannot read {str(path)!r}: {error}. Expected: numeric arrays in a .npy or .npz file."
        ) from error


def _matched(model: Any, arrays: dict[str, Any]) -> Any:
    """The arrays in the order of the model's inputs."""
    names = [i.name for i in model.inputs]
    if len(names) == len(arrays) == 1:
        return next(iter(arrays.values()))
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(
            f"No array for the model's input {missing[0]!r}. Expected: {', '.join(names)}. "
            f"Received: {', '.join(arrays) or 'none'}. Name the arrays of the .npz after the inputs."
        )
    chosen = [arrays[name] for name in names]
    return chosen[0] if len(chosen) == 1 else chosen


def _rows(arrays: dict[str, Any], label: Any) -> int:
    counts = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if label is not None:
        counts["label"] = len(label) if label.ndim else 0
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"Every array needs the same number of rows, at least one. Received: {counts}.")
    return next(iter(counts.values()))


def _named(predictions: Any, name: str = "output") -> dict[str, Any]:
    """A prediction's arrays by name, whatever its structure."""
    if isinstance(predictions, dict):
        return {k: a for key, part in predictions.items() for k, a in _named(part, key).items()}
    if isinstance(predictions, (list, tuple)):
        return {k: a for n, part in enumerate(predictions) for k, a in _named(part, f"{name}_{n}").items()}
    return {name: predictions}


def _write(path: Path, named: dict[str, Any]) -> None:
    import numpy as np

    try:
        with open(path, "wb") as file:
            if path.suffix == ".npz":
                np.savez(file, **named)
            else:
                np.save(file, next(iter(named.values())))
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()  # half a file is worse than none
        raise ValueError(f"Cannot write {str(path)!r}: {error}. Name another place with `-o`.") from error


def _check_label(model: Any, label: Any) -> None:
    """Find labels that do not fit before predicting, as far as the model says the shape of its output."""
    import numpy as np

    if len(model.outputs) > 1:
        raise ValueError(f"`label` cannot be compared: the model has {len(model.outputs)} outputs. Leave it out.")
    sizes = model.outputs[0].shape[1:]
    if None not in sizes:
        _accuracy(np.broadcast_to(0.0, (len(label), *sizes)), label)


def _accuracy(y: Any, label: Any) -> float:
    """The share of labels (B, ...) that the predictions y (B, ..., classes) hit; labels may be one-hot, as y is.

    Raises:
        ValueError: the labels are no classes of these predictions.
    """
    if label.dtype.kind not in "biuf":
        raise ValueError(f"`label` must hold numbers, such as the classes 0, 1, 2. Received: dtype {label.dtype}.")
    guess = y[..., 0] > 0.5 if y.shape[-1] == 1 else y.argmax(axis=-1)
    if label.shape == y.shape:
        label = label[..., 0] if y.shape[-1] == 1 else label.argmax(axis=-1)
    elif label.shape == (*guess.shape, 1):
        label = label[..., 0]
    if label.shape != guess.shape:
        raise ValueError(f"`label` does not fit. Expected: {guess.shape} or {y.shape}. Received: {label.shape}.")
    classes = max(y.shape[-1], 2)
    if not ((label >= 0) & (label < classes)).all():
        raise ValueError(f"`label` must hold the classes 0 to {classes - 1}. Received: {label.min()} to {label.max()}.")
    return float((guess == label).mean())


def _kernels(model: Any, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each recurrent layer's name and its kernels in words, nested models included."""
    for layer in model.layers:
        name = f"{prefix}{layer.name}"
        if hasattr(layer, "layers"):
            yield from _kernels(layer, f"{name}/")
        elif hasattr(layer, "describe_kernels") and (lines := layer.describe_kernels()):
            yield f"{name} ({type(layer).__name__})", lines


def _zeros(symbol: Any) -> Any:
    import numpy as np

    batch, *rest = symbol.shape
    return np.zeros((batch or 1, *(n or WARM_STEPS for n in rest)), symbol.dtype)


@contextlib.contextmanager
def _compilations() -> Iterator[list[float]]:
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


if __name__ == "__main__":
    main()
