"""Keras' `keras.preprocessing.sequence`."""

from __future__ import annotations

from numba_rnn.utils import pad_sequences

__all__ = ["pad_sequences"]
