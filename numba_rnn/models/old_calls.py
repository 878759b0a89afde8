"""How Keras 1 and 2 called a layer of a graph, where Keras 3 does otherwise: said so that Keras 3 would do the same.

A mask went with the sequences also where states were given. Layers that merge computed with masked steps as with others, and the
result's mask was what all masks had in common. A mask that a layer inside a TimeDistributed made went on from there. A recurrent
layer with `time_major` had time as the first axis.

Source: tf-keras 2.21, `engine/base_layer.py`, `layers/merging/base_merge.py`, `layers/rnn/base_rnn.py` and `time_distributed.py`.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from numba_rnn import ops
from numba_rnn.layers.masks import get_mask, set_mask
from numba_rnn.layers.merging import Concatenate, _Merge
from numba_rnn.layers.time_distributed import TimeDistributed
from numba_rnn.models.model import Model
from numba_rnn.ops.symbolic import Operation, SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["old_call"]


def old_call(operation: Operation, args: Any, kwargs: dict[str, Any], time_major: bool) -> Any:
    """The symbolic outputs of a layer or operation called with symbolic tensors."""
    if isinstance(operation, _Merge) and not (isinstance(operation, Concatenate) and _joins_steps(operation, args[0])):
        return _merged(operation, args[0])
    if isinstance(operation, TimeDistributed):
        return _with_masks_of_steps(operation, args[0], operation(*args, **kwargs))
    if "initial_state" in kwargs and kwargs.get("mask") is None and (mask := get_mask(args[0])) is not None:
        kwargs = {**kwargs, "mask": mask}
    if not time_major:
        return operation(*args, **kwargs)
    sequences, *others = args
    mask = kwargs.pop("mask", None) if kwargs.get("mask") is not None else get_mask(sequences)
    if mask is not None:
        kwargs = {**kwargs, "mask": _turned(mask)}
    outputs = operation(_turned(sequences), *others, **kwargs)
    if not getattr(operation, "return_sequences", False):
        return outputs
    return map_structure(lambda x: set_mask(_turned(x), mask) if len(x.shape) > 2 else x, outputs)


def _turned(x: Any) -> Any:
    """The first two axes the other way round."""
    return ops.transpose(x, (1, 0, *range(2, len(x.shape))))


def _with_masks_of_steps(layer: TimeDistributed, x: Any, outputs: Any) -> Any:
    """The outputs with the mask that the layer inside makes of a step, or what of the step's mask says whether there is one."""
    inner, mask = layer.layer, get_mask(x)
    if isinstance(inner, Model) or not isinstance(outputs, SymbolicTensor):
        return outputs
    made = flatten(inner.compute_mask(x, mask))[0] if inner.supports_masking else None
    if made is None and mask is not None:
        made = reduce(lambda m, _: ops.any(m, axis=-1), range(2, len(mask.shape)), mask)
    return set_mask(outputs, made)


def _joins_steps(layer: Concatenate, inputs: Any) -> bool:
    """Whether it puts sequences one behind the other, and their masks too."""
    axis: int = layer.axis
    return axis not in (-1, len(inputs[0].shape) - 1)


def _merged(operation: Operation, inputs: Any) -> Any:
    masks = [mask for x in inputs if (mask := get_mask(x)) is not None]
    if not masks:
        return operation(inputs)
    plain = [x if get_mask(x) is None else ops.copy(x) for x in inputs]  # an operation's result has no mask
    return set_mask(operation(plain), reduce(ops.logical_and, masks))
