"""A model of the same layers or graph, with weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba_rnn.layers.base import Layer
from numba_rnn.layers.core import Input, InputLayer
from numba_rnn.models.functional import Functional
from numba_rnn.models.model import Model
from numba_rnn.models.sequential import Sequential
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure, pack

__all__ = ["clone_model"]

Clone = Callable[[Any], Any]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Clone | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A copy of a `Sequential` or functional model, its layers made anew and called on new inputs. Arguments as Keras'.

    Args:
        model: what to copy; of a subclass of `Model`, its config is.
        input_tensors: symbolic inputs to start from, in the structure of `model.input`; made anew if None.
        clone_function: `fn(layer)` returns the layer to use; a copy with the same options if None.
        call_function: `fn(layer, *args, **kwargs)` calls a copied layer of a functional model.
        recursive: models inside are copied layer by layer too, by the same functions, and not as one layer.

    Raises:
        ValueError: `model` is no model, inputs that do not fit it, a function that its kind of model has no use for.
        NotImplementedError: a layer of one's own that needs a `get_config`.
    """
    if not isinstance(model, Model):
        raise ValueError(f"`clone_model` takes a model. Received: {model}.")
    if not isinstance(model, (Sequential, Functional)):
        if input_tensors is not None or clone_function or call_function:
            raise ValueError(
                "Arguments `clone_function`, `call_function` and `input_tensors` are only supported for Sequential models or "
                f"Functional models. Received model of type '{type(model).__name__}'."
            )
        return model.clone()
    clone = _once_each(_clone_function(clone_function, call_function, recursive))
    copy: Any
    if isinstance(model, Functional):
        copy = _of_graph(model, input_tensors, clone, call_function)
    elif call_function is None:
        copy = _of_layers(model, input_tensors, clone)
    else:
        raise ValueError(
            "`call_function` argument is not supported with Sequential models: they only list their layers."
        )
    options = model.get_compile_config()
    if options is not None:
        copy.compile(**options)
    return copy


def _clone_function(own: Clone | None, call_function: Callable[..., Any] | None, recursive: bool) -> Clone:
    def clone(layer: Any) -> Any:
        if isinstance(layer, (Sequential, Functional)) and (recursive or own is None):
            return clone_model(layer, None, own, call_function if isinstance(layer, Functional) else None, recursive)
        return layer.clone() if own is None else own(layer)

    return clone


def _once_each(clone: Clone) -> Clone:
    """The same copy for a layer that occurs several times."""
    copies: dict[int, Any] = {}

    def remembered(layer: Any) -> Any:
        if id(layer) not in copies:
            copies[id(layer)] = clone(layer)
        return copies[id(layer)]

    return remembered


def _of_layers(model: Sequential, given: Any, clone: Clone) -> Sequential:
    layers = [clone(layer) for layer in model.layers]
    tensors = [] if given is None else flatten(given)
    if len(tensors) > 1 or not all(isinstance(t, SymbolicTensor) for t in tensors):
        raise ValueError(f"Argument `input_tensors` must be a single symbolic tensor. Received: {given}.")
    like = tensors[0] if tensors else model.input if model.built else None
    if like is not None:
        layers.insert(0, InputLayer(batch_shape=like.shape, dtype=like.dtype, name=None if tensors else like.name))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _of_graph(model: Functional, given: Any, clone: Clone, call: Callable[..., Any] | None) -> Functional:
    tensors = flatten(model.input if given is None else given)
    if len(tensors) != len(model.inputs) or not all(isinstance(t, SymbolicTensor) for t in tensors):
        raise ValueError(
            f"`input_tensors` must be symbolic tensors in the structure of `model.input`. Expected: {model.input}. "
            f"Received: {given}."
        )
    if given is None:
        given = map_structure(lambda t: Input(batch_shape=t.shape, dtype=t.dtype, name=t.name), model.input)

    def copy_of(operation: Any) -> Any:
        copy = clone(operation) if isinstance(operation, Layer) else operation
        return copy if call is None else lambda *args, **kwargs: call(copy, *args, **kwargs)

    return Functional(given, pack(model.output, model.run_graph(flatten(given), copy_of)), name=model.name)
