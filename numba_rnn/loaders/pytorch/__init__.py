"""PyTorch's recurrent modules: live, as state dicts, or in files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.pytorch.models import make_cell, make_model, weights_in_order
from numba_rnn.loaders.pytorch.names import structure_of
from numba_rnn.loaders.pytorch.tensors import (
    as_array,
    check_size,
    is_module,
    parts_of_mapping,
    parts_of_module,
    read_file,
    recurrent_module,
)

__all__ = ["from_torch"]


def from_torch(
    source: Any,
    prefix: str = "",
    *,
    nonlinearity: str | None = None,
    return_sequences: bool = True,
    return_state: bool = False,
    initial_state: bool = False,
    name: str | None = None,
) -> Any:
    """The model, or the cell, for a recurrent module of PyTorch's; see `numba_rnn.from_torch`."""
    flags = {"return_sequences": return_sequences, "return_state": return_state, "initial_state": initial_state}
    if prefix and not prefix.endswith("."):
        prefix += "."
    dropout = 0.0
    if is_module(source):
        module = recurrent_module(source, prefix)
        own = getattr(module, "nonlinearity", None)
        if nonlinearity not in (None, own):
            raise ValueError(f"The module's own `nonlinearity` is {own!r}. Received: nonlinearity={nonlinearity!r}.")
        nonlinearity, dropout = own, getattr(module, "dropout", 0.0)
        return _converted(parts_of_module(module), nonlinearity, dropout, flags, name)
    if isinstance(source, Mapping):
        return _converted(parts_of_mapping(source, prefix), nonlinearity, dropout, flags, name)
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            "Expected: a module of PyTorch's, its state dict, or the path of a file of one. Received: "
            f"{type(source).__name__}."
        )
    path = Path(source)
    try:
        parts = parts_of_mapping(read_file(path), prefix)
        check_size(parts, path)
        return _converted(parts, nonlinearity, dropout, flags, name)
    except ValueError as error:
        raise ModelFileError(f"Cannot load {str(path)!r}. {error}") from error


def _converted(
    parts: dict[str, Any], nonlinearity: str | None, dropout: float, flags: dict[str, bool], name: str | None
) -> Any:
    tensors = {key: as_array(key, tensor) for key, tensor in parts.items()}
    structure = structure_of(tensors)
    options: dict[str, Any] = {"dtype": max((t.dtype for t in tensors.values()), key=lambda d: d.itemsize).name}
    if structure.kind == "simple_rnn":
        options["activation"] = nonlinearity or "tanh"
    if nonlinearity not in (None, "tanh", "relu") or (nonlinearity and structure.kind != "simple_rnn"):
        raise ValueError(
            f"`nonlinearity` is an RNN's: 'tanh' or 'relu'. Received: nonlinearity={nonlinearity!r}, and weights of kind "
            f"{structure.kind}."
        )
    if structure.layers is None:
        if flags != {"return_sequences": True, "return_state": False, "initial_state": False}:
            raise ValueError(
                "A cell makes single steps: it takes and returns its states always. Leave the options away."
            )
        made = make_cell(structure, {**options, "name": name})
    else:
        made = make_model(structure, options, dropout, **flags, name=name)
    made.set_weights(weights_in_order(tensors, structure))
    return made
