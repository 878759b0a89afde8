"""TensorFlow's own functions in a graph of Keras 2, as the operations of Keras 3 that compute the same.

Source: TensorFlow 2.21's documentation of each; tf-keras 2.21, `layers/core/tf_op_layer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numba_rnn.errors import ModelFileError
from numba_rnn.ops.base import OPS

__all__ = ["OPERATIONS", "Call", "as_entries"]

OPERATIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


@dataclass(frozen=True)
class Call:
    """One call as Keras 3 writes it: what is passed by place, and by name."""

    args: list[Any]
    kwargs: dict[str, Any]

    def as_node(self) -> dict[str, Any]:
        """An entry of `inbound_nodes`."""
        return {"args": self.args, "kwargs": self.kwargs}


@dataclass(frozen=True)
class _Rule:
    """An operation of Keras 3: which further arguments are tensors, which are options and how these are called."""

    name: str
    tensors: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)


_UNARY = {
    "abs": "Absolute", "ceil": "Ceil", "cos": "Cos", "elu": "Elu", "erf": "Erf", "exp": "Exp", "floor": "Floor", "identity":
    "Copy", "log": "Log", "log1p": "Log1p", "log_sigmoid": "LogSigmoid", "logical_not": "LogicalNot", "neg": "Negative",
    "negative": "Negative", "ones_like": "OnesLike", "reciprocal": "Reciprocal", "relu": "Relu", "relu6": "Relu6", "round":
    "Round", "rsqrt": "Rsqrt", "selu": "Selu", "sigmoid": "Sigmoid", "sign": "Sign", "silu": "Silu", "sin": "Sin", "softplus":
    "Softplus", "softsign": "Softsign", "sqrt": "Sqrt", "square": "Square", "stop_gradient": "StopGradient", "swish": "Silu",
    "tanh": "Tanh", "zeros_like": "ZerosLike",
}  # fmt: skip
_BINARY = {
    "add": "Add", "add_v2": "Add", "divide": "TrueDivide", "equal": "Equal", "floordiv": "FloorDivide", "floormod": "Mod",
    "greater": "Greater", "greater_equal": "GreaterEqual", "less": "Less", "less_equal": "LessEqual", "logical_and":
    "LogicalAnd", "logical_or": "LogicalOr", "maximum": "Maximum", "minimum": "Minimum", "mod": "Mod", "mul": "Multiply",
    "multiply": "Multiply", "not_equal": "NotEqual", "pow": "Power", "realdiv": "TrueDivide", "sub": "Subtract", "subtract":
    "Subtract", "truediv": "TrueDivide",
}  # fmt: skip
_REDUCTIONS = {"all": "All", "any": "Any", "max": "Max", "mean": "Mean", "min": "Min", "prod": "Prod", "sum": "Sum"}
RULES: dict[str, _Rule] = {
    **{name: _Rule(ours) for name, ours in _UNARY.items()},
    **{name: _Rule(ours, ("y",)) for name, ours in _BINARY.items()},
    **{f"reduce_{name}": _Rule(o, (), {"axis": "axis", "keepdims": "keepdims"}) for name, o in _REDUCTIONS.items()},
    "argmax": _Rule("Argmax", (), {"axis": "axis"}),
    "cast": _Rule("Cast", (), {"dtype": "dtype"}),
    "clip_by_value": _Rule("Clip", (), {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "concat": _Rule("Concatenate", (), {"axis": "axis"}),
    "expand_dims": _Rule("ExpandDims", (), {"axis": "axis"}),
    "gather": _Rule("Take", ("indices",), {"axis": "axis"}),
    "gelu": _Rule("Gelu", (), {"approximate": "approximate"}),
    "getitem": _Rule("GetItem", ("slice_spec",)),
    "leaky_relu": _Rule("LeakyRelu", (), {"alpha": "negative_slope"}),
    "log_softmax": _Rule("LogSoftmax", (), {"axis": "axis"}),
    "matmul": _Rule("Matmul", ("b",)),
    "reduce_logsumexp": _Rule("Logsumexp", (), {"axis": "axis", "keepdims": "keepdims"}),
    "repeat": _Rule("Repeat", (), {"repeats": "repeats", "axis": "axis"}),
    "reshape": _Rule("Reshape", (), {"shape": "newshape"}),
    "reverse": _Rule("Flip", (), {"axis": "axis"}),
    "softmax": _Rule("Softmax", (), {"axis": "axis"}),
    "squeeze": _Rule("Squeeze", (), {"axis": "axis"}),
    "stack": _Rule("Stack", (), {"axis": "axis"}),
    "tile": _Rule("Tile", (), {"multiples": "repeats"}),
    "transpose": _Rule("Transpose", (), {"perm": "axes"}),
    "where": _Rule("Where", ("x", "y")),
}
# The operations of TensorFlow's graphs, and what their inputs after the first and their attributes mean.
_NODES = {
    "AddV2": "add", "BiasAdd": "add", "Neg": "negative", "RealDiv": "realdiv", "ConcatV2": "concat", "BatchMatMul": "matmul",
    "BatchMatMulV2": "matmul", "MatMul": "matmul", "ExpandDims": "expand_dims", "LeakyRelu": "leaky_relu", "GreaterEqual":
    "greater_equal", "LessEqual": "less_equal", "NotEqual": "not_equal", "FloorDiv": "floordiv", "FloorMod": "floormod",
    **{name: f"reduce_{name.lower()}" for name in ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")},
}  # fmt: skip
_FURTHER = {
    "concat": "axis",
    "expand_dims": "axis",
    "matmul": "b",
    "reshape": "shape",
    "tile": "multiples",
    "transpose": "perm",
}
SLICE_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
_ATTRIBUTES = {
    "keep_dims": "keepdims",
    "squeeze_dims": "axis",
    "adj_x": "transpose_a",
    "adj_y": "transpose_b",
    "alpha": "alpha",
}


def as_entries(name: str, kind: str, config: dict[str, Any], calls: list[Call]) -> list[dict[str, Any]]:
    """The operations of a graph that compute what one of TensorFlow's did.

    Args:
        name: of the layer that it was in Keras 2; the last of them has it.
        kind: of that layer, one of `OPERATIONS`.
        config: of that layer.
        calls: its calls, references rewritten.

    Raises:
        ModelFileError: a function that this library does not have, or an option of it.
    """
    if kind == "TensorFlowOpLayer":
        function, calls = _from_node(name, config, calls)
    else:
        function = str(config["function"])
    short = function.split(".")[-1]
    rule = RULES.get(short)
    if rule is None or rule.name not in OPS:
        raise ModelFileError(
            f"The file's graph calls TensorFlow's `{function}` (layer {name!r}), which this library does not have. It has: "
            f"{', '.join(sorted(RULES))}."
        )
    entries: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    options: dict[str, Any] | None = None
    for call in calls:
        before, node, found = _rewritten(name, function, rule, call, len(nodes))
        if options is not None and options != found:
            raise ModelFileError(f"The file's graph calls {name!r} (`{function}`) in different ways.")
        options = found
        entries += before
        nodes.append(node)
    return [*entries, _entry(name, rule.name, options or {}, nodes)]


def _entry(name: str, kind: str, options: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    config = {"name": name.replace("/", "_"), **options}
    module = {"module": OPS[kind].module, "class_name": kind, "registered_name": kind}
    return {**module, "config": config, "name": name, "inbound_nodes": nodes}


def _rewritten(
    name: str, function: str, rule: _Rule, call: Call, number: int
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Operations to come before, the node and the options for one call."""
    given = {key: value for key, value in call.kwargs.items() if key != "name"}
    tensors = [_constant(value) for value in call.args]
    tensors += [_key(given.pop(t)) if t == "slice_spec" else _constant(given.pop(t)) for t in rule.tensors]
    before: list[dict[str, Any]] = []
    if rule.name == "Matmul":
        for place, key in enumerate(("transpose_a", "transpose_b")):
            if given.pop(key, False):
                turned = f"{name}_{key}_{number}"
                node = {"args": [tensors[place]], "kwargs": {}}
                before.append(_entry(turned, "Swapaxes", {"axis1": -2, "axis2": -1}, [node]))
                tensors[place] = {"class_name": "__keras_tensor__", "config": {"keras_history": [turned, 0, 0]}}
    options = {ours: given.pop(key) for key, ours in rule.options.items() if key in given}
    if rule.name in {"Softmax", "LogSoftmax"} and options.get("axis") is None:
        options["axis"] = -1
    if left := {key: value for key, value in given.items() if value not in (None, False, 0)}:
        raise ModelFileError(
            f"The file's graph calls TensorFlow's `{function}` (layer {name!r}) with {str(left)[:100]}, whose effect this library "
            "cannot give."
        )
    return before, {"args": tensors, "kwargs": {}}, options


def _constant(value: Any) -> Any:
    """Numbers in lists as one array; lists of tensors as they are."""
    flat = value
    while isinstance(flat, list) and flat:
        flat = flat[0]
    if not isinstance(value, list) or not isinstance(flat, (int, float)):
        return value
    kind = "bool" if isinstance(flat, bool) else "int32" if isinstance(flat, int) else "float32"
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": kind}}


def _key(spec: Any) -> Any:
    """What stands between the brackets of `x[...]`."""
    parts = spec if isinstance(spec, list) else [spec]
    made = [
        {"class_name": "__slice__", "config": part} if isinstance(part, dict) and "start" in part else part
        for part in (None if part == {"class_name": "NewAxis"} else part for part in parts)
    ]
    return {"class_name": "__tuple__", "items": made}


def _from_node(name: str, config: dict[str, Any], calls: list[Call]) -> tuple[str, list[Call]]:
    """A TensorFlowOpLayer of TensorFlow 2.0 to 2.3, which names a node of a graph, as a function and its arguments."""
    node, constants = config.get("node_def"), config.get("constants") or {}
    if not isinstance(node, dict) or not isinstance(node.get("op"), str):
        raise ModelFileError(
            f"The file's TensorFlowOpLayer {name!r} holds its operation in a form that cannot be read. Expected: JSON."
        )
    kind = node["op"]
    if kind == "StridedSlice":
        key = _sliced(node.get("attr", {}), [constants.get(place) for place in ("1", "2", "3")], name)
        return "getitem", [Call([_first(call)], {"slice_spec": key}) for call in calls]
    function = _NODES.get(kind, kind.lower())
    attributes = {k: _plain_attribute(v) for k, v in node.get("attr", {}).items() if k in _ATTRIBUTES}
    made = []
    for call in calls:
        inputs = list(call.args[0]) if isinstance(call.args[0], list) else [call.args[0]]
        for place, value in sorted((int(place), value) for place, value in constants.items()):
            inputs.insert(place, value)
        options = {_ATTRIBUTES[k]: v for k, v in attributes.items() if v not in (None, [], False)}
        if function == "concat":
            made.append(Call([inputs[:-1]], {"axis": inputs[-1]}))
            continue
        further = "axis" if function.startswith("reduce_") else _FURTHER.get(function, "y")
        if len(inputs) > 2 or (len(inputs) == 2 and function not in RULES):
            raise ModelFileError(
                f"The file's graph has TensorFlow's operation {kind!r} (layer {name!r}), which this library does not have."
            )
        made.append(Call(inputs[:1], {**options, **({further: inputs[1]} if len(inputs) == 2 else {})}))
    return function, made


def _first(call: Call) -> Any:
    return call.args[0][0] if isinstance(call.args[0], list) else call.args[0]


def _sliced(attributes: dict[str, Any], bounds: list[Any], name: str) -> list[Any]:
    """A slice of TensorFlow's graphs, whose masks say with a bit an axis what its numbers mean, as what stands in `x[...]`."""
    if not all(isinstance(one, list) for one in bounds):
        raise ModelFileError(
            f"The file's graph slices (layer {name!r}) by what it computes first. Expected: constants."
        )
    masks = {key: int(attributes.get(f"{key}_mask", {}).get("i", 0)) for key in SLICE_MASKS}
    made: list[Any] = []
    for n, (begin, end, step) in enumerate(zip(*bounds, strict=True)):
        set_here = {key for key, mask in masks.items() if mask >> n & 1}
        if "ellipsis" in set_here:
            made.append({"class_name": "__ellipsis__", "config": {}})
        elif set_here & {"new_axis", "shrink_axis"}:
            made.append(None if "new_axis" in set_here else begin)
        else:
            start, stop = (None if key in set_here else value for key, value in (("begin", begin), ("end", end)))
            made.append({"start": start, "stop": stop, "step": step})
    return made


def _plain_attribute(value: dict[str, Any]) -> Any:
    """An attribute of a node out of its JSON: `{"b": true}`, `{"f": 0.2}`, `{"list": {"i": ["1"]}}`."""
    if "list" in value:
        return [int(n) for n in value["list"].get("i", [])]
    return next(iter(value.values()), None)
