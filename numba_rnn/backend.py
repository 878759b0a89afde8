"""Keras' `keras.backend`: default dtypes, and names that start afresh."""

from __future__ import annotations

from numba_rnn.config import epsilon, floatx, set_epsilon, set_floatx
from numba_rnn.ops.control import is_keras_tensor
from numba_rnn.ops.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from numba_rnn.ops.naming import clear_session, get_uid

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "get_uid", "image_data_format", "is_float_dtype", "is_int_dtype",
    "is_keras_tensor", "result_type", "set_epsilon", "set_floatx", "standardize_dtype",
]  # fmt: skip


def backend() -> str:
    """What computes: `"numba"`."""
    return "numba"


def image_data_format() -> str:
    """Where channels are: `"channels_last"`."""
    return "channels_last"
