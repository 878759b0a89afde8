"""Initializers by name, as Keras' JSON, and out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.described import Family
from numba_rnn.initializers import plain, random
from numba_rnn.initializers.plain import Identity, Numbers, Ones, Zeros
from numba_rnn.initializers.random import Orthogonal, RandomNormal, RandomUniform

__all__ = ["FAMILY", "deserialize", "get", "serialize"]


class _Initializers(Family):
    def get(self, identifier: Any) -> Any:
        """As `Family.get`; an array gives its own numbers."""
        return Numbers(identifier) if isinstance(identifier, (np.ndarray, np.generic)) else super().get(identifier)


FAMILY = _Initializers(
    "initializer",
    *(getattr(plain, name) for name in plain.__all__ if name not in {"Initializer", "Numbers"}),
    *(getattr(random, name) for name in random.__all__),
    IdentityInitializer=Identity,
    OrthogonalInitializer=Orthogonal,
    normal=RandomNormal,
    one=Ones,
    uniform=RandomUniform,
    zero=Zeros,
)
get, serialize, deserialize = FAMILY.get, FAMILY.serialize, FAMILY.deserialize
