"""The graph between symbolic tensors: which nodes, in which order to run, in which order Keras lists their operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from numba_rnn.layers.calling import in_training, signature_of
from numba_rnn.ops.symbolic import Node, Operation, SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["Graph", "Slot", "Step", "needed", "trace", "trains_unasked"]


class Slot(int):
    """Where a value is kept during a run, in place of a symbolic tensor among a node's arguments."""


@dataclass(frozen=True)
class Step:
    """One call of a run: `operation(*args, **kwargs)`, values taken from slots and put into others.

    Attributes:
        source: the slot of the only argument, or -1 where `args` and `kwargs` must be filled in.
        target: the slot of the only result, or -1 where the result is spread over `targets`.
    """

    operation: Operation
    source: int
    args: Any
    kwargs: dict[str, Any]
    target: int
    targets: tuple[int, ...]


class Graph:
    """The nodes between inputs and outputs.

    Attributes:
        nodes: in the order to run them, inputs included.
        steps: their calls, but for the inputs.
        symbols: what each slot holds.
        is_chain: there is one input, each step takes just what the one before gave, and the last gives the output.
        inputs, outputs: the slots of the values that are given and returned.
        operations: each once, in the order in which Keras lists layers: by distance from the outputs, then as met first.
    """

    def __init__(self, inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> None:
        self.nodes, met = trace(inputs, outputs)
        self.operations = _by_depth(self.nodes, met)
        slots: dict[int, Slot] = {}
        self.symbols: list[SymbolicTensor] = []
        for tensor in [*inputs, *(t for node in self.nodes for t in node.output_tensors)]:
            if id(tensor) not in slots:
                slots[id(tensor)] = Slot(len(slots))
                self.symbols.append(tensor)
        self._size = len(slots)
        self.inputs = [slots[id(t)] for t in inputs]
        self.outputs = [slots[id(t)] for t in outputs]
        self.steps = [_step(node, slots) for node in self.nodes if node.input_tensors]
        self._operations: list[Any] = [step.operation for step in self.steps]
        path = [*self.inputs, *(step.target for step in self.steps)]
        follow = path[:-1] == [step.source for step in self.steps] and path[-1:] == self.outputs
        self.is_chain = follow and min(path) >= 0

    def run(self, inputs: list[Any], calls: list[Callable[..., Any]] | None = None) -> list[Any]:
        """The outputs for these inputs; where `calls` are given, each is called in place of the operation of one of `steps`."""
        if calls is None:
            calls = self._operations
        if self.is_chain:
            (x,) = inputs
            for call in calls:
                x = call(x)
            return [x]
        values = self.begin(inputs)
        self.advance(values, zip(self.steps, calls, strict=True))
        return [values[slot] for slot in self.outputs]

    def begin(self, inputs: list[Any]) -> list[Any]:
        """The values of all slots before the first step."""
        values: list[Any] = [None] * self._size
        for place, x in zip(self.inputs, inputs, strict=True):
            values[place] = x
        return values

    @staticmethod
    def advance(values: list[Any], steps: Iterable[tuple[Step, Callable[..., Any]]]) -> None:
        """Make some steps on these values, each with what is called for it: its operation, or something in its place."""
        for step, call in steps:
            if step.source >= 0:
                result = call(values[step.source])
            else:
                args, kwargs = map_structure(lambda a: values[a] if type(a) is Slot else a, [step.args, step.kwargs])
                if "training" in kwargs and in_training() is not None:
                    del kwargs["training"]  # what a call of the model says goes before what was recorded
                result = call(*args, **kwargs)
            if step.target >= 0:
                values[step.target] = result
            else:
                for slot, value in zip(step.targets, flatten(result), strict=True):
                    values[slot] = value


def _step(node: Node, slots: dict[int, Slot]) -> Step:
    def slot_of(leaf: Any) -> Any:
        return slots[id(leaf)] if isinstance(leaf, SymbolicTensor) else leaf

    args, kwargs = map_structure(slot_of, [list(node.args), node.kwargs])
    # Without these a call means the same, and may take the short way.
    nothing = (None,) if trains_unasked(node.operation) else (None, False)
    kwargs = {
        k: v for k, v in kwargs.items() if k not in {"mask", "training"} or isinstance(v, Slot) or v not in nothing
    }
    alone = len(args) == 1 and not kwargs and type(args[0]) is Slot
    targets = tuple(slots[id(t)] for t in node.output_tensors)
    single = isinstance(node.outputs, SymbolicTensor)
    return Step(node.operation, args[0] if alone else -1, args, kwargs, targets[0] if single else -1, targets)


def trains_unasked(operation: Any) -> bool:
    """Whether a call that says nothing of `training` means true."""
    parameter = signature_of(type(operation).call).parameters.get("training") if hasattr(operation, "call") else None
    return parameter is not None and parameter.default is True


def trace(inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> tuple[list[Node], dict[Operation, int]]:
    """The nodes that the outputs need, each after those that it needs itself, and all inputs; when each operation was met first.

    Raises:
        ValueError: an output needs an input that was not given.
    """
    given = {id(t) for t in inputs}
    finished: set[int] = set()
    order: list[Node] = []
    met: dict[Operation, int] = {}

    def visit(tensor: SymbolicTensor) -> None:
        if tensor._keras_history is None:
            raise ValueError(f"{tensor} comes from no recorded call, so no model can be made of it.")
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if id(node) in finished or (id(tensor) in given and node.input_tensors):
            return
        if not node.input_tensors and id(tensor) not in given:
            raise ValueError(
                f"Graph disconnected: the outputs depend on the input '{operation.name}', which is not among the model's inputs "
                f"({', '.join(t.name for t in inputs)})."
            )
        met.setdefault(operation, len(met))
        for needed in node.input_tensors:
            visit(needed)
        finished.add(id(node))
        order.append(node)

    for tensor in outputs:
        visit(tensor)
    for place, tensor in enumerate(inputs):
        assert tensor._keras_history is not None
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if operation not in met and not node.input_tensors:  # an input that no output needs: listed before the outputs
            order.append(node)
            met[operation] = place - len(inputs)
    return order, met


def needed(tensors: list[SymbolicTensor]) -> list[Node]:
    """Every recorded call that these tensors and the masks on the way come from, each after those that it needs itself."""
    met: set[int] = set()
    order: list[Node] = []

    def visit(tensor: SymbolicTensor | None) -> None:
        if tensor is None or tensor._keras_history is None:
            return
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if id(node) in met:
            return
        met.add(id(node))
        for one in [*node.input_tensors, *(t._keras_mask for t in node.output_tensors)]:
            visit(one)
        order.append(node)

    for tensor in tensors:
        visit(tensor)
    return order


def _by_depth(nodes: list[Node], met: dict[Operation, int]) -> list[Operation]:
    producers = {id(t): node for node in nodes for t in node.output_tensors}
    node_depth: dict[int, int] = {}
    depth: dict[Operation, int] = {}
    for node in reversed(nodes):
        # An operation that is called several times has the depth of its call furthest from the outputs.
        here = max(node_depth.get(id(node), 0), depth.get(node.operation, 0))
        depth[node.operation] = node_depth[id(node)] = here
        for tensor in node.input_tensors:
            producer = producers.get(id(tensor))
            if producer is not None:
                node_depth[id(producer)] = max(here + 1, node_depth.get(id(producer), 0))
    ordered = sorted(depth, key=lambda operation: (-depth[operation], met[operation]))
    for name, times in Counter(operation.name for operation in ordered).items():
        if times > 1:
            raise ValueError(
                f'The name "{name}" is used {times} times in the model. All operation names should be unique.'
            )
    return ordered
