"""The layer: a name, weights, options, and a call that checks its input once and carries masks along."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

import numpy as np

from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.dtypes import policy_config, policy_name
from numba_rnn.layers.masks import MaskedArray, get_mask, set_mask, without_mask
from numba_rnn.layers.serialization import decode, deserialize, is_reading, serialize
from numba_rnn.layers.weight import name_scope
from numba_rnn.layers.weighted import Weighted
from numba_rnn.ops.symbolic import SymbolicTensor, infer, is_symbolic, record
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["Layer"]


class Layer(Weighted):
    """What every layer and model is. A subclass says how to make its weights and how to run on arrays.

    To override: `create_weights(input_shape)`, `call(inputs, ...)`; `compute_output_spec` where running on zeros would be dear;
    `compute_mask` where masks are made or changed; `config_keys`, the constructor's arguments that a file holds, and `child_keys`,
    those among them that are layers; `config_extras`, what `from_config` takes beyond the constructors' named arguments.

    Args:
        activity_regularizer, trainable, autocast: kept for Keras' sake.
        dtype: `"float32"` or `"float64"`, what it computes in.
        name: unique in a model; made from the class if None.

    Raises:
        ValueError: an argument that the layer does not know.
        DTypeError: another dtype.
    """

    config_keys: ClassVar[tuple[str, ...]] = ()
    child_keys: ClassVar[tuple[str, ...]] = ()
    config_extras: ClassVar[tuple[str, ...]] = ()
    input_ndim: ClassVar[int | None] = None
    input_min_ndim: ClassVar[int] = 0
    supports_masking = False
    makes_mask = False  # returns a mask even for an input without one
    sees_masks = False  # `call` gets arrays with their masks still on them

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, trainable, policy_name(dtype))
        self._input_shape_arg = _input_shape_argument(kwargs)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        self.activity_regularizer = activity_regularizer
        self.autocast = autocast
        self.compute_dtype = self.variable_dtype = self.dtype
        self._np_dtype = np.dtype(self.dtype)
        self.build_shape: Any = None  # what it was built for, which a config records
        self._warned = False  # that it destroys masks
        self._fast_ndim = -1  # the rank of a plain array that `__call__` hands on without another look; -1: none

    # Building

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for inputs of this shape, batch included; nothing happens the second time."""
        if not self.built:
            with name_scope(self.name):
                self.create_weights(input_shape)
            self.built = True
            self.build_shape = input_shape

    def create_weights(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape; layers without any leave it alone."""

    # Calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes, on plain arrays that were checked and cast."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call()` method implemented.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arrays, or record a node for symbolic tensors. The arguments are those of `call`.

        Raises:
            ShapeError: the input has the wrong rank or size.
            DTypeError: the input is neither numbers nor booleans.
            ValueError: an argument that is no array; `training=True` where training would change the result.
        """
        if not kwargs and len(args) == 1:
            x = args[0]
            if type(x) is np.ndarray and x.ndim == self._fast_ndim and x.dtype is self._np_dtype:
                return self.call(x)
        return self._checked_call(args, kwargs)

    def _checked_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.pop("training", None):
            self._refuse_training()
        args = tuple(map_structure(self._tensor, a) for a in args)
        kwargs = {k: map_structure(self._cast, v) for k, v in kwargs.items()}
        bound = _signature(type(self).call).bind(*args, **kwargs).arguments
        first_name, first = next(iter(bound.items()), ("inputs", None))  # type: str, Any
        if bound:
            self.check_input(first)
        self.build(map_structure(_shape, first))
        takes_mask = "mask" in _signature(type(self).call).parameters
        if takes_mask and bound.get("mask") is None and [k for k, v in bound.items() if _has_tensor(v)] == [first_name]:
            mask = map_structure(get_mask, first)
            if any(m is not None for m in flatten(mask)):
                bound["mask"] = kwargs["mask"] = mask
        mask = bound.get("mask")
        if mask is None:
            mask = map_structure(get_mask, first)
        masked = any(m is not None for m in flatten(mask))
        if is_symbolic(bound):
            outputs = record(self, args, kwargs, self.compute_output_spec(**bound))
        else:
            seen = bound if self.sees_masks else {k: map_structure(without_mask, v) for k, v in bound.items()}
            outputs = self.call(**seen)
            # From now on a plain array of this rank goes straight to `call`.
            if type(first) in {np.ndarray, MaskedArray} and not self.makes_mask:
                self._fast_ndim = first.ndim
        if masked and not self.supports_masking and not takes_mask and not self._warned:
            self._warned = True
            if not is_reading():
                self._warn_of_lost_mask()
        if self.supports_masking and (masked or self.makes_mask):
            outputs = self._with_masks(outputs, self.compute_mask(first, mask))
        return outputs

    def _warn_of_lost_mask(self) -> None:
        warnings.warn(
            f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to it. However, this "
            "layer does not support masking and will therefore destroy the mask information. Downstream layers will not see the "
            "mask.",
            stacklevel=4,
        )

    def check_input(self, inputs: Any) -> None:
        """Raise where the input is not one array (`ValueError`), or its rank is not the layer's (`ShapeError`)."""
        if inputs is None:
            raise ValueError(
                f"Inputs to a layer should be tensors. Got 'None' (of type {type(None)}) as input for layer '{self.name}'."
            )
        if self.input_ndim is None and not self.input_min_ndim:
            return
        if isinstance(inputs, (list, tuple, dict)):
            raise ValueError(
                f"Layer '{self.name}' expects 1 input, but it received a {type(inputs).__name__} of {len(inputs)}. Pass one array; "
                "arrays of one shape make a batch with `np.stack`."
            )
        ndim = len(inputs.shape)
        if self.input_ndim is not None and ndim != self.input_ndim:
            wanted = f"ndim={self.input_ndim}"
        elif ndim < self.input_min_ndim:
            wanted = f"min_ndim={self.input_min_ndim}"
        else:
            return
        raise ShapeError(
            f"Input 0 of layer '{self.name}' is incompatible with the layer: expected {wanted}, found ndim={ndim}. "
            f"Full shape received: {tuple(inputs.shape)}. The first axis counts the rows of a batch: one row alone is `x[None]`."
        )

    def check_features(self, input_shape: Any, axis: int, size: int) -> None:
        """Raise `ShapeError` where the input's size along `axis` is not the one the layer was built for."""
        if input_shape[axis] is not None and input_shape[axis] != size:
            raise ShapeError(
                f"Layer '{self.name}' was built for inputs of size {size} along axis {axis}. Expected: {size}. Received: "
                f"{input_shape[axis]} (shape {tuple(input_shape)})."
            )

    def _tensor(self, x: Any) -> Any:
        if x is None or isinstance(x, SymbolicTensor):
            return x
        if not isinstance(x, np.ndarray):
            if not hasattr(x, "__array__"):
                raise ValueError(
                    "Only input tensors may be passed as positional arguments. The following argument value should be passed as a "
                    f"keyword argument: {x} (of type {type(x)}). Lists of numbers become an array with `np.asarray`."
                )
            x = np.asarray(x)
        return self._cast(x)

    def _cast(self, x: Any) -> Any:
        """Floating point numbers in the layer's dtype; everything else as it is."""
        if not isinstance(x, np.ndarray) or x.dtype is self._np_dtype or x.dtype.kind in "biu":
            return x
        if x.dtype.kind != "f":
            raise DTypeError(
                f"Layer '{self.name}' takes real numbers and booleans. Received: an array of dtype {x.dtype}. Convert it first, as "
                "with `np.asarray(x, 'float32')`."
            )
        return set_mask(without_mask(x).astype(self._np_dtype), get_mask(x)) if self.autocast else x

    def _with_masks(self, outputs: Any, masks: Any) -> Any:
        if masks is None:
            return outputs
        if not isinstance(outputs, (list, tuple)):
            return set_mask(outputs, flatten(masks)[0])
        kept = flatten(masks)
        leaves = flatten(outputs)
        kept += [None] * (len(leaves) - len(kept))
        pairs: Iterator[Any] = iter(kept)
        return map_structure(lambda x: set_mask(x, next(pairs)), outputs)

    def _refuse_training(self) -> None:
        differs = self.training_differs()
        if differs is not None:
            raise ValueError(f"`training=True` is not supported yet: {differs}. Call without it for inference.")

    def training_differs(self) -> str | None:
        """Why a call in training mode would give other numbers, in words; None where it would not."""
        return next((why for layer in self.sublayers() if (why := layer.training_differs())), None)

    @property
    def output(self) -> Any:
        """The symbolic result of the layer's only recorded call.

        Raises:
            AttributeError: the layer was called on symbolic tensors several times, or never.
        """
        return self._only_node().outputs

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's only recorded call; see `output`."""
        tensors = self._only_node().input_tensors
        return tensors[0] if len(tensors) == 1 else tensors

    def _only_node(self) -> Any:
        if len(self._inbound_nodes) != 1:
            raise AttributeError(
                f"Layer '{self.name}' has no single input and output: it was called on symbolic tensors "
                f"{len(self._inbound_nodes)} times."
            )
        return self._inbound_nodes[0]

    def warmup(self) -> None:
        """Compile everything that calls may need, or take it from the disk cache; the layer must be built."""
        for layer in self.sublayers():
            layer.warmup()

    # Shapes and masks

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic result of a call; found by running on zeros unless a layer knows better."""
        return infer(self.call, *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the result for an input of this shape, batch included, None where unknown."""
        spec = self.compute_output_spec(_spec_of_shape(input_shape, self.dtype))
        return map_structure(_shape, spec)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the result."""
        return mask

    # Serialisation

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them and Keras writes them."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": policy_config(self.dtype)}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        config.update({key: serialize(getattr(self, key)) for key in self.config_keys})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` describes."""
        children = {k: config[k] for k in cls.child_keys if config.get(k) is not None}
        made = {k: [deserialize(c) for c in v] if isinstance(v, list) else deserialize(v) for k, v in children.items()}
        return cls(**{k: made.get(k, decode(v)) for k, v in config.items()})

    def clone(self, **changes: Any) -> Any:
        """A new layer with the same options, but for the changes, and weights of its own."""
        options = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        options.update({key: _cloned(getattr(self, key)) for key in self.config_keys})
        return type(self)(**{**options, **changes})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


@cache
def _signature(call: Callable[..., Any]) -> inspect.Signature:
    """Of a class's `call`, without `self`."""
    signature = inspect.signature(call)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _shape(x: Any) -> Any:
    return None if x is None else tuple(x.shape)


def _cloned(option: Any) -> Any:
    if isinstance(option, list):
        return [_cloned(o) for o in option]
    return option.clone() if isinstance(option, Layer) else option


def _has_tensor(value: Any) -> bool:
    return any(isinstance(leaf, (np.ndarray, SymbolicTensor)) for leaf in flatten(value))


def _spec_of_shape(shape: Any, dtype: str) -> Any:
    if isinstance(shape, dict):
        return {k: _spec_of_shape(s, dtype) for k, s in shape.items()}
    if all(n is None or isinstance(n, (int, np.integer)) for n in shape):
        return SymbolicTensor(tuple(shape), dtype)
    return [_spec_of_shape(s, dtype) for s in shape]


def _input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Keras' old way to give a Sequential model its input shape."""
    shape = kwargs.pop("input_shape", None)
    size = kwargs.pop("input_dim", None)
    if shape is None and size is None:
        return None
    warnings.warn(
        "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer using an "
        "`Input(shape)` object as the first layer in the model instead.",
        stacklevel=4,
    )
    return (size,) if shape is None else tuple(shape)
