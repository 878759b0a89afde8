"""What comes into a layer: made an array of the layer's dtype, and held against what the layer says it takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.masks import get_mask, set_mask, without_mask
from numba_rnn.ops.logits import LogitsArray
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten

__all__ = ["AT_LEAST_ONE", "InputSpec", "as_tensor", "cast", "check_spec"]


class InputSpec:
    """Which inputs a layer takes: its `input_spec`, one of these or a structure of one an input. Arguments as Keras'.

    Args:
        dtype: the name of the only dtype.
        shape: all sizes, batch included, None for any.
        ndim, max_ndim, min_ndim: the rank.
        axes: sizes by axis, `{-1: 8}`.
        allow_last_axis_squeeze: a last axis of size 1 may be there or not.
        name: the key in a dict of inputs.
        optional: None is taken too.

    Raises:
        TypeError: `axes` has keys that are no whole numbers.
        ValueError: `axes` names an axis that the rank does not have.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Any = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else np.dtype(dtype).name
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional
        try:
            self.axes = {int(axis): axes[axis] for axis in axes or {}}
        except (ValueError, TypeError):
            raise TypeError(f"Argument `axes` must be a dict with integer keys. Received: axes={axes}") from None
        most = self.ndim or self.max_ndim
        if self.axes and most and max(self.axes) >= most:
            raise ValueError(f"Axis {max(self.axes)} is greater than the maximum allowed value: {most - 1}")

    @property
    def is_about_rank(self) -> bool:
        """Whether inputs of one rank all fit, or none."""
        return self.dtype is None and self.shape is None and not self.axes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, those that Keras writes."""
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """What `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        kept = {k: getattr(self, k) for k in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in kept.items() if v)})"


AT_LEAST_ONE = InputSpec(min_ndim=1)  # for layers that have no `input_spec` with Keras, and yet need a batch


def check_spec(spec: Any, inputs: Any, layer_name: str) -> None:
    """Hold a call's first argument against a layer's `input_spec`.

    Raises:
        ShapeError: another rank or size.
        DTypeError: another dtype.
        ValueError: another number of inputs, None, or something without a shape.
    """
    specs = flatten(spec)
    names = [one.name for one in specs if one is not None]
    if isinstance(inputs, dict) and len(names) == len(specs) and all(names):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise ValueError(
                f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. Expected the '
                f"following keys: {names}"
            )
        inputs = [inputs[name] for name in names]
    arrays = flatten(inputs)
    several = isinstance(inputs, (list, tuple, dict))
    if len(arrays) != len(specs) or (several and isinstance(spec, InputSpec)):
        where = f" in a {type(inputs).__name__}" if several else ""
        raise ValueError(
            f'Layer "{layer_name}" expects {len(specs)} input(s), but it received {len(arrays)} input tensors{where}. Arrays of '
            "one shape make a batch with `np.stack`."
        )
    for place, (x, one) in enumerate(zip(arrays, specs, strict=True)):
        if one is not None and not (x is None and one.optional):
            _check(one, x, place, layer_name)


def _check(spec: InputSpec, x: Any, place: int, layer_name: str) -> None:
    if not hasattr(x, "shape"):
        raise ValueError(
            f"Inputs to a layer should be tensors. Got '{x}' (of type {type(x)}) as input for layer '{layer_name}'."
        )
    shape: tuple[Any, ...] = tuple(x.shape)
    ndim = len(shape)
    start = f"Input {place} with name '{spec.name}' of layer '{layer_name}' is incompatible with the layer: expected "
    for what, wrong in (
        ("ndim", spec.ndim is not None and ndim != spec.ndim and not spec.allow_last_axis_squeeze),
        ("max_ndim", spec.max_ndim is not None and ndim > spec.max_ndim),
        ("min_ndim", spec.min_ndim is not None and ndim < spec.min_ndim),
    ):
        if wrong:
            raise ShapeError(
                f"{start}{what}={getattr(spec, what)}, found ndim={ndim}. Full shape received: {shape}. "
                "The first axis counts the rows of a batch: one row alone is `x[None]`."
            )
    if spec.dtype is not None and np.dtype(x.dtype).name != spec.dtype:
        raise DTypeError(f"{start}dtype={spec.dtype}, found dtype={x.dtype}")
    for axis, size in spec.axes.items():
        if not -ndim <= axis < ndim or (size is not None and shape[axis] not in {size, None}):
            raise ShapeError(
                f"{start}axis {axis} of input shape to have value {size}, but received input with shape {shape}. "
                f"Expected: {size}. Received: {shape[axis] if -ndim <= axis < ndim else 'no such axis'}."
            )
    if spec.shape is not None:
        wanted, found = spec.shape, shape
        if spec.allow_last_axis_squeeze:
            wanted, found = (s[:-1] if s and s[-1] == 1 else s for s in (wanted, found))
        if any(m is not None and n is not None and m != n for m, n in zip(wanted, found, strict=False)):
            raise ShapeError(f"{start}shape={spec.shape}, found shape={shape}")


def as_tensor(x: Any, layer: Any) -> Any:
    """A positional argument as an array in the layer's dtype.

    Raises:
        ValueError: it is no array.
        DTypeError: as `cast`.
    """
    if x is None or isinstance(x, SymbolicTensor):
        return x
    if not isinstance(x, np.ndarray):
        if not hasattr(x, "__array__"):
            raise ValueError(
                "Only input tensors may be passed as positional arguments. The following argument value should be passed as a "
                f"keyword argument: {x} (of type {type(x)}). Lists of numbers become an array with `np.asarray`."
            )
        x = np.asarray(x)
    return cast(x, layer)


def cast(x: Any, layer: Any) -> Any:
    """Floating point numbers in the layer's dtype; everything else as it is.

    Raises:
        DTypeError: an array of something else than real numbers and booleans.
    """
    dtype = layer._np_dtype
    if type(x) is LogitsArray:
        x = np.asarray(x)
    if not isinstance(x, np.ndarray) or x.dtype is dtype or x.dtype.kind in "biu":
        return x
    if x.dtype.kind != "f":
        raise DTypeError(
            f"Layer '{layer.name}' takes real numbers and booleans. Received: an array of dtype {x.dtype}. Convert it first, as "
            "with `np.asarray(x, 'float32')`."
        )
    if not layer.autocast:
        return x
    plain = without_mask(x)  # a pickled array's dtype is equal, but another object
    return set_mask(plain.view(dtype) if plain.dtype == dtype else plain.astype(dtype), get_mask(x))
