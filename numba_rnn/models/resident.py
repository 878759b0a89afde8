"""Models over arrays that are on a GPU and stay there, from layer to layer; see `layers.resident`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from numba_rnn import dispatch
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.resident import UnableError, apply, call, runs
from numba_rnn.models.functional import Functional
from numba_rnn.models.graph import Graph, Slot, Step
from numba_rnn.models.sequential import Sequential
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure, pack
from numba_rnn.resident import Strided

__all__ = ["call_there", "predict"]


@runs(Functional)
def _functional(model: Any, inputs: Any) -> Any:
    flat = [_standard(model, x, t) for x, t in zip(model.ordered(inputs), model.inputs, strict=True)]
    place, graph = flat[0].place, model._graph
    outer, last = place.makes_results, set(graph.outputs)

    def called(step: Step, is_needed: bool) -> Callable[..., Any]:
        if not is_needed:
            return lambda *_, **__: None
        is_last = not last.isdisjoint((step.target, *step.targets))

        def run(*args: Any, **kwargs: Any) -> Any:
            place.makes_results = outer and is_last
            return apply(step.operation, *args, **kwargs)

        return run

    try:
        outputs = graph.run(flat, [called(step, is_needed) for step, is_needed in _needed(graph)])
    finally:
        place.makes_results = outer
    return outputs[0] if isinstance(model.output, SymbolicTensor) else pack(model.output, outputs)


def _needed(graph: Graph) -> list[tuple[Step, bool]]:
    """The steps, and whether each is needed: a graph's operations on masks are not, for arrays here have their masks with them."""
    if graph not in _known:
        needed, found = set(graph.outputs), []
        for step in reversed(graph.steps):
            is_needed = isinstance(step.operation, Layer) or not needed.isdisjoint((step.target, *step.targets))
            if is_needed:
                inputs = {a for a in flatten([step.args, step.kwargs]) if type(a) is Slot}
                own = {id(graph.symbols[a]._keras_mask) for a in inputs}
                masks = {a for a in flatten(step.kwargs.get("mask")) if type(a) is Slot and id(graph.symbols[a]) in own}
                needed |= inputs - masks
            found.append((step, is_needed))
        _known[graph] = found[::-1]
    return _known[graph]


_known: WeakKeyDictionary[Graph, list[tuple[Step, bool]]] = WeakKeyDictionary()


@runs(Sequential)
def _sequential(model: Any, inputs: Any) -> Any:
    return apply(model.graph, inputs)


def _standard(model: Any, x: Any, ref: SymbolicTensor) -> Strided:
    """An input in the graph's rank and dtype, as `Functional.standardize` makes it."""
    if not isinstance(x, Strided):
        raise ValueError(f"The input '{ref.name}' must be an array. Received: {type(x).__name__}.")
    mask, wanted = x.mask, ref.shape
    if x.ndim == len(wanted) + 1 and x.shape[-1] == 1:
        x = x.at(-1, 0)
    elif x.ndim == len(wanted) - 1 and wanted[-1] == 1:
        x = x.expanded(-1)
    model.check_fit(x.shape, ref)
    return x.place.cast(x, ref.dtype).masked(mask)


def predict(model: Any, x: Any, batch_size: int | None, steps: int | None) -> Any:
    """`model.predict` of arrays on a GPU: all rows at once, or so many at a time.

    Raises:
        ShapeError: arrays with different numbers of rows.
        DTypeError: what is no array beside arrays on a GPU.
        ValueError: `batch_size` or `steps` is not a positive whole number.
        DeviceError: a layer cannot run there.
    """
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0):
            raise ValueError(f"`{name}` must be a positive whole number. Received: {value!r}.")
    leaves = flatten(x)
    if not all(hasattr(leaf, "shape") for leaf in leaves):
        raise DTypeError(
            "A model takes arrays of real numbers, or a list or dict of them. Received: something else beside them."
        )
    if len({leaf.shape[0] if leaf.shape else None for leaf in leaves}) != 1 or not leaves[0].shape:
        raise ShapeError(
            "Every input is an array whose first axis counts the rows, the same number of rows in each. Received: "
            f"{', '.join(f'shape {tuple(leaf.shape)}' for leaf in leaves)}."
        )
    rows = leaves[0].shape[0]
    size = batch_size or (max(1, -(-rows // steps)) if steps else max(1, rows))
    starts = list(range(0, rows, size))[:steps] or [0]
    if len(starts) == 1 and size >= rows:
        return _alone(call(model, (x,), {"training": False}))
    place = dispatch.place(next(leaf for leaf in leaves if dispatch.on_gpu(leaf)))
    there = map_structure(place.bring, x)
    parts = [
        apply(model, map_structure(lambda a, s=start: a.part(0, s, min(s + size, rows)), there)) for start in starts
    ]
    place.makes_results = True
    return _alone(map_structure(lambda *ys: place.give(place.join(list(ys), 0)), *parts))


_unable: WeakSet[Any] = WeakSet()  # models that were found to have a layer that the GPU does not run


def call_there(model: Any, x: Any) -> Any:
    """The outputs of a model for arrays of the host, on the GPU: one way there and one back, whatever lies between.

    Returns:
        NumPy arrays; None where a layer does not run there, and the model has to be called layer by layer.
    """
    if model in _unable or not model.built:
        return None
    place = dispatch.place()
    try:
        outputs = apply(model, map_structure(lambda a: place.bring(a) if hasattr(a, "shape") else a, x))
    except UnableError:
        _unable.add(model)
        return None
    return map_structure(lambda y: None if y is None else place.fetch(y), outputs)


def _alone(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs
