"""Layers over arrays that are on a GPU and stay there: which layers can, and what each does there, at inference.

Nothing falls back in silence: where one layer of a call cannot run on the GPU, the whole call raises `DeviceError`, which names it.
Outputs carry no masks to the caller; within a call they go from layer to layer as on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from numba_rnn import dispatch, functional, resident
from numba_rnn._typing import Array
from numba_rnn.errors import DeviceError, ShapeError
from numba_rnn.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from numba_rnn.layers.base import Layer
from numba_rnn.layers.bidirectional import Bidirectional
from numba_rnn.layers.calling import in_training, signature_of
from numba_rnn.layers.core import Dense, Embedding, Masking
from numba_rnn.layers.dropout import Dropout, GaussianDropout, GaussianNoise
from numba_rnn.layers.normalization import BatchNormalization, LayerNormalization
from numba_rnn.layers.options import function_of
from numba_rnn.layers.rnn import OPTIONS, RNN
from numba_rnn.layers.time_distributed import TimeDistributed
from numba_rnn.layers.weight import Derived
from numba_rnn.ops.activations import ELEMENTWISE, get_activation
from numba_rnn.ops.base import Op
from numba_rnn.ops.tree import flatten, map_structure
from numba_rnn.resident import Constants, Strided

__all__ = ["CALLS", "OPERATIONS", "apply", "call", "runs", "unable"]

CALLS: dict[type, Callable[..., Any]] = {}  # a class of layers: its `call` over arrays on the GPU
OPERATIONS: dict[str, Callable[..., Any]] = {}  # a class of operations, by name: the same


def runs(*kinds: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function is what these classes of layers do on the GPU, if their `call` is the library's own.

    It gets the layer and `call`'s arguments, arrays as `Strided` with their masks, and returns such arrays; where a layer passes
    its input's mask on, they get it afterwards.
    """

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        CALLS.update(dict.fromkeys(kinds, function))
        return function

    return decorator


def unable(layer: Any, reason: str) -> DeviceError:
    """That a layer, or an operation of a graph, cannot run on the GPU."""
    name = getattr(layer, "path", None) or getattr(layer, "name", None)
    return DeviceError(
        f"Layer '{name}' ({type(layer).__name__}) cannot run on the GPU, where the data is: {reason}. Copy the data to the host to "
        "run the model there."
    )


def call(layer: Layer, args: Any, kwargs: dict[str, Any]) -> Any:
    """A call of a layer or model with arrays on a GPU among its arguments: results are there too, of the first one's library.

    Raises:
        DeviceError: a layer cannot run there, or another device was asked for.
        ValueError: what the layer itself raises for such arguments.
    """
    place = dispatch.place(next(leaf for leaf in flatten([args, kwargs]) if dispatch.on_gpu(leaf)))
    args, kwargs = map_structure(lambda a: place.bring(a) if hasattr(a, "shape") else a, [list(args), kwargs])
    place.makes_results = True
    return map_structure(lambda y: None if y is None else place.give(y), apply(layer, *args, **kwargs))


def apply(layer: Any, *args: Any, mask: Any = None, training: Any = None, **kwargs: Any) -> Any:
    """A call of a layer within a call, with arrays as `Strided`; see `call`."""
    if isinstance(layer, Op) and layer.kind.class_name in OPERATIONS:
        return OPERATIONS[layer.kind.class_name](layer, *args, **kwargs)
    function = _function(layer)
    if training or in_training():
        raise unable(layer, "training runs on the host")
    inputs, *rest = args or [kwargs.pop(next(iter(kwargs)))]
    if mask is not None:
        inputs = map_structure(_with_mask, inputs, mask if isinstance(inputs, (list, tuple)) else flatten(mask)[0])
    layer.check_input(inputs)
    if not layer.built:
        layer.build(map_structure(lambda x: x.shape, inputs))
    inputs, rest, kwargs = map_structure(lambda x: _cast(x, layer), [inputs, rest, kwargs])
    masks = [x.mask for x in flatten(inputs) if isinstance(x, Strided)]
    outputs = function(layer, inputs, *rest, **kwargs)
    if any(m is not None for m in masks):
        takes = "mask" in signature_of(type(layer).call).parameters
        if not layer.supports_masking and not takes and not layer._warned:
            layer._warned = True
            layer._warn_of_lost_mask()
        if layer.supports_masking and type(layer).compute_mask is Layer.compute_mask:
            outputs = outputs.masked(masks[0])
    return outputs


def _function(layer: Any) -> Callable[..., Any]:
    known = next((kind for kind in type(layer).__mro__ if kind in CALLS), None)
    if known is None:
        raise unable(
            layer, "the GPU has no such layer" if isinstance(layer, Layer) else "the GPU has no such operation"
        )
    if type(layer).call is not known.call:  # type: ignore[attr-defined]
        raise unable(layer, "its `call` is a Python function")
    return CALLS[known]


def _with_mask(x: Any, mask: Any) -> Any:
    return x if mask is None else x.masked(x.place.cast(mask, np.bool_))


def _cast(x: Any, layer: Any) -> Any:
    if not isinstance(x, Strided) or x.dtype.kind != "f" or not layer.autocast:
        return x
    return x.place.cast(x, layer.dtype)


def _weights(layer: Any, place: Any, make: Callable[..., Constants], *weights: Any, **options: Any) -> list[Any]:
    """What `make` made of a layer's weights, uploaded once a version."""
    if "_on_gpu" not in vars(layer):
        layer._on_gpu = Derived(make, *weights, **options)
    found: list[Any] = layer._on_gpu()(place)
    return found


# Step by step


def _name_of(layer: Any, activation: Any) -> str:
    """The name of an activation that the GPU has."""
    name = get_activation(function_of(activation))[0]
    if name not in ELEMENTWISE and name not in ("softmax", "log_softmax"):
        reason = "a Python function" if name is None else f"{name!r}, which the GPU does not have"
        raise unable(layer, f"its activation is {reason}")
    return str(name)


def _activated(layer: Any, activation: Any, x: Strided) -> Strided:
    if isinstance(activation, Layer):
        y: Strided = apply(activation, x)
        return y
    name = _name_of(layer, activation)
    if name == "linear":
        return x
    if name in ELEMENTWISE:
        return x.place.map(name, x)
    return x.place.softmax(x, name == "log_softmax")


@runs(Dense)
def _dense(layer: Any, x: Strided) -> Strided:
    linear, activation = layer._linear(), layer.activation
    name = "" if isinstance(activation, Layer) else _name_of(layer, activation)
    x = x.place.cast(x, layer.dtype)
    try:
        if name in ELEMENTWISE:
            return resident.linear(linear, x, name)
        return _activated(layer, activation, resident.linear(linear, x))
    except ShapeError as error:
        raise ShapeError(f"Layer '{layer.name}' ({type(layer).__name__}): {error}") from None


@runs(Embedding)
def _embedding(layer: Any, x: Strided) -> Strided:
    (table,) = _weights(layer, x.place, Constants, layer.embeddings)
    y: Strided = x.place.gather(table, x)
    return y.masked(_borrowed(x, "different", x, dtype=np.bool_)) if layer.mask_zero else y


@runs(Masking)
def _masking(layer: Any, x: Strided) -> Strided:
    place, made = x.place, x.place.makes_results
    place.makes_results = False
    counts = place.fold("different", x, -1, layer.mask_value)
    place.makes_results = made
    return place.map("select_or", counts.expanded(-1), x).masked(counts)


def _borrowed(x: Strided, operation: str, *inputs: Strided, **options: Any) -> Strided:
    """A map whose result nobody is handed."""
    place, made = x.place, x.place.makes_results
    place.makes_results = False
    y: Strided = place.map(operation, *inputs, **options)
    place.makes_results = made
    return y


@runs(Activation)
def _activation(layer: Any, x: Strided) -> Strided:
    return _activated(layer, layer.activation, _floats(layer, x))


def _floats(layer: Any, x: Strided) -> Strided:
    return x if x.dtype.kind == "f" else x.place.cast(x, layer.dtype)


@runs(ReLU)
def _relu(layer: Any, x: Strided) -> Strided:
    most = np.inf if layer.max_value is None else layer.max_value
    return x.place.map("rectified", _floats(layer, x), numbers=(layer.negative_slope, layer.threshold, most))


@runs(LeakyReLU)
def _leaky_relu(layer: Any, x: Strided) -> Strided:
    return x.place.map("leaky", _floats(layer, x), numbers=(layer.negative_slope,))


@runs(ELU)
def _elu(layer: Any, x: Strided) -> Strided:
    return x.place.map("exponential_below", _floats(layer, x), numbers=(layer.alpha,))


@runs(Softmax)
def _softmax(layer: Any, x: Strided) -> Strided:
    if layer.axis not in (-1, x.ndim - 1):
        raise unable(layer, f"its axis is {layer.axis}, and the GPU's softmax goes along the last one")
    x = _floats(layer, x).masked(x.mask)
    if x.mask is None:
        return x.place.softmax(x)
    if x.mask.ndim > x.ndim or any(m not in (1, n) for m, n in zip(x.mask.shape[::-1], x.shape[::-1], strict=False)):
        raise ShapeError(
            f"The `mask` must be broadcastable to `inputs`. Received: inputs.shape={x.shape}, mask.shape={x.mask.shape}"
        )
    kept = x.place.map("select_or", x.mask, x, numbers=(-1e9,))
    return x.place.map("select_or", x.mask, x.place.softmax(kept))


@runs(Dropout, GaussianDropout, GaussianNoise)
def _same(layer: Any, x: Strided) -> Strided:
    return x


@runs(LayerNormalization)
def _layer_normalization(layer: Any, x: Strided) -> Strided:
    if layer.axes(x.ndim) != (x.ndim - 1,):
        raise unable(layer, f"its axis is {layer.axis}, and the GPU normalises along the last one")
    gamma, beta = _weights(
        layer, x.place, _scale_and_shift, layer.gamma, layer.beta, size=x.shape[-1], dtype=layer.dtype
    )
    return x.place.normalize(x.place.cast(x, layer.dtype), gamma, beta, layer.epsilon, not layer.rms_scaling)


def _scale_and_shift(gamma: Array | None, beta: Array | None, size: int, dtype: str) -> Constants:
    return Constants(np.ones(size, dtype) if gamma is None else gamma, np.zeros(size, dtype) if beta is None else beta)


@runs(BatchNormalization)
def _batch_normalization(layer: Any, x: Strided) -> Strided:
    if x.mask is not None and x.mask.ndim != x.ndim - 1:
        raise ShapeError(
            "The mask provided should be one dimension less than the inputs. Received: "
            f"mask.shape={x.mask.shape}, inputs.shape={x.shape}"
        )
    place, (axis,) = x.place, layer.axes(x.ndim)
    weights = _weights(
        layer, place, _moving, layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta, epsilon=layer.epsilon
    )
    shape = [n if a == axis else 1 for a, n in enumerate(x.shape)]
    mean, factor, beta = (None if w is None else w.reshape(*shape) for w in weights)
    y = place.map("centred", place.cast(x, layer.dtype), mean, factor)
    return y if beta is None else place.map("add", y, beta)


def _moving(mean: Array, variance: Array, gamma: Array | None, beta: Array | None, epsilon: float) -> Constants:
    factor = 1 / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    return Constants(mean, factor if gamma is None else factor * gamma, beta)


# Over time


@runs(RNN)
def _rnn(layer: Any, x: Strided, initial_state: Any = None) -> Any:
    if layer.stateful:
        raise unable(layer, "it keeps states between its calls (`stateful`), which are on the host")
    if not layer._in_kernels or layer._mixed:
        reason = "computes in another dtype than the layer" if layer._in_kernels else "is stepped in Python"
        raise unable(layer, f"its cell {reason}")
    x = x.place.cast(x, layer.dtype).masked(x.mask)
    options = OPTIONS[layer.go_backwards, layer.return_sequences, layer.zero_output_for_mask]
    try:
        if layer._stacked:
            y, states = _stack(layer, x, initial_state, options)
        else:
            y, last = functional.scan(layer.cell.prepared(), x, x.mask, initial_state, options)  # type: ignore[arg-type]
            states = _each(last) if layer.return_state else []
    except ShapeError as error:
        raise ShapeError(f"Layer '{layer.name}' ({type(layer).__name__}): {error}") from None
    y = y.masked(x.mask if layer.return_sequences and layer.supports_masking else None)
    return (y, *states) if layer.return_state else y


def _each(states: Any) -> list[Any]:
    return [states.at(0, k) for k in range(states.shape[0])]


def _stack(layer: Any, x: Any, initial_state: Any, options: Any) -> tuple[Any, list[Any]]:
    """As `RNN` does it on the host."""
    cells, mask, states = layer.cell.cells, x.mask, []
    given = None if initial_state is None else layer._per_cell(cells, initial_state)
    for k, cell in enumerate(cells):
        last, backwards = k == len(cells) - 1, options.go_backwards and k == 0
        step = OPTIONS[backwards, not last or options.return_sequences, last and options.zero_output_for_mask]
        x, after = functional.scan(cell.prepared(), x, mask, None if given is None else given[k], step)
        mask = mask.flipped(1) if backwards and mask is not None else mask
        states.append(_each(after))
    return x, states


@runs(Bidirectional)
def _bidirectional(layer: Any, x: Strided, initial_state: Any = None) -> Any:
    forward, sequences = layer.forward_layer, layer.return_sequences
    if initial_state is not None:
        layer._check_states(initial_state)
    if (pair := layer._pair()) is not None:
        options = OPTIONS[forward.go_backwards, sequences, forward.zero_output_for_mask]
        try:
            y, last = functional.scan(pair, x.place.cast(x, layer.dtype), x.mask, initial_state, options)  # type: ignore[arg-type]
        except ShapeError as error:
            raise ShapeError(f"Layer '{layer.name}' ({type(layer).__name__}): {error}") from None
        states = _each(last) if layer.return_state else []
        both: Any = (y.part(-1, 0, pair.H), y.part(-1, pair.H, 2 * pair.H))  # type: ignore[attr-defined]
        merged = y if layer.merge_mode == "concat" else _merge(layer.merge_mode, *both)
    else:
        half = None if initial_state is None else len(initial_state) // 2
        given = (None, None) if half is None else (initial_state[:half], initial_state[half:])
        ways = [apply(w, x, initial_state=s) for w, s in zip((forward, layer.backward_layer), given, strict=True)]
        (y, *ahead), (back, *behind) = ((w if layer.return_state else (w,)) for w in ways)
        y, back = (x.place.cast(one, layer.dtype) for one in (y, back))
        states = [*ahead, *behind]
        merged = _merge(layer.merge_mode, y, back.flipped(1) if sequences else back)
    mask = x.mask if sequences and layer.supports_masking else None
    outputs = tuple(one.masked(mask) for one in flatten(merged))
    if layer.return_state:
        return (*outputs, *states)
    return outputs if layer.merge_mode is None else outputs[0]


def _merge(mode: str | None, y: Strided, back: Strided) -> Any:
    place = y.place
    match mode:
        case "concat":
            return place.join([y, back], -1)
        case "sum":
            return place.map("add", y, back)
        case "mul":
            return place.map("multiply", y, back)
        case "ave":
            return place.map("divided", place.map("add", y, back), numbers=(2,))
    return y, back


@runs(TimeDistributed)
def _time_distributed(layer: Any, x: Strided) -> Any:
    inner, (B, T) = layer.layer, x.shape[:2]
    if not layer._rows_are_alike:
        raise unable(inner, "its `call` may be a Python function")
    rows = x.reshape(B * T, *x.shape[2:])
    if x.mask is not None:
        layer._check_mask(x, x.mask)
        if layer._passes(x.mask) and "mask" in signature_of(type(inner).call).parameters:
            rows = rows.masked(x.mask.reshape(B * T, *x.mask.shape[2:]))
    mask = x.mask if layer.supports_masking else None

    def spread(y: Strided) -> Strided:
        y = x.place.cast(y, layer.dtype) if y.dtype.kind == "f" else y
        return y.reshape(B, T, *y.shape[1:]).masked(mask)

    return map_structure(spread, apply(inner, rows))


def either(masks: list[Strided]) -> Strided:
    """True where one of the masks is."""
    return reduce(lambda a, b: _borrowed(a, "either", a, b), masks)
