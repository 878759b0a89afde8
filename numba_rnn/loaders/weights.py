"""Where each weight lies in a `.weights.h5`, also the one inside a `.keras`, and how it gets into a model.

An object at path P keeps its own weights in `P/vars/0`, `P/vars/1`, ...; an object in its attribute `a` lies at `P/a`,
those in a list at `P/a/<class>`, `P/a/<class>_1`, ... counted by class, not by name.

Source: Keras, `saving_lib._walk_saveable`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import h5py
import numpy as np

from numba_rnn._typing import Array
from numba_rnn.custom import is_ours
from numba_rnn.errors import ModelFileError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.weight import Weight
from numba_rnn.loaders.keras_v2.layout import is_old_layout, renumbered
from numba_rnn.loaders.safety import look_over, read_array, text_attribute
from numba_rnn.models import Functional, Model, Sequential
from numba_rnn.ops.naming import snake_case

__all__ = ["Piece", "assign", "fitting", "load_layout", "own_weights", "places", "save_layout"]

ANOTHER = "Is it the file of another model, or was it cut short?"
FACADE = {Layer, Model, Functional, Sequential}


def places(model: Layer, orders: dict[str, list[str]] | None = None) -> dict[str, Layer]:
    """The objects of a model under their paths in a weight file, the model itself under `""`.

    Args:
        model: built.
        orders: for files of Keras 2, which do not count an object again that lies elsewhere: the names of the layers of graphs in
            the order in which the file has them, by the graphs' names; those not in it have the model's own order.
    """
    found: dict[str, Layer] = {}
    _place(model, "", found, {}, orders)
    return found


def _place(
    value: Any, path: str, found: dict[str, Layer], visited: dict[int, Any], orders: dict[str, list[str]] | None
) -> None:
    if not isinstance(value, (Layer, list, tuple, dict)) or id(value) in visited:
        return
    visited[id(value)] = value  # kept, so that no other object gets its id meanwhile
    if isinstance(value, Layer):
        found[path] = value
        children = _children(value, orders or {})
    else:
        children = _numbered(value, visited if orders is not None else {})
    for name, child in children:
        _place(child, f"{path}/{name}".removeprefix("/"), found, visited, orders)


def _children(layer: Layer, orders: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    """The attributes in Keras' order: by name, private ones last, whose objects mostly have been found by then.

    A graph's `layers` come first. Those of a model with a `call` of its own are one attribute among the others, so what is
    called `dense` lies at `dense` and what is called `output_dense` lies at `layers/dense`.
    """
    kind = next(cls for cls in type(layer).__mro__ if cls in FACADE)
    if kind in {Sequential, Functional}:
        names = orders.get(layer.name, [])
        yield "layers", sorted(layer.layers, key=lambda one: names.index(one.name) if one.name in names else -1)  # type: ignore[attr-defined]
    for name in sorted(set(dir(layer)) - _inherited(kind), key=lambda n: (n.startswith("_"), n)):
        try:
            yield name, getattr(layer, name)
        except Exception:  # a property of the user's may raise anything
            continue


@cache
def _inherited(kind: type) -> frozenset[str]:
    """What every object of the facade's class has: not the user's, and holding no layers but those found otherwise."""
    plain = Sequential(name="plain") if kind is Sequential else Layer(name="plain")
    return frozenset({*dir(kind), *vars(plain)} - ({"layers"} if kind is Model else set()))


def _numbered(items: Iterable[Any], skipped: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    used: Counter[str] = Counter()
    for child in items.values() if isinstance(items, dict) else items:
        if isinstance(child, (Layer, list, tuple, dict)) and id(child) not in skipped:
            name = snake_case(type(child).__name__) if isinstance(child, Layer) else "container"
            yield (f"{name}_{used[name]}" if used[name] else name), child
            used[name] += 1


def own_weights(layer: Layer) -> list[Weight]:
    """A layer's own weights in a file's order: trainable ones first."""
    return sorted(layer._own_weights, key=lambda weight: not weight.trainable)


def save_layout(model: Layer, file: h5py.File) -> None:
    """Write a built model's weights into an empty file in this layout."""
    for path, layer in places(model).items():
        group = file.create_group(f"{path}/vars".removeprefix("/"))
        group.attrs["name"] = layer.name
        for n, weight in enumerate(own_weights(layer)):
            group[str(n)] = weight.value


def load_layout(
    model: Layer,
    file: h5py.File,
    *,
    check_names: bool,
    skip_mismatch: bool = False,
    orders: dict[str, list[str]] | None = None,
) -> None:
    """Fill a model from a file in this layout; the model is untouched unless everything fits.

    Args:
        model: built.
        file: open.
        check_names: the file's layer names must be the model's; layers that a class of the user's own makes may have any.
        skip_mismatch: layers whose weights do not fit keep their own, with a warning; what is left over is left alone.
        orders: for a file of Keras 2 (other files say themselves whether they are): see `places`.

    Raises:
        ModelFileError: a dataset is missing, left over, of another shape, or not safe to read.
    """
    contents = look_over(file)
    found, objects = contents.datasets, places(model)
    if orders is None and (is_old_layout(contents.groups) or _fits_only_as_old(model, objects, found)):
        orders = {}
    if orders is not None:
        paths = renumbered(contents.groups)
        found = {
            f"{paths[key.rpartition('/')[0]]}/{key.rpartition('/')[2]}".removeprefix("/"): found[key] for key in found
        }
        objects = places(model, orders)
    pieces: list[Piece] = []
    unnamed = tuple(f"/{path}/".replace("//", "/") for path, layer in objects.items() if not is_ours(type(layer)))
    for path, layer in objects.items():
        group = f"{path}/vars".removeprefix("/")
        if check_names and group in contents.groups and not f"/{path}/".startswith(unnamed):
            _check_name(layer, group, text_attribute(contents.groups[group], "name"))
        weights = own_weights(layer)
        stored = [found.pop(key) for n in range(len(weights)) if (key := f"{group}/{n}") in found]
        pieces += fitting(layer.name, group, weights, stored, skip_mismatch)
    # The optimizer and metrics lie beside the model's own attributes; before Keras 3.1, random seeds lay within.
    own = ("layers", "vars", *(path.split("/")[0] for path in objects))
    extra = [key for key in sorted(found) if key.split("/")[0] in own and "seed_generator" not in key]
    if extra and not skip_mismatch:
        raise ModelFileError(
            f"The file has weights that the model has no place for: {', '.join(extra[:5])}"
            f"{f' and {len(extra) - 5} more' if len(extra) > 5 else ''}. Is it the file of another model?"
        )
    assign(pieces)


def _fits_only_as_old(model: Layer, objects: dict[str, Layer], found: dict[str, h5py.Dataset]) -> bool:
    """Whether a file without a version is one of Keras 2.15: it counts objects that lie in two places otherwise."""

    def fits(objects: dict[str, Layer]) -> bool:
        return all(
            f"{path}/vars/{n}".removeprefix("/") in found
            for path, layer in objects.items()
            for n in range(len(own_weights(layer)))
        )

    return not fits(objects) and fits(places(model, {}))


def _check_name(layer: Layer, group: str, name: str | None) -> None:
    if name is not None and name != layer.name:
        raise ModelFileError(
            f"The weights at {group!r} are of another layer. Expected: {layer.name!r}. Received: {name!r}. Config and "
            "weights are not of the same model."
        )


@dataclass(frozen=True)
class Piece:
    """Datasets that become weights: one each, or through `convert`, which takes all their numbers and gives the weights'."""

    weights: list[Weight]
    stored: list[h5py.Dataset]
    convert: Callable[[list[Array]], list[Array]] = list


def fitting(
    layer: str, where: str, weights: list[Weight], stored: list[h5py.Dataset], skip: bool = False, hint: str = ANOTHER
) -> list[Piece]:
    """A layer's weights with the datasets for them, compared before any is read.

    Args:
        layer: its name.
        where: the datasets' group, for messages.
        weights, stored: in the same order.
        skip: where they do not fit there is a warning and no piece.
        hint: what the message says then.

    Raises:
        ModelFileError: another number or other shapes, unless `skip`.
    """
    if [w.shape for w in weights] == [d.shape for d in stored]:
        return [Piece(weights, stored)]
    expected = ", ".join(f"{w.name} {w.shape}" for w in weights) or "none"
    received = ", ".join(str(d.shape) for d in stored) or "none"
    message = f"The weights of layer {layer!r} (at {where!r} in the file) do not fit. Expected: {expected}. Received: {received}."
    if not skip:
        raise ModelFileError(f"{message} {hint}")
    warnings.warn(f"{message} The layer keeps its own.", stacklevel=2)
    return []


def assign(pieces: Iterable[Piece]) -> None:
    """Read every dataset, then assign them all."""
    arrays: list[tuple[Weight, Array]] = []
    for piece in pieces:
        kinds = [np.dtype(weight.dtype).kind for weight in piece.weights]
        kinds += kinds[:1] * (len(piece.stored) - len(kinds))
        read = [read_array(dataset, kind) for dataset, kind in zip(piece.stored, kinds, strict=True)]
        arrays += zip(piece.weights, piece.convert(read), strict=True)
    for weight, array in arrays:
        weight.assign(array)
