"""The shape alphabet, declared once: every shape in a docstring, a comment or a check is spelt with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["ALPHABET", "Activation", "Array"]

ALPHABET = {
    "B": "batch rows",
    "T": "time steps",
    "D": "inputs of a step (features)",
    "H": "units",
    "G": "gates of the cell",
    "S": "states of the cell",
    "E": "extra per-unit parameters of the cell",
    "P": "outputs of a projected cell",
}

Array: TypeAlias = npt.NDArray[Any]
Activation: TypeAlias = Callable[[Any], Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
