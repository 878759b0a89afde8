"""Data types of layers: Keras' policy names and configs, of which float32 and float64 run."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.errors import DTypeError

__all__ = ["policy_config", "policy_name"]

POLICIES = ("float32", "float64")


def policy_name(dtype: Any) -> str:
    """The name behind `dtype=`: None, a name, a NumPy dtype, or a policy's config.

    Raises:
        DTypeError: a policy that is not run here: half precision, mixed, quantised, integer.
    """
    if dtype is None:
        return "float32"
    if isinstance(dtype, dict):
        kind, config = dtype.get("class_name"), dtype.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        if kind not in {"DTypePolicy", "Policy", "FloatDTypePolicy"} or not isinstance(name, str):
            raise DTypeError(f"Layers compute in one of {', '.join(POLICIES)}. Received: a {kind} {config}.")
    elif isinstance(dtype, str):
        name = dtype
    else:
        try:
            name = getattr(dtype, "name", None) or np.dtype(dtype).name
        except TypeError:
            name = str(dtype)
    if name not in POLICIES:
        raise DTypeError(
            f"Layers compute in one of {', '.join(POLICIES)}. Received: dtype={name!r}. "
            "Save the model in float32 to run it here."
        )
    return name


def policy_config(name: str) -> dict[str, object]:
    """What Keras writes for a policy."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}
