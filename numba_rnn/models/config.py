"""A graph as Keras' JSON and back: layers, their calls as nodes, references to the tensors between them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.layers.serialization import decode, deserialize, is_old, serialize
from numba_rnn.models.old_calls import old_call
from numba_rnn.ops.base import OPS, op_from_config
from numba_rnn.ops.naming import avoiding
from numba_rnn.ops.symbolic import Node, Operation, SymbolicTensor, is_symbolic
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["graph_config", "graph_from_config"]


@dataclass
class _Entry:
    """A layer of the graph being made, and its calls within this graph: a shared layer has others elsewhere."""

    name: str
    operation: Operation
    calls: list[list[SymbolicTensor]] = field(default_factory=list)  # what each returned
    time_major: bool = False  # see `old_calls`


class _NotYet(Exception):  # noqa: N818
    """A node refers to a call that has not been made yet, of the layer of this name."""

    def __init__(self, layer: str, index: Any) -> None:
        super().__init__(f"call {index} of {layer!r}")
        self.layer = layer


def graph_config(model: Any) -> dict[str, Any]:
    """The keys `layers`, `input_layers` and `output_layers` of a functional model's config."""
    own: dict[int, dict[int, int]] = {}  # operation -> its node's index anywhere -> its index in this graph
    for operation in model.operations:
        kept = [i for i, node in enumerate(operation._inbound_nodes) if node in model.own_nodes(operation)]
        own[id(operation)] = {index: place for place, index in enumerate(kept)}

    def reference(tensor: SymbolicTensor, shift: int = 0) -> list[Any]:
        assert tensor._keras_history is not None
        operation, index, place = tensor._keras_history
        return [operation.name, own[id(operation)][index] + shift, place]

    def argument(leaf: Any) -> Any:
        if isinstance(leaf, SymbolicTensor):
            config = {"shape": list(leaf.shape), "dtype": leaf.dtype, "keras_history": reference(leaf)}
            return {"class_name": "__keras_tensor__", "config": config}
        return _plain(leaf)

    def call(node: Node) -> dict[str, Any]:
        return {"args": map_structure(argument, list(node.args)), "kwargs": map_structure(argument, node.kwargs)}

    def end(tensor: SymbolicTensor) -> list[Any]:
        # Keras counts the calls of a nested functional model from 1 here, and from 0 among arguments.
        assert tensor._keras_history is not None
        return reference(tensor, 1 if _counts_from_one(tensor._keras_history.operation) else 0)

    layers = {op: serialize(op) for op in model.operations}
    for op, config in layers.items():  # in place: a config may get the mark of a shared layer later
        config.update(name=op.name, inbound_nodes=[call(n) for n in model.own_nodes(op) if n.input_tensors])
    return {
        "layers": list(layers.values()),
        "input_layers": map_structure(end, model.input),
        "output_layers": map_structure(end, model.output),
    }


def _counts_from_one(operation: Operation) -> bool:
    return type(operation).__name__ == "Functional"


def _plain(leaf: Any) -> Any:
    if isinstance(leaf, slice):
        parts = {"start": leaf.start, "stop": leaf.stop, "step": leaf.step}
        return {"class_name": "__slice__", "config": parts}
    if leaf is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    return serialize(leaf)


def graph_from_config(config: dict[str, Any]) -> tuple[Any, Any]:
    """The symbolic inputs and outputs of the graph, its layers made and called anew.

    Raises:
        ModelFileError: an unknown layer or operation, or nodes that do not fit together.
    """
    made: dict[str, _Entry] = {}
    calls: list[tuple[_Entry, Any]] = []
    try:
        for entry in config["layers"]:
            name = entry.get("name") or entry["config"]["name"]
            if name in made:
                raise ModelFileError(f"The file's graph has two layers named {name!r}.")
            operation = _operation(entry)
            results = [node.output_tensors for node in operation._inbound_nodes[:1] if not node.input_tensors]
            made[name] = _Entry(name, operation, results, entry.get("time_major") is True)
            calls.extend((made[name], node) for node in entry.get("inbound_nodes", ()))
        with avoiding(made):  # a call by old rules may make operations, and these name themselves
            _call_all(calls, made)
        return _ends(config["input_layers"], made), _ends(config["output_layers"], made)
    except (KeyError, TypeError, AttributeError, _NotYet) as error:
        raise ModelFileError(f"The file's graph cannot be read: {type(error).__name__}: {error}") from error


def _operation(entry: dict[str, Any]) -> Operation:
    """A layer or an operation: they share class names and differ by module, or, without modules, by the layer's `trainable`."""
    name, module, config = entry["class_name"], entry.get("module"), entry.get("config", {})
    of_ops = module is not None and (".ops." in module or ".activations." in module)
    if not of_ops and not (module is None and name in OPS and "trainable" not in config):
        operation: Operation = deserialize(entry)
        return operation
    return op_from_config(name, decode(config))


def _call_all(calls: list[tuple[_Entry, Any]], made: dict[str, _Entry]) -> None:
    """Make the calls as soon as their arguments exist; the calls of one operation in their order."""
    waiting: dict[int, deque[Any]] = {}
    for entry, node in calls:
        waiting.setdefault(id(entry), deque()).append(node)
    ready = deque(entry for entry in made.values() if id(entry) in waiting)
    blocked: dict[str, list[_Entry]] = {}  # by the layer whose next call they need
    while ready:
        entry = ready.popleft()
        nodes = waiting[id(entry)]
        while nodes:
            try:
                args, kwargs = _arguments(nodes[0], made)
            except _NotYet as error:
                blocked.setdefault(error.layer, []).append(entry)
                break
            nodes.popleft()
            _call(entry, args, kwargs)
            ready.extend(blocked.pop(entry.name, ()))
    if blocked:
        layer, (entry, *_) = next(iter(blocked.items()))
        raise ModelFileError(
            f"The file's graph has loops or missing nodes: layer {entry.name!r} waits for a call of {layer!r}."
        )


def _call(entry: _Entry, args: Any, kwargs: Any) -> None:
    operation = entry.operation
    if not is_symbolic([args, kwargs]):
        raise ModelFileError(
            f"The file's layer {entry.name!r} is called on no tensor of the graph. The file is damaged."
        )
    try:
        if is_old():
            outputs = flatten(old_call(operation, args, kwargs, entry.time_major))
        else:
            operation(*args, **kwargs)
            outputs = operation._inbound_nodes[-1].output_tensors
        entry.calls.append([tensor for tensor in outputs if tensor is not None])
    except (ValueError, TypeError, IndexError) as error:
        raise ModelFileError(f"The file's layer {entry.name!r} cannot be called as recorded: {error}") from error


def _arguments(node: Any, made: dict[str, _Entry]) -> tuple[Any, Any]:
    return _revive(node.get("args", []), made), _revive(node.get("kwargs", {}), made)


def _revive(value: Any, made: dict[str, _Entry]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_revive(v, made) for v in value)
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == "__keras_tensor__":
        return _tensor(value["config"]["keras_history"], made)
    if kind == "__tuple__":
        return tuple(_revive(value.get("items", value.get("config", {}).get("value", [])), made))
    if kind is not None:
        return decode(value)
    return {k: _revive(v, made) for k, v in value.items()}


def _tensor(reference: Any, made: dict[str, _Entry], shift: bool = False) -> SymbolicTensor:
    name, index, place = reference
    entry = made.get(name)
    if entry is None:
        raise ModelFileError(f"The file's graph refers to the layer {name!r}, which it does not have.")
    index -= 1 if shift and _counts_from_one(entry.operation) else 0
    if not 0 <= index < len(entry.calls):
        raise _NotYet(name, index)
    tensors = entry.calls[index]
    if not 0 <= place < len(tensors):
        raise ModelFileError(f"The file's graph refers to output {place} of {name!r}, which has {len(tensors)}.")
    return tensors[place]


def _ends(tree: Any, made: dict[str, _Entry]) -> Any:
    if isinstance(tree, list) and len(tree) == 3 and isinstance(tree[0], str):
        return _tensor(tree, made, shift=True)
    if isinstance(tree, dict):
        if tree.get("class_name") == "__tuple__":
            return tuple(_ends(v, made) for v in tree["items"])
        return {k: _ends(v, made) for k, v in tree.items()}
    return [_ends(v, made) for v in tree]
