"""What a user may set once for the whole process, as `numba_rnn.config` and by environment variables."""

from numba_rnn.config.policies import DTypePolicy, dtype_policy, set_dtype_policy
from numba_rnn.config.process import (
    FLOATS,
    Settings,
    device,
    epsilon,
    floatx,
    set_epsilon,
    set_floatx,
    set_masks,
    set_threads,
    settings,
)

__all__ = [
    "FLOATS", "DTypePolicy", "Settings", "device", "dtype_policy", "epsilon", "floatx", "set_dtype_policy", "set_epsilon",
    "set_floatx", "set_masks", "set_threads", "settings",
]  # fmt: skip
