"""Keras' `keras.preprocessing`: what is left of it, the old name of `utils.pad_sequences`."""

from __future__ import annotations

from numba_rnn.preprocessing import sequence as sequence

__all__ = ["sequence"]
