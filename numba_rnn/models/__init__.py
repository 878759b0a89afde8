"""Models under Keras' names."""

from __future__ import annotations

from numba_rnn.models.serialization import deserialize_model

__all__ = ["deserialize_model"]
