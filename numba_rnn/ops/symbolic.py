"""Tensors without numbers: a shape, a dtype, and the call that they come from. Graphs are recorded with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from numba_rnn.ops.bounds import check_inputs
from numba_rnn.ops.naming import snake_case, unique_name
from numba_rnn.ops.tree import flatten, map_structure, pack

__all__ = [
    "History", "Node", "Operation", "Shape", "SymbolicTensor", "attach", "infer", "is_symbolic", "probed", "record",
]  # fmt: skip

Shape = tuple[int | None, ...]

# Sizes that stand for an unknown batch and for the other unknown sizes when a shape is inferred by running. Two of each, to see
# what depends on them; the second pair primes, large enough for an index into a sequence of unknown length (a guess).
PROBES = ((2, 101), (3, 103))


class Operation:
    """What can be a node of a graph: a layer, or one of `numba_rnn.ops`."""

    name: str

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name} "
                f"(of type {type(name)})"
            )
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._inbound_nodes: list[Node] = []

    def __getstate__(self) -> dict[str, Any]:
        # An input's own node alone: the calls belong to the graphs, which put them back (`attach`).
        kept = [node for node in vars(self).get("_inbound_nodes", ()) if not node.input_tensors]
        return {**vars(self), "_inbound_nodes": kept}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arrays, or record a node for symbolic tensors."""
        raise NotImplementedError


class History(NamedTuple):
    """Where a symbolic tensor comes from: output `tensor_index` of the operation's call number `node_index`."""

    operation: Operation
    node_index: int
    tensor_index: int


class Node:
    """One recorded call of an operation.

    Attributes:
        operation: what was called.
        args, kwargs: what it was called with, symbolic tensors inside.
        outputs: what it returned, the structure of symbolic tensors.
    """

    __slots__ = ("args", "input_tensors", "kwargs", "operation", "output_tensors", "outputs")

    def __init__(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation, self.args, self.kwargs, self.outputs = operation, args, kwargs, outputs
        self.input_tensors = [t for t in flatten([list(args), kwargs]) if isinstance(t, SymbolicTensor)]
        self.output_tensors: list[SymbolicTensor] = [t for t in flatten(outputs) if t is not None]


class SymbolicTensor:
    """A tensor of a graph under construction.

    Attributes:
        shape: sizes, None where unknown.
        dtype: the name of the NumPy dtype.
        name: the input's name, or that of the operation it comes from.
    """

    __array_ufunc__ = None  # NumPy arrays leave `array + tensor` to the tensor

    def __init__(self, shape: Shape, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype).name
        self.name = name or unique_name("keras_tensor")
        self._keras_history: History | None = None
        self._keras_mask: SymbolicTensor | None = None

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __bool__(self) -> bool:
        raise TypeError("A symbolic tensor has no value: it cannot be used as a condition.")

    def __len__(self) -> int:
        raise TypeError("A symbolic tensor has no length; see its `shape`.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "A symbolic tensor has no numbers, so NumPy functions cannot take it. Use the function of that name in `numba_rnn.ops`."
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.shape or self.shape[0] is None:
            raise TypeError("A symbolic tensor can be iterated only where its first size is known.")
        return (self[i] for i in range(self.shape[0]))

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        """Filled in by `numba_rnn.ops.operators`, like the arithmetic."""
        raise NotImplementedError


def is_symbolic(tree: Any) -> bool:
    """Whether any leaf is a symbolic tensor."""
    # Asked at every operation, so without making lists of leaves.
    if isinstance(tree, (list, tuple)):
        for branch in tree:  # noqa: SIM110 (a generator takes longer)
            if type(branch) is not np.ndarray and is_symbolic(branch):
                return True
        return False
    if isinstance(tree, dict):
        return any(map(is_symbolic, tree.values()))
    return isinstance(tree, SymbolicTensor)


def record(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Note a call of `operation` and return its results, tensors that know where they come from."""
    index, places = len(operation._inbound_nodes), count()

    def result(tensor: SymbolicTensor | None) -> SymbolicTensor | None:
        if tensor is None:
            return None
        if tensor._keras_history is not None:  # an argument handed through, or a result that is returned twice
            tensor = SymbolicTensor(tensor.shape, tensor.dtype)
        tensor._keras_history = History(operation, index, next(places))
        return tensor

    outputs = pack(outputs, [result(tensor) for tensor in flatten(outputs)])
    operation._inbound_nodes.append(Node(operation, args, kwargs, outputs))
    return outputs


def attach(nodes: list[Node]) -> None:
    """Put recorded calls that a copy of a graph came with back to their operations, unless they are there."""
    for node in nodes:
        calls = node.operation._inbound_nodes
        if not any(node is call for call in calls):
            for place, tensor in enumerate(node.output_tensors):
                tensor._keras_history = History(node.operation, len(calls), place)
            calls.append(node)


def infer(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The symbolic result of `function`, found by running it on zeros of two sizes: a size that differs is unknown.

    Where an unknown size, not the batch's, does not go with the size that another argument has on that axis, it is that size.
    """
    try:
        return _infer(function, args, kwargs, {})
    except ValueError:
        known = {
            axis - t.ndim: n
            for t in flatten([list(args), kwargs])
            if isinstance(t, SymbolicTensor)
            for axis, n in enumerate(t.shape)
            if axis and n is not None and n != 1
        }
        return _infer(function, args, kwargs, known)


def _infer(function: Callable[..., Any], args: Any, kwargs: Any, known: dict[int, int]) -> Any:
    runs = []
    tensors = [leaf for leaf in flatten([list(args), kwargs]) if isinstance(leaf, SymbolicTensor)]
    for sizes in PROBES:
        check_inputs([_sized(tensor, sizes, known) for tensor in tensors])

        def concrete(leaf: Any, sizes: tuple[int, int] = sizes) -> Any:
            return np.zeros(_sized(leaf, sizes, known), leaf.dtype) if isinstance(leaf, SymbolicTensor) else leaf

        with np.errstate(all="ignore"):
            runs.append(function(*map_structure(concrete, args), **map_structure(concrete, kwargs)))
    return map_structure(_merge, *runs)


def _sized(tensor: SymbolicTensor, sizes: tuple[int, int], known: dict[int, int]) -> tuple[int, ...]:
    """The tensor's shape, unknown sizes after the batch those known by their axis from the end, or of `sizes`."""
    shape = [sizes[0] if n is None else n for n in tensor.shape[:1]]
    for axis, n in enumerate(tensor.shape[1:], 1 - tensor.ndim):
        shape.append(known.get(axis, sizes[1]) if n is None else n)
    return tuple(shape)


def probed(tree: Any) -> list[tuple[int, ...]]:
    """The shapes that the larger of the two runs has for tensors, arrays and variables among arguments."""
    return [
        _sized(leaf, PROBES[1], {}) if isinstance(leaf, SymbolicTensor) else np.shape(leaf)
        for leaf in flatten(tree)
        if hasattr(leaf, "shape")
    ]


def _merge(a: Any, b: Any) -> SymbolicTensor | None:
    if a is None:
        return None
    a, b = np.asarray(a), np.asarray(b)
    return SymbolicTensor(tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True)), a.dtype)
