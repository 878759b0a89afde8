"""Where each weight lies in a `.weights.h5`, also the one inside a `.keras`, and how it gets into a model.

An object at path P keeps its own weights in `P/vars/0`, `P/vars/1`, ...; an object in its attribute `a` lies at `P/a`,
those in a list at `P/a/<class>`, `P/a/<class>_1`, ... counted by class, not by name.

Source: Keras, `saving_lib._walk_saveable`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import h5py

from numba_rnn.errors import ModelFileError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.weight import Weight
from numba_rnn.loaders.safety import look_over, read_array, text_attribute
from numba_rnn.ops.naming import snake_case

__all__ = ["assign", "check_shapes", "load_layout", "places"]


def places(model: Layer) -> dict[str, Layer]:
    """The objects of a model under their paths in a weight file, the model itself under `""`."""
    found: dict[str, Layer] = {}
    visited: set[int] = set()
    _place(model, "", found, visited)
    return found


def _place(layer: Layer, path: str, found: dict[str, Layer], visited: set[int]) -> None:
    if id(layer) in visited:
        return
    visited.add(id(layer))
    found[path] = layer
    for name, child in _children(layer):
        _place(child, f"{path}/{name}".removeprefix("/"), found, visited)


def _children(layer: Layer) -> Iterator[tuple[str, Layer]]:
    # A model's layers come first; private attributes come last, since they may hold the same objects again.
    attributes: dict[str, Any] = {"layers": layer.layers} if hasattr(layer, "layers") else {}
    attributes |= {name: vars(layer)[name] for name in sorted(vars(layer), key=lambda n: (n.startswith("_"), n))}
    for name, value in attributes.items():
        if isinstance(value, Layer):
            yield name, value
        elif isinstance(value, (list, tuple, dict)):
            yield from ((f"{name}/{own}", child) for own, child in _numbered(value))


def _numbered(items: Iterable[Any]) -> Iterator[tuple[str, Layer]]:
    used: Counter[str] = Counter()
    for child in items.values() if isinstance(items, dict) else items:
        if isinstance(child, Layer):
            name = snake_case(type(child).__name__)
            yield (f"{name}_{used[name]}" if used[name] else name), child
            used[name] += 1


def load_layout(model: Layer, file: h5py.File, *, check_names: bool) -> None:
    """Fill a model from a file in this layout; the model is untouched unless everything fits.

    Args:
        model: built.
        file: open.
        check_names: the file's layer names must be the model's.

    Raises:
        ModelFileError: a dataset is missing, left over, of another shape, or not safe to read.
    """
    contents = look_over(file)
    found = contents.datasets
    pairs: list[tuple[Weight, h5py.Dataset]] = []
    for path, layer in places(model).items():
        group = f"{path}/vars".removeprefix("/")
        if check_names and group in contents.groups:
            _check_name(layer, group, text_attribute(contents.groups[group], "name"))
        stored = [found.pop(key) for n in range(len(layer._own_weights)) if (key := f"{group}/{n}") in found]
        check_shapes(layer.name, group, layer._own_weights, stored)
        pairs += zip(layer._own_weights, stored, strict=True)
    # The optimizer and metrics lie beside `layers`; before Keras 3.1, random seeds lay within.
    extra = [key for key in sorted(found) if key.startswith(("layers/", "vars/")) and "seed_generator" not in key]
    if extra:
        raise ModelFileError(
            f"The file has weights that the model has no place for: {', '.join(extra[:5])}"
            f"{f' and {len(extra) - 5} more' if len(extra) > 5 else ''}. Is it the file of another model?"
        )
    assign(pairs)


def _check_name(layer: Layer, group: str, name: str | None) -> None:
    if name is not None and name != layer.name:
        raise ModelFileError(
            f"The weights at {group!r} are of another layer. Expected: {layer.name!r}. Received: {name!r}. Config and "
            "weights are not of the same model."
        )


def check_shapes(layer: str, where: str, weights: list[Weight], stored: list[h5py.Dataset]) -> None:
    """Compare a layer's weights with the datasets for them, before any is read.

    Raises:
        ModelFileError: another number or other shapes.
    """
    if [w.shape for w in weights] != [d.shape for d in stored]:
        expected = ", ".join(f"{w.name} {w.shape}" for w in weights) or "none"
        received = ", ".join(str(d.shape) for d in stored) or "none"
        raise ModelFileError(
            f"The weights of layer {layer!r} (at {where!r} in the file) do not fit. Expected: {expected}. Received: "
            f"{received}. Is it the file of another model, or was it cut short?"
        )


def assign(pairs: Iterable[tuple[Weight, h5py.Dataset]]) -> None:
    """Read every dataset, then assign them all."""
    arrays = [(weight, read_array(dataset)) for weight, dataset in pairs]
    for weight, array in arrays:
        weight.assign(array)
