"""Models under Keras' names."""

from __future__ import annotations

from numba_rnn.models import resident as resident
from numba_rnn.models.cloning import clone_model
from numba_rnn.models.files import load_model, save_model
from numba_rnn.models.functional import Functional
from numba_rnn.models.model import Model
from numba_rnn.models.sequential import Sequential
from numba_rnn.models.serialization import deserialize_model, model_from_json

__all__ = [
    "Functional", "Model", "Sequential", "clone_model", "deserialize_model", "load_model", "model_from_json", "save_model",
]  # fmt: skip
