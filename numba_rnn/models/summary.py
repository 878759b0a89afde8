"""A model as a table: its layers, their output shapes and how many numbers each holds."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.layers.base import Layer
from numba_rnn.ops.tree import map_structure

__all__ = ["print_summary"]


def print_summary(
    model: Any,
    width: int | None,
    print_fn: Callable[[str], Any] | None,
    expand_nested: bool,
    show_trainable: bool,
    layer_range: Any,
) -> None:
    """Print the table, or hand it to `print_fn` as one text."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    graph = _is_graph(model)
    table = Table(width=width)
    for title in ("Layer (type)", "Output Shape"):
        table.add_column(title, overflow="fold")
    table.add_column("Param #", justify="right", overflow="fold")
    if show_trainable:
        table.add_column("Trainable", justify="center")
    if graph:
        table.add_column("Connected to", overflow="fold")
    for layer, depth in _rows(_between(_listed(model), layer_range), expand_nested):
        cells = ["  " * depth + f"{layer.name} ({_class(layer)})", _output(layer), _params(layer)]
        if show_trainable:
            cells.append("Y" if getattr(layer, "trainable", True) else "N")
        if graph:
            cells.append(_sources(layer, model))
        table.add_row(*map(escape, cells), end_section=True)
    to_text = print_fn is not None
    file = io.StringIO() if to_text else None
    console = Console(file=file, width=width or (100 if to_text else None), highlight=False)
    console.print(f'Model: "{escape(model.name)}"', style="bold")
    console.print(table)
    for title, weights in (
        ("Total", model.weights), ("Trainable", model.trainable_weights), ("Non-trainable", model.non_trainable_weights)
    ):  # fmt: skip
        numbers = [int(np.prod(w.shape)) for w in weights]
        size = sum(n * np.dtype(w.dtype).itemsize for n, w in zip(numbers, weights, strict=True))
        console.print(f" {title} params: {sum(numbers):,} ({_bytes(size)})")
    if print_fn is not None and file is not None:
        print_fn(file.getvalue())


def _listed(model: Any) -> list[Any]:
    """The layers; of a graph the operations too, as Keras has it."""
    return model.operations if type(model).__name__ == "Functional" else model.layers


def _between(layers: list[Any], layer_range: Any) -> list[Any]:
    """The layers from the first whose name begins with what the one pattern matches to the last that the other does."""
    if layer_range is None:
        return layers
    if not isinstance(layer_range, (list, tuple)) or len(layer_range) != 2:
        raise ValueError(f"layer_range must be a pair of names. Received: {layer_range}.")
    found = [[k for k, layer in enumerate(layers) if re.match(str(name), layer.name)] for name in layer_range]
    if not all(found):
        raise ValueError(
            f"Passed layer_range does not match to model layers. Expected: two of {[x.name for x in layers]}."
        )
    ends = found[0][0], found[1][-1]
    return layers[min(ends) : max(ends) + 1]


def _rows(layers: list[Any], expand: bool, depth: int = 0) -> list[tuple[Any, int]]:
    rows = []
    for layer in layers:
        rows.append((layer, depth))
        if expand and hasattr(layer, "layers"):
            rows += _rows(_listed(layer), expand, depth + 1)
    return rows


def _is_graph(model: Any) -> bool:
    """Whether the layers are more than a chain, so that a table needs to say what is connected to what."""
    nodes = [node for op in getattr(model, "operations", ()) for node in model.own_nodes(op)]
    return any(len(node.input_tensors) > 1 or isinstance(node.outputs, (list, tuple, dict)) for node in nodes)


def _class(layer: Any) -> str:
    return str(getattr(layer, "keras_class_name", type(layer).__name__))


def _output(layer: Any) -> str:
    if not layer._inbound_nodes:
        return "?" if not layer.built else "-"
    shapes = {str(map_structure(lambda t: t.shape, node.outputs)) for node in layer._inbound_nodes}
    return shapes.pop() if len(shapes) == 1 else "multiple"


def _params(layer: Any) -> str:
    if not isinstance(layer, Layer):
        return "0"
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _sources(layer: Any, model: Any) -> str:
    names = []
    for node in model.own_nodes(layer):
        for tensor in node.input_tensors:
            operation, index, place = tensor._keras_history
            names.append(f"{operation.name}[{index}][{place}]")
    return ", ".join(names) or "-"


def _bytes(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size:.2f} {unit}"
