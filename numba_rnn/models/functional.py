"""The functional model: the graph between symbolic inputs and outputs, run or shown or written as a config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.calling import signature_of, training_scope
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.masks import get_mask, set_mask, without_mask
from numba_rnn.layers.registry import register
from numba_rnn.models.config import graph_config, graph_from_config
from numba_rnn.models.graph import Graph, needed
from numba_rnn.models.model import Model, make_graphs
from numba_rnn.ops.bounds import spend
from numba_rnn.ops.symbolic import Node, Operation, SymbolicTensor, attach
from numba_rnn.ops.tree import flatten, pack

__all__ = ["Functional"]


@register
class Functional(Model):
    """A graph of layers. Inputs and outputs are symbolic tensors, or lists, tuples or dicts of them.

    Raises:
        ValueError: the outputs depend on tensors that the inputs do not give, or two layers have the same name.
    """

    keras_module = "keras.src.models.functional"
    keras_registered_name = "Functional"
    config_extras = ("layers", "input_layers", "output_layers")
    checks_sizes = True
    direct_arguments = frozenset({"training"})

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        for what, tree in (("inputs", inputs), ("outputs", outputs)):
            for t in flatten(tree):
                if not isinstance(t, SymbolicTensor):
                    raise ValueError(
                        f"All `{what}` values must be symbolic tensors, such as `Input` returns. Received: {what}={tree} "
                        f"including invalid value {t} of type {type(t)}"
                    )
        super().__init__(name=name, **kwargs)
        self._inputs_struct, self._outputs_struct = inputs, outputs
        self._graph = Graph(flatten(inputs), flatten(outputs))
        self._input_dtype = np.dtype(inputs.dtype) if isinstance(inputs, SymbolicTensor) else None  # of the only input
        self.strict_shapes = True  # a Sequential checks ranks only
        self.built, self.path = True, self.name
        self._input_spec = [
            InputSpec(shape=(None, *t.shape[1:]), allow_last_axis_squeeze=True, name=t.name) for t in flatten(inputs)
        ]

    def __reduce__(self) -> Any:
        return _empty, (type(self),), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        nodes = needed([*self.inputs, *self.outputs])
        dtype = self._input_dtype and self._input_dtype.name
        return {**super().__getstate__(), "_graph": nodes, "_input_dtype": dtype}

    def __setstate__(self, state: dict[str, Any]) -> None:
        dtype = state["_input_dtype"]
        super().__setstate__({**state, "_input_dtype": dtype and np.dtype(dtype)})
        attach(state["_graph"])
        self._graph = Graph(self.inputs, self.outputs)

    @property
    def operations(self) -> list[Operation]:
        """Layers and operations, in Keras' order."""
        return self._graph.operations

    @property
    def layers(self) -> list[Layer]:
        """The layers among the operations."""
        return [op for op in self.operations if isinstance(op, Layer)]

    def sublayers(self) -> list[Layer]:
        """The layers of the graph, then those that a subclass has beside it."""
        inside = self.layers
        known = {id(layer) for layer in inside}
        return inside + [layer for layer in super().sublayers() if id(layer) not in known]

    @property
    def input(self) -> Any:
        """The symbolic inputs, in the structure they were given."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic outputs, in the structure they were given."""
        return self._outputs_struct

    def own_nodes(self, operation: Operation) -> list[Node]:
        """The calls of an operation that belong to this graph."""
        own = {id(node) for node in self._graph.nodes}
        return [node for node in operation._inbound_nodes if id(node) in own]

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Run the graph."""
        flat = self.standardize(inputs)
        if mask is not None:
            flat = [set_mask(x, m) for x, m in zip(flat, flatten(mask), strict=False)]
        if training is None:
            outputs = self._graph.run(flat)
        else:
            with training_scope(training):
                outputs = self._graph.run(flat)
        return outputs[0] if isinstance(self._outputs_struct, SymbolicTensor) else pack(self._outputs_struct, outputs)

    def standardize(self, inputs: Any) -> list[Any]:
        """The inputs in the graph's order, dtype and rank.

        Raises:
            ValueError: an input is missing, or one too many.
            ShapeError: an input has the wrong rank or size.
        """
        struct = self._inputs_struct
        if type(inputs) is np.ndarray and inputs.dtype is self._input_dtype and self._fits(inputs.shape, struct.shape):
            return [inputs]  # as it should be
        return [self._one(x, t) for x, t in zip(self.ordered(inputs), self.inputs, strict=True)]

    def ordered(self, inputs: Any) -> list[Any]:
        """The inputs in the graph's order.

        Raises:
            ValueError: an input is missing, or one too many.
        """
        struct = self._inputs_struct
        if type(inputs) is dict:
            names = list(struct) if isinstance(struct, dict) else [t.name for t in flatten(struct)]
            missing = [n for n in names if n not in inputs]
            if missing:
                raise ValueError(
                    f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. Expected the '
                    f"following keys: {names}"
                )
            flat = flatten({n: inputs[n] for n in names}) if isinstance(struct, dict) else [inputs[n] for n in names]
        else:
            flat = flatten(inputs)
        expected = self.inputs
        if len(flat) != len(expected):
            raise ValueError(
                f"Model '{self.name}' expects {len(expected)} inputs ({', '.join(t.name for t in expected)}). "
                f"Received: {len(flat)}. Pass one array an input: a list in this order, or a dict by these names."
            )
        return flat

    def _one(self, x: Any, ref: SymbolicTensor) -> Any:
        if x is None:
            raise ValueError(
                f"The input '{ref.name}' is not optional, but None was passed. Please provide a valid tensor."
            )
        shape, wanted = tuple(x.shape), ref.shape
        mask = get_mask(x)
        if len(shape) == len(wanted) + 1 and shape[-1] == 1:
            x = x[..., 0]
        elif len(shape) == len(wanted) - 1 and wanted[-1] == 1:
            x = x[..., None]
        self.check_fit(x.shape, ref, shape)
        if not isinstance(x, SymbolicTensor):
            x = np.asarray(without_mask(x))
            if x.dtype != ref.dtype:
                x = x.astype(ref.dtype)
        return set_mask(x, mask)

    def check_fit(self, shape: Any, ref: SymbolicTensor, found: Any = None) -> None:
        """Raise `ShapeError` where an input's shape, `found` before it was squeezed, is none that the graph takes."""
        if not self._fits(shape, ref.shape):
            raise ShapeError(
                f"Model '{self.name}' was passed an incompatible input '{ref.name}': expected shape={(None, *ref.shape[1:])}, "
                f"found shape={found or shape}. The first axis counts the rows of a batch: one row alone is `x[None]`."
            )

    def _fits(self, shape: Any, wanted: Any) -> bool:
        """Whether an input has the rank, and where shapes are strict the sizes, that the graph was made for."""
        if len(shape) != len(wanted):
            return False
        if not self.strict_shapes:
            return True
        return all(n is None or m is None or n == m for n, m in zip(shape[1:], wanted[1:], strict=True))

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        """The shapes of the outputs."""
        spend(len(self._graph.nodes))
        return pack(self._outputs_struct, self.run_graph(self.standardize(inputs), _shapes_of))

    def run_graph(self, inputs: list[Any], called: Callable[[Any], Callable[..., Any]]) -> list[Any]:
        """The outputs where `called(operation)` is called in place of each operation."""
        return self._graph.run(inputs, [called(step.operation) for step in self._graph.steps])

    def get_config(self) -> dict[str, Any]:
        """Name, layers, nodes, inputs and outputs, as Keras writes them; or what a subclass is made with, if not those."""
        if not _takes_a_graph(type(self)):
            return super().get_config()
        return {"name": self.name, "trainable": self.trainable, **graph_config(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The model that `get_config` describes, layers made anew.

        Raises:
            ModelFileError: it names what this library does not have, or its nodes do not fit together.
        """
        if not _takes_a_graph(cls):
            return cls(**config)
        inputs, outputs = graph_from_config(config)
        rest = {k: config[k] for k in ("name", "trainable") if config.get(k) is not None}
        return cls(inputs, outputs, **rest)


def _empty(cls: Any) -> Any:
    """What a copy starts as; in another process, a user's class has yet to make its first graph."""
    if not issubclass(cls, Functional):
        make_graphs(cls, Functional)
    return cls.__new__(cls)


def _takes_a_graph(cls: type) -> bool:
    """Whether the class is made with inputs and outputs, rather than making them itself."""
    return {"inputs", "outputs"} <= set(signature_of(cls.__init__).parameters)  # type: ignore[misc]


def _shapes_of(operation: Any) -> Callable[..., Any]:
    def spec(*args: Any, training: Any = None, **kwargs: Any) -> Any:  # training changes no shape
        return operation.compute_output_spec(*args, **kwargs)

    return spec
