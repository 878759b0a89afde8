"""What weights in fewer bytes cost and save: how far a model's outputs move, how many bytes there are, how long a call takes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.compressed import STORAGES, compressed_bytes
from numba_rnn.layers import Embedding, TimeDistributed
from numba_rnn.layers.masks import without_mask
from numba_rnn.models.model import Model
from numba_rnn.ops.tree import flatten

__all__ = ["Comparison", "compare_weights", "example_inputs"]

ROWS, STEPS = 8, 100  # of the input whose outputs are compared, where the model takes any number of them (a guess)
SECONDS = 0.2  # how long calls are repeated; the fastest counts
CALLS = 3  # at least


@dataclass(frozen=True)
class Comparison:
    """A model with its weights kept in one way.

    Attributes:
        storage: what the recurrent cells' and `Dense` layers' matrices are kept as; None for the weights' own dtype.
        nbytes: of all weights, as they are computed with.
        largest, mean: absolute difference of the outputs from those with the weights' own dtype.
        seconds: the fastest call with one row, or the model's own number of rows.
        refused: why the weights cannot be kept so; nothing else is known then.
    """

    storage: str | None
    nbytes: int = 0
    largest: float = math.nan
    mean: float = math.nan
    seconds: float = math.nan
    refused: str | None = None


def compare_weights(model: Any, seed: int = 0) -> Iterator[Comparison]:
    """The model as it is, then with each of `STORAGES`, one after another, on random input of unit scale.

    Afterwards its weights are kept in their own dtype, and the states of stateful layers are zero.

    Args:
        model: built, with symbolic `inputs`.
        seed: of the random input.
    """
    rng = np.random.default_rng(seed)
    many, one = example_inputs(model, ROWS, rng), example_inputs(model, 1, rng)
    model.compress_weights(None)
    want = _outputs(model, many)
    yield Comparison(None, _bytes(model), 0.0, 0.0, _seconds(model, one))
    try:
        for storage in STORAGES:
            try:
                model.compress_weights(storage)
            except ValueError as error:
                yield Comparison(storage, refused=str(error))
                continue
            with np.errstate(invalid="ignore"):  # infinity less infinity
                apart = np.abs(_outputs(model, many) - want)
            largest, mean = float(apart.max(initial=0)), float(apart.mean())
            yield Comparison(storage, _bytes(model), largest, mean, _seconds(model, one))
    finally:
        model.compress_weights(None)
        model.reset_state()


def example_inputs(model: Any, rows: int, rng: np.random.Generator) -> list[Array]:
    """Random input of the model's own shapes, unknown sizes filled in: normal numbers, or numbers that its `Embedding` knows."""
    return [_example(t, _vocabulary(model, t), rows, rng) for t in model.inputs]


def _example(tensor: Any, vocabulary: int | None, rows: int, rng: np.random.Generator) -> Array:
    batch, *rest = tensor.shape
    shape = (batch or rows, *(STEPS if n is None else n for n in rest))
    dtype = np.dtype(tensor.dtype)
    if vocabulary is None and dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    size = vocabulary or 2
    return rng.integers(min(1, size - 1), size, shape).astype(dtype)  # 0 may stand for padding


def _vocabulary(model: Any, tensor: Any) -> int | None:
    """How many numbers the layers that an input goes to have an embedding for; None where it goes to no `Embedding`."""
    sizes: list[int | None] = []
    for operation in model.operations:
        for node in model.own_nodes(operation):
            for place in (n for n, t in enumerate(node.input_tensors) if t is tensor):
                layer = operation.layer if isinstance(operation, TimeDistributed) else operation
                if isinstance(layer, Embedding):
                    sizes.append(layer.input_dim)
                elif isinstance(layer, Model) and layer.built:
                    sizes.append(_vocabulary(layer, layer.inputs[place]))
    return min((size for size in sizes if size is not None), default=None)


def _outputs(model: Any, inputs: list[Array]) -> Array:
    """All numbers of the outputs, one after another, in float64."""
    model.reset_state()
    return np.concatenate([np.asarray(without_mask(y), np.float64).ravel() for y in flatten(_call(model, inputs))])


def _call(model: Any, inputs: list[Array]) -> Any:
    return model(inputs[0] if len(inputs) == 1 else inputs)


def _seconds(model: Any, inputs: list[Array]) -> float:
    _call(model, inputs)  # gets kernels ready
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        _call(model, inputs)
        times.append(time.perf_counter() - start)
    return min(times)


def _bytes(model: Any) -> int:
    kept = {id(w): w.value.nbytes for w in model.weights}
    for layer in model._flatten_layers():
        if layer.weight_storage is not None:
            matrices = (layer.kernel, getattr(layer, "recurrent_kernel", None))
            kept |= {id(w): compressed_bytes(w.shape, layer.weight_storage) for w in matrices if w is not None}
    return sum(kept.values())
