"""Predicting over Dask arrays: each chunk becomes a task that runs the model wherever it is scheduled."""

from __future__ import annotations

import copy
import math
import operator
import sys
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.ops.tree import flatten, map_structure, pack

__all__ = ["is_lazy", "predict_lazily"]


def is_lazy(x: Any) -> bool:
    """Whether there is a Dask array in it; where there is one Dask has been imported, and nothing is imported to find out."""
    module = sys.modules.get("dask.array")
    return module is not None and any(isinstance(leaf, module.Array) for leaf in flatten(x))


def predict_lazily(
    model: Any,
    x: Any,
    batch_size: int | None = None,
    steps: int | None = None,
    device: str | None = None,
    precision: str | None = None,
) -> Any:
    """What `model.predict(x)` will be, as Dask arrays: a chunk of rows for each chunk of rows.

    The model runs here over a row of zeros, which shows the shapes, and later as it is now, whatever becomes of it. A worker
    gets it once, as a pickle, and makes it ready once.

    Args:
        model: a model that keeps no states between calls.
        x: a Dask array (N, ...), or a list or dict of them, cut along the rows alone and all at the same rows.
        batch_size: rows a call of the model; a whole chunk if None.
        steps: only None: how many batches there are, the chunks say.
        device, precision: where a task runs the model, as of `numba_rnn.device`; None as the worker's process has it.

    Raises:
        TypeError: Dask arrays beside others.
        ShapeError: other chunks, sizes but the rows' that are not known, or a shape that the model does not take.
        DTypeError: something that is not made of real numbers.
        ValueError: the model is stateful, or `steps` is given; what `predict` raises of a row.
    """
    import dask.array as da
    from dask.delayed import delayed

    arrays = flatten(x)
    _check(model, arrays, da.Array, steps)
    where = {"device": device or model.device, "precision": precision}
    row = model.predict(map_structure(lambda a: np.zeros((1, *a.shape[1:]), a.dtype), x), batch_size, verbose=0)
    # A task of its own, whose result a worker keeps: as an argument of each chunk's task the model would be sent with each.
    sent = delayed(copy.deepcopy(model), pure=True, traverse=False)
    axes = [tuple(f"{place} {axis}" if axis else "rows" for axis in range(a.ndim)) for place, a in enumerate(arrays)]
    parts = da.blockwise(
        _predict, ("rows",), *(part for pair in zip(arrays, axes, strict=True) for part in pair), model=sent,
        like=map_structure(lambda _: None, x), batch_size=batch_size, where=where, align_arrays=False, concatenate=False,
        meta=np.empty(0, object), token="predict",
    )  # fmt: skip
    rows = arrays[0].chunks[0]
    outputs = [
        da.map_blocks(
            operator.itemgetter(place), parts, chunks=(rows, *y.shape[1:]), new_axis=list(range(1, y.ndim)), meta=y[:0]
        )
        for place, y in enumerate(flatten(row))
    ]
    return pack(row, outputs)


def _check(model: Any, arrays: list[Any], kind: type, steps: Any) -> None:
    if steps is not None:
        raise ValueError(f"Of Dask arrays the chunks are the batches: leave `steps` out. Received: steps={steps!r}.")
    if others := [type(a).__name__ for a in arrays if not isinstance(a, kind)]:
        raise TypeError(
            f"Of several inputs all must be Dask arrays, or none. Received: {others[0]}. `dask.array.from_array` makes one."
        )
    if any(getattr(layer, "stateful", False) for layer in model._flatten_layers()):
        raise ValueError(
            f"Model '{model.name}' keeps states between calls, and chunks run in any order, anywhere. Expected: layers without "
            "`stateful`, or an array that was computed."
        )
    for a in arrays:
        if a.ndim == 0 or any(len(chunks) > 1 for chunks in a.chunks[1:]) or any(map(math.isnan, a.shape[1:])):
            raise ShapeError(
                "Each row must lie in one chunk, and its size be known. Expected: chunks along the first axis alone. Received: the "
                f"chunks {a.chunks}. Use `x.rechunk({{axis: -1 for axis in range(1, x.ndim)}})`."
            )
        if not np.array_equal(a.chunks[0], arrays[0].chunks[0], equal_nan=True):
            raise ShapeError(
                f"All inputs need the same chunks of rows. Expected: {arrays[0].chunks[0]}. Received: {a.chunks[0]}. Use "
                "`x.rechunk`."
            )


def _predict(*blocks: Any, model: Any, like: Any, batch_size: int | None, where: dict[str, str | None]) -> list[Any]:
    """All outputs for a chunk: what a task computes, for others to take from."""
    arrays = [_only(block) for block in blocks]
    return flatten(model.predict(pack(like, arrays), batch_size or max(1, len(arrays[0])), verbose=0, **where))


def _only(block: Any) -> Any:
    """The array in the lists that Dask makes of axes that end here."""
    while isinstance(block, list):
        (block,) = block
    return block
