"""Masks that travel with eager arrays: only layers that make or forward a mask return such an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.logits import LogitsArray, carried
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["MaskedArray", "get_mask", "set_mask", "without_mask"]


class MaskedArray(LogitsArray):
    """An array with Keras' `_keras_mask`, true where a step counts. Slices and arithmetic have none."""

    _keras_mask: Any = None


def get_mask(x: Any) -> Any:
    """The mask of an array or symbolic tensor, None for anything else."""
    return getattr(x, "_keras_mask", None)


def set_mask(x: Any, mask: Any) -> Any:
    """`x` with a mask: a symbolic tensor itself, an array as a view."""
    if mask is None:
        return x
    if not isinstance(x, SymbolicTensor):
        x = carried(np.asarray(x).view(MaskedArray), x)
    x._keras_mask = mask
    return x


def without_mask(x: Any) -> Any:
    """The plain array behind `x`; whatever else `x` is."""
    return _plain(x) if isinstance(x, MaskedArray) else x


def _plain(x: MaskedArray) -> Array:
    return x.view(np.ndarray)
