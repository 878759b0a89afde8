"""Data types of layers: Keras' policy names and configs, of which float32 and float64 run."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.config.process import settings
from numba_rnn.errors import DTypeError

__all__ = ["DTypePolicy", "dtype_policy", "policy_config", "policy_name", "set_dtype_policy"]

POLICIES = ("float32", "float64")


def policy_name(dtype: Any) -> str:
    """The name behind `dtype=`: None, a name, a NumPy dtype, or a policy's config.

    Raises:
        DTypeError: a policy that is not run here: half precision, mixed, quantised, integer.
    """
    dtype = settings.dtype_policy or settings.floatx if dtype is None else dtype
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


class DTypePolicy:
    """What a layer computes in and keeps its weights in: `layer.dtype_policy`, or given as `dtype=`.

    Raises:
        DTypeError: a policy that is not run here.
    """

    quantization_mode = None

    def __init__(self, name: str | None = None) -> None:
        self.name = policy_name(name)

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self.name

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self.name

    def get_config(self) -> dict[str, str]:
        """The constructor's argument."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, str]) -> DTypePolicy:
        """The policy that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def dtype_policy() -> DTypePolicy:
    """What layers compute in that were not told anything: what `set_dtype_policy` said, else `floatx()`."""
    return DTypePolicy()


def set_dtype_policy(policy: Any) -> None:
    """Make another policy the default of layers that are made from now on.

    Args:
        policy: `"float32"`, `"float64"`, or a `DTypePolicy` of one of them.

    Raises:
        DTypeError: a policy that is not run here.
        ValueError: neither a name nor a policy.
    """
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(
            "Invalid `policy` argument. Expected the string name of a policy ('float32' or 'float64') or a `DTypePolicy`. "
            f"Received: policy={policy} (of type {type(policy)})"
        )
    settings.dtype_policy = policy_name(policy)
