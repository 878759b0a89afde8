"""Graphs of Keras 1 and 2 in Keras 3's dialect: calls as arguments and options, counted from 0, TensorFlow's operations as Keras'.

A call was a list of references `[layer, call, output, options]`, to a recurrent layer the sequences' and then the states'. Calls of
a nested model were counted from 1, most of the time.

Source: tf-keras 2.21, `engine/node.py` and `engine/functional.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.keras_v2.operations import OPERATIONS, Call, as_entries

__all__ = ["GRAPHS", "rewrite_graph", "sequential_as_graph"]

GRAPHS = ("Functional", "Sequential")
TAKES_STATES = ("SimpleRNN", "LSTM", "GRU", "RNN", "Bidirectional")
CONSTANT = "_CONSTANT_VALUE"


def rewrite_graph(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a functional model whose layers are rewritten already.

    Raises:
        ModelFileError: a call that Keras 3 has no words for.
    """
    graph = _Graph(config)
    layers = [entry for one in config["layers"] for entry in graph.entries(one)]
    ends = {key: graph.end(config[key]) for key in ("input_layers", "output_layers")}
    return {**config, "layers": layers, **ends}


def sequential_as_graph(entry: dict[str, Any]) -> dict[str, Any]:
    """A Sequential as the functional model that it is: only a graph can turn axes round between layers.

    Raises:
        ModelFileError: the shape of its input is not known.
    """
    config = entry["config"]
    layers = [dict(one, name=one["config"]["name"]) for one in config["layers"]]
    if not layers or layers[0]["class_name"] != "InputLayer":
        raise ModelFileError(
            "The file's Sequential has a layer with `time_major=True` but no input shape. Expected: one."
        )
    for before, after in itertools.pairwise(layers):
        after["inbound_nodes"] = [{"args": [_reference(before["name"], 0, 0)], "kwargs": {}}]
    layers[0]["inbound_nodes"] = []
    graph = {key: config[key] for key in ("name", "trainable") if key in config}
    first, last = layers[0]["name"], layers[-1]
    end = [last["name"], int(last["class_name"] == "Functional"), 0]
    graph.update(layers=layers, input_layers=[first, 0, 0], output_layers=end)
    return {"class_name": "Functional", "config": graph}


def _reference(name: str, call: int, output: int) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, output]}}


class _Graph:
    def __init__(self, config: dict[str, Any]) -> None:
        self.classes = {_name(one): one["class_name"] for one in config["layers"]}
        inside = [one["inbound_nodes"] for one in config["layers"]]
        lowest: dict[str, int] = {}
        for name, call in self._calls([inside, config["input_layers"], config["output_layers"]]):
            lowest[name] = min(call, lowest.get(name, call))
        # Every call in a graph is referred to, so nested models whose lowest is 1 are counted from there.
        self.starts = {name: n for name, n in lowest.items() if self.classes[name] in GRAPHS and n == 1}

    def _is_reference(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) in (3, 4)
            and isinstance(value[0], str)
            and value[0] in self.classes
            and all(type(n) is int for n in value[1:3])
        )

    def _calls(self, value: Any) -> Iterator[tuple[str, int]]:
        if self._is_reference(value):
            yield value[0], value[1]
        if isinstance(value, (list, dict)):
            for part in value.values() if isinstance(value, dict) else value:
                yield from self._calls(part)

    def entries(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """A layer with its calls; an operation of TensorFlow's as one or several of Keras'."""
        name, kind = _name(entry), entry["class_name"]
        calls = [self.call(kind, name, node) for node in entry["inbound_nodes"]]
        if kind in OPERATIONS:
            return as_entries(name, kind, entry["config"], calls)
        return [{**entry, "name": name, "inbound_nodes": [call.as_node() for call in calls]}]

    def call(self, kind: str, name: str, node: Any) -> Call:
        """One call of a layer."""
        if isinstance(node, dict) and "args" in node:
            return Call(node["args"], node.get("kwargs", {}))
        options = {k: self.argument(v) for k, v in _options(node).items() if v is not None}
        inputs = self.inputs(node)
        if isinstance(inputs, list) and len(inputs) == 1 and kind not in OPERATIONS:
            inputs = inputs[0]
        if kind in TAKES_STATES and isinstance(inputs, list):
            inputs, *states = inputs
            options["initial_state"] = states
        if kind in TAKES_STATES and options.pop("constants", None):
            raise ModelFileError(
                f"The file's {kind} {name!r} is called with `constants`, which this library does not have."
            )
        return Call([inputs], options)

    def inputs(self, node: Any) -> Any:
        """What a layer is called with first: references and constants, in the structure they had."""
        if self._is_reference(node):
            return self.reference(node)
        if isinstance(node, list) and node[:1] == [CONSTANT]:
            return node[2]
        if isinstance(node, dict):
            return {k: self.inputs(v) for k, v in node.items()}
        if isinstance(node, list):
            return [self.inputs(v) for v in node]
        raise ModelFileError(f"The file's graph refers to {str(node)[:100]}, which it does not have.")

    def argument(self, value: Any) -> Any:
        """A further argument: anything, references inside."""
        if self._is_reference(value):
            return self.reference(value)
        if isinstance(value, list):
            return [self.argument(v) for v in value]
        return {k: self.argument(v) for k, v in value.items()} if isinstance(value, dict) else value

    def reference(self, value: list[Any]) -> dict[str, Any]:
        """A tensor, as it is written among arguments."""
        return _reference(value[0], value[1] - self.starts.get(value[0], 0), value[2])

    def end(self, tree: Any) -> Any:
        """The model's inputs or outputs; a single one was in a list, whatever the model took or gave."""
        if isinstance(tree, list) and len(tree) == 1 and not self._is_reference(tree):
            tree = tree[0]
        return self._end(tree)

    def _end(self, tree: Any) -> Any:
        if self._is_reference(tree):
            name, call, output = tree[:3]
            return [name, call - self.starts.get(name, 0) + int(self.classes[name] == "Functional"), output]
        if isinstance(tree, dict):
            return {k: self._end(v) for k, v in tree.items()}
        return [self._end(v) for v in tree]


def _name(entry: dict[str, Any]) -> str:
    name = entry.get("name") or entry["config"]["name"]
    if not isinstance(name, str):
        raise TypeError(f"a layer is named {name!r}")
    return name


def _options(node: Any) -> dict[str, Any]:
    """The options of a call, which each of its references repeats."""
    if isinstance(node, list) and node and isinstance(node[0], str):
        return node[3] if len(node) > 3 and isinstance(node[3], dict) else {}
    for part in node.values() if isinstance(node, dict) else node:
        return _options(part)
    return {}
