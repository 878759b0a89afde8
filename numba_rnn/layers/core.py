"""Layers over the features of a step: Dense, Embedding, Masking, and the graph's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import constraints, functional, initializers, ops, regularizers
from numba_rnn._typing import Array
from numba_rnn.compressed import check_storage
from numba_rnn.config import floatx
from numba_rnn.errors import DTypeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.options import activation_of, function_of
from numba_rnn.layers.registry import register
from numba_rnn.layers.weight import Derived, Weight
from numba_rnn.ops.logits import keeping
from numba_rnn.ops.symbolic import SymbolicTensor, record

__all__ = ["Dense", "Embedding", "Input", "InputLayer", "Masking"]


def _refuse(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise ValueError(f"`{name}` is not supported: leave it out. Received: {name}={value!r}.")


@register
class Dense(Layer):
    """activation(x kernel + bias) over the last axis of x (..., D): kernel (D, H), bias (H,). Arguments as Keras'.

    Raises:
        ValueError: `units` is no positive int, or an unknown activation.
        ShapeError: an input of another size than the layer was built for.
    """

    config_keys = (
        "units", "activation", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "kernel_constraint", "bias_constraint", "quantization_config",
    )  # fmt: skip
    _input_spec = InputSpec(min_ndim=2)
    checks_sizes = True
    supports_masking = True

    def __init__(
        self, units: int, activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None, lora_rank: Any = None,
        lora_alpha: Any = None, quantization_config: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if type(units) is not int or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={units!r}"
            )
        _refuse(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.activation, self.use_bias = units, activation_of(activation), use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = None
        self._function = keeping(function_of(self.activation))
        self.kernel: Weight | None = None
        self.bias: Weight | None = None
        self._linear: Derived[functional.Linear]

    def build(self, input_shape: Any) -> None:
        """kernel (D, H) and bias (H,)."""
        self.kernel = self.add_weight(
            (input_shape[-1], self.units), self.kernel_initializer, name="kernel", regularizer=self.kernel_regularizer
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, name="bias", regularizer=self.bias_regularizer
            )
        self._linear = Derived(functional.Linear, self.kernel, self.bias, weights=self.weight_storage)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def _with_storage(self, storage: str | None) -> dict[str, Any]:
        check_storage(storage, self.dtype)
        remade = {"_linear": self._linear.remade(weights=storage)} if "_linear" in vars(self) else {}
        return {"weight_storage": storage, **remade}

    def call(self, inputs: Any) -> Array:
        """x (..., D) to (..., H)."""
        linear = self._linear()
        if inputs.shape[-1] != linear.kernel.shape[0]:
            self.check_input(inputs)
        y: Array = self._function(linear(inputs))
        return y

    def compute_output_spec(self, inputs: Any) -> SymbolicTensor:
        """(..., H)."""
        return SymbolicTensor((*inputs.shape[:-1], self.units), self.compute_dtype)


@register
class Embedding(Layer):
    """The rows of `embeddings` (input_dim, output_dim) at the indices in the input. Arguments as Keras'.

    With `mask_zero` the result has a mask, false where the index is 0.

    Raises:
        ValueError: a size that is no positive int.
        IndexError: an index outside -input_dim ... input_dim - 1; negative ones count from the end.
    """

    config_keys = (
        "input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer", "activity_regularizer",
        "embeddings_constraint", "mask_zero", "quantization_config",
    )  # fmt: skip
    config_extras = ("input_length",)

    def __init__(
        self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform", embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None, mask_zero: bool = False, weights: Any = None, lora_rank: Any = None,
        lora_alpha: Any = None, quantization_config: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        kwargs.pop("input_length", None)
        kwargs["autocast"] = False  # indices are compared with 0 as they are
        for name, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={size!r}")
        _refuse(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        super().__init__(**kwargs)
        self.input_dim, self.output_dim, self.mask_zero = int(input_dim), int(output_dim), bool(mask_zero)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.quantization_config = None
        self.supports_masking = self.mask_zero
        self.embeddings: Weight | None = None
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, (list, tuple)) else [weights])

    def build(self, input_shape: Any = None) -> None:
        """embeddings (input_dim, output_dim), whatever the input's shape."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
        )

    def call(self, inputs: Any) -> Array:
        """Indices (...) to (..., output_dim)."""
        assert self.embeddings is not None
        try:
            if inputs.dtype.kind not in "iu":
                with np.errstate(invalid="raise"):  # NaN, and numbers that no index has room for
                    inputs = inputs.astype(np.int32)
            rows: Array = self.embeddings.value[inputs]
        except (IndexError, FloatingPointError):
            raise IndexError(
                f"Layer '{self.name}' has rows for the indices 0 to {self.input_dim - 1} (input_dim={self.input_dim}). "
                f"Received: indices from {inputs.min()} to {inputs.max()}. The model was made for another vocabulary."
            ) from None
        return rows

    def compute_output_spec(self, inputs: Any) -> SymbolicTensor:
        """(..., output_dim)."""
        return SymbolicTensor((*inputs.shape, self.output_dim), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where the index is not 0."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None


@register
class Masking(Layer):
    """Marks the steps of x (B, T, D) whose features all equal `mask_value` as masked, and zeroes them. Arguments as Keras'."""

    config_keys = ("mask_value",)
    supports_masking = True
    built_at_init = True

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(mask_value, bool) or not isinstance(mask_value, (int, float, np.number)):
            raise ValueError(f"`mask_value` must be a number. Received: mask_value={mask_value!r}.")
        self.mask_value = mask_value

    def call(self, inputs: Any) -> Array:
        """x, zero at the masked steps."""
        y: Array = inputs * np.any(inputs != self.mask_value, -1, keepdims=True).astype(inputs.dtype)
        return y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where one feature differs from `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)


@register
class InputLayer(Layer):
    """An input of a graph: `output` is its symbolic tensor. Arguments as Keras'.

    Raises:
        ValueError: no shape, or two of them; a sparse or ragged input.
    """

    config_extras = ("batch_input_shape", "input_shape")

    def __init__(
        self, shape: Any = None, batch_size: int | None = None, dtype: Any = None, sparse: bool | None = None,
        ragged: bool | None = None, batch_shape: Any = None, input_tensor: Any = None, optional: bool = False,
        name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **kwargs)
        _refuse(sparse=sparse, ragged=ragged, input_tensor=input_tensor)
        if shape is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
        if batch_size is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `batch_size` and `batch_shape` at the same time.")
        if shape is None and batch_shape is None:
            raise ValueError("You must pass a `shape` argument.")
        self.batch_shape = _sizes(batch_shape if shape is None else (batch_size, *_sizes(shape)))
        self.dtype = _input_dtype(dtype)
        self.sparse = self.ragged = False
        self.optional = optional
        self.built = True
        record(self, (), {}, SymbolicTensor(self.batch_shape, self.dtype, name=self.name))

    def call(self) -> None:
        """Nothing to compute."""

    def get_config(self) -> dict[str, Any]:
        """Keras' own short form."""
        flags = {"sparse": self.sparse, "ragged": self.ragged, "name": self.name, "optional": self.optional}
        return {"batch_shape": list(self.batch_shape), "dtype": self.dtype, **flags}


def _input_dtype(dtype: Any) -> str:
    try:
        found = np.dtype(dtype or floatx())
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "biuf":
        raise DTypeError(f"Inputs are real numbers or booleans, such as 'float32'. Received: dtype={dtype!r}.")
    return found.name


def _sizes(shape: Any) -> tuple[int | None, ...]:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    for n in sizes:
        if n is not None and (isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0):
            raise ValueError(f"A shape is made of sizes and None. Received: {shape}.")
    return tuple(None if n is None else int(n) for n in sizes)


def Input(  # noqa: N802 (Keras' name)
    shape: Any = None, batch_size: int | None = None, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None,
    batch_shape: Any = None, name: str | None = None, tensor: Any = None, optional: bool = False,
) -> SymbolicTensor:  # fmt: skip
    """A symbolic tensor to start a graph with: `shape` without the batch, or `batch_shape` with it. Arguments as Keras'."""
    return InputLayer(
        shape=shape, batch_size=batch_size, dtype=dtype, sparse=sparse, ragged=ragged, batch_shape=batch_shape, input_tensor=tensor,
        optional=optional, name=name,
    ).output  # fmt: skip
