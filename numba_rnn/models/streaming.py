"""Which parts of a model can run a piece of the sequence at a time, and the calls that do.

Each value of a graph is one of three: `FIXED`, known before the first step; `ALONG`, with a step for each step of the sequence,
(B, T, ...); or `NOW`, what the model gives if the sequence ends here. Recurrent layers go on from state to state. Whether another
operation on values along time can run on pieces is tried: on random numbers, in pieces and as a whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.layers import RNN, Embedding, Layer
from numba_rnn.layers.masks import get_mask, set_mask
from numba_rnn.layers.streaming import Recurrence, recurrence
from numba_rnn.models.functional import Functional
from numba_rnn.models.graph import Slot, Step, trains_unasked
from numba_rnn.models.sequential import Sequential
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, map_structure, pack

__all__ = ["ALONG", "FIXED", "NOW", "Kind", "Program", "cast"]

PIECES = (2, 1, 2)  # steps of the pieces on which an operation is tried
REACH = 1000  # steps that a slice is tried on at most, beyond these
UNKNOWN = 3  # for sizes that a graph does not know, on trial


class Kind(Enum):
    """What a value of a graph is to a session."""

    FIXED = "fixed"
    ALONG = "along time"
    NOW = "now"


FIXED, ALONG, NOW = Kind


class Program:
    """The calls of a graph for pieces of sequences: first those that need no states, so that what they refuse changes nothing.

    Args:
        graph: a functional model; a `Sequential` has one.
        batch: rows.
        kinds: of its inputs, in their order: `FIXED` or `ALONG`, or `NOW` inside another model.
        fixed: the values of the fixed inputs, None at the others' places.
        path: what the names of the recurrences begin with.
        tried: what other programs of this graph found of its steps; gets what this one finds.

    Attributes:
        first: the steps that no recurrence comes before, each with what is called in place of its operation.
        rest: the recurrences, and what comes after them.
        kinds: of its outputs.
        is_chain: each call takes just what the one before gave.
        recurrences: by name: the layer's, with the names of the models around it before it, and the number of its call after it.

    Raises:
        ValueError: some layer needs the whole sequence, or its end for every step.
    """

    def __init__(
        self,
        graph: Functional,
        batch: int,
        kinds: list[Kind],
        fixed: list[Any],
        path: str = "",
        tried: dict[int, Kind | None] | None = None,
    ) -> None:
        self.batch = batch
        self._found: dict[int, Kind | None] = {} if tried is None else tried
        self.recurrences: dict[str, Recurrence] = {}
        self._path = path
        self._kinds: dict[Slot, Kind] = dict(zip(graph._graph.inputs, kinds, strict=True))
        self._fixed: dict[Slot, Any] = dict(zip(graph._graph.inputs, fixed, strict=True))
        self._graph = graph._graph
        self.is_chain = self._graph.is_chain
        self.first: list[tuple[Step, Callable[..., Any]]] = []
        self.rest: list[tuple[Step, Callable[..., Any]]] = []
        late: set[Slot] = set()
        for step in self._graph.steps:
            taken, targets, known = _taken(step), _targets(step), len(self.recurrences)
            call = self._call(step, taken, targets)
            if len(self.recurrences) == known and late.isdisjoint(taken):
                self.first.append((step, call))
            else:
                self.rest.append((step, call))
                late.update(targets)
        self.kinds = [self._kinds[slot] for slot in self._graph.outputs]

    def run(self, inputs: list[Any]) -> list[Any]:
        """The outputs for a piece; fixed inputs may be anything."""
        return self.finish(self.begin(inputs))

    def begin(self, inputs: list[Any]) -> list[Any]:
        """Make the first steps; returns what `finish` takes. No state has changed."""
        if self.is_chain:
            return [_through(self.first, *inputs)]
        values = self._graph.begin(inputs)
        self._graph.advance(values, self.first)
        return values

    def finish(self, values: list[Any]) -> list[Any]:
        """Make the rest; returns the outputs."""
        if self.is_chain:
            return [_through(self.rest, *values)]
        self._graph.advance(values, self.rest)
        return [values[slot] for slot in self._graph.outputs]

    def _call(self, step: Step, taken: list[Slot], targets: list[Slot]) -> Callable[..., Any]:
        """What is called in place of the step's operation."""
        kinds = {self._kinds[slot] for slot in taken}
        operation: Any = step.operation
        if kinds <= {FIXED}:
            return self._fix(step, targets)
        if ALONG not in kinds:
            return self._set(targets, NOW, _as_in_predict(step))
        if NOW in kinds:
            raise ValueError(
                f"{_named(operation)} joins what a sequence gives at its end with each of its steps: it needs the whole sequence. "
                "A session runs forward in time."
            )
        if isinstance(operation, RNN):
            return self._recurrence(step, operation, targets)
        if isinstance(operation, (Functional, Sequential)):
            return self._model(step, operation, targets)
        if id(step) not in self._found:
            self._found[id(step)] = self._tried(step, taken)
        found = self._found[id(step)]
        if found is None:
            raise ValueError(
                f"{_named(operation)} needs the whole sequence: what it gives for a step depends on other steps. A session runs "
                "forward in time, as recurrent layers do, or layers that take each step by itself."
            )
        return self._set(targets, found, _as_in_predict(step))

    def _set(self, targets: list[Slot], kind: Kind, call: Callable[..., Any]) -> Callable[..., Any]:
        self._kinds.update(dict.fromkeys(targets, kind))
        return call

    def _fix(self, step: Step, targets: list[Slot]) -> Callable[..., Any]:
        """The step made now, once and for all."""
        args, kwargs = self._filled(step, self._fixed.__getitem__)
        result = _as_in_predict(step)(*args, **kwargs)
        self._fixed.update(zip(targets, flatten(result), strict=True))
        return self._set(targets, FIXED, lambda *_, **__: result)

    def _filled(self, step: Step, value: Callable[[Slot], Any]) -> tuple[list[Any], dict[str, Any]]:
        if step.source >= 0:
            return [value(Slot(step.source))], {}
        args, kwargs = map_structure(lambda a: value(a) if type(a) is Slot else a, [step.args, step.kwargs])
        return args, kwargs

    def _recurrence(self, step: Step, layer: RNN, targets: list[Slot]) -> Callable[..., Any]:
        first, *others = [Slot(step.source)] if step.source >= 0 else flatten(step.args)
        states = [a for a in [*others, *flatten(step.kwargs.get("initial_state"))] if type(a) is Slot]
        if layer.go_backwards:
            raise ValueError(
                f"{_named(layer)} begins at the end of the sequence (`go_backwards`), which a session does not know."
            )
        if self._kinds[first] is not ALONG or any(self._kinds[slot] is not FIXED for slot in states):
            raise ValueError(
                f"{_named(layer)} has initial states that change from step to step. Expected: what is given at first."
            )
        if type(mask := step.kwargs.get("mask")) is Slot and self._kinds[mask] is FIXED:
            raise ValueError(
                f"{_named(layer)} has a mask that was given for the whole sequence. Expected: one that comes with its steps."
            )
        made = recurrence(layer, self.batch)
        self._know(f"{self._path}{layer.name}", made)
        self._set(targets, NOW, made)
        self._kinds[targets[0]] = ALONG if layer.return_sequences else NOW
        return made

    def _know(self, name: str, made: Recurrence) -> None:
        """Keep a recurrence by its name, with a number after it where an earlier call of the same has that name."""
        names = itertools.chain([name], (f"{name}:{n}" for n in itertools.count(1)))
        self.recurrences[next(n for n in names if n not in self.recurrences)] = made

    def _model(self, step: Step, model: Any, targets: list[Slot]) -> Callable[..., Any]:
        graph = model if isinstance(model, Functional) else model.graph
        args, kwargs = self._filled(step, lambda slot: slot)
        if len(args) != 1 or any(type(v) is Slot for v in flatten(kwargs)):
            raise ValueError(
                f"{_named(model)} is called with a mask or several arguments, which a session does not pass on."
            )
        slots = flatten(args[0])
        fixed = [self._fixed.get(slot) for slot in slots]
        inside = Program(
            graph, self.batch, [self._kinds[s] for s in slots], fixed, f"{self._path}{model.name}/", self._found
        )
        for name, made in inside.recurrences.items():
            self._know(name, made)
        self._kinds.update(zip(targets, inside.kinds, strict=True))

        def call(inputs: Any, **_: Any) -> Any:
            return pack(
                graph.output, inside.run([cast(x, t) for x, t in zip(flatten(inputs), graph.inputs, strict=True)])
            )

        return call

    def _tried(self, step: Step, taken: list[Slot]) -> Kind | None:
        """How the step's results go with time, None if it needs the whole sequence."""
        lengths = (*PIECES[:-1], PIECES[-1] + min(_reach(step), REACH))
        rng, T, call = np.random.default_rng(0), sum(lengths), _as_in_predict(step)
        values = {slot: self._drawn(slot, step.operation, rng, T) for slot in taken}

        def on(start: int, end: int) -> list[Any]:
            def value(slot: Slot) -> Any:
                return values[slot][:, start:end].copy() if self._kinds[slot] is ALONG else values[slot]

            args, kwargs = self._filled(step, value)
            return flatten(call(*args, **kwargs))

        try:
            whole = on(0, T)
            pieces = [on(sum(lengths[:k]), sum(lengths[: k + 1])) for k in range(len(lengths))]
            if all(_same_along(w, [p[k] for p in pieces], lengths) for k, w in enumerate(whole)):
                return ALONG
            ends = [on(start, T) for start in (T - 1, T - 2)]
            if all(_same(w, end[k]) for k, w in enumerate(whole) for end in ends):
                return NOW
        except (ValueError, TypeError, IndexError, ArithmeticError):  # it cannot even be called so
            return None
        return None

    def _drawn(self, slot: Slot, operation: Any, rng: np.random.Generator, T: int) -> Array:
        """Random numbers for a value along time; a fixed value itself."""
        if self._kinds[slot] is FIXED:
            return np.asarray(self._fixed[slot])
        symbol = self._graph.symbols[slot]
        shape = (self.batch, T, *(n or UNKNOWN for n in symbol.shape[2:]))
        least = min((layer.input_dim for layer in _layers(operation) if isinstance(layer, Embedding)), default=None)
        if least is not None or np.dtype(symbol.dtype).kind in "iub":
            return rng.integers(0, least or 2, shape).astype(symbol.dtype)
        return rng.standard_normal(shape).astype(symbol.dtype)


def cast(x: Any, symbol: SymbolicTensor) -> Any:
    """A value, its mask on it, in the dtype of an input."""
    return x if x.dtype == symbol.dtype else set_mask(np.asarray(x).astype(symbol.dtype), get_mask(x))


def _taken(step: Step) -> list[Slot]:
    if step.source >= 0:
        return [Slot(step.source)]
    return [a for a in flatten([step.args, step.kwargs]) if type(a) is Slot]


def _targets(step: Step) -> list[Slot]:
    return [Slot(step.target)] if step.target >= 0 else [Slot(t) for t in step.targets]


def _through(steps: list[tuple[Step, Callable[..., Any]]], x: Any) -> Any:
    for _, call in steps:
        x = call(x)
    return x


def _as_in_predict(step: Step) -> Callable[..., Any]:
    """The step's operation, not training, whatever was recorded."""
    operation: Callable[..., Any] = step.operation
    if "training" in step.kwargs or trains_unasked(operation):
        return lambda *args, **kwargs: operation(*args, **{**kwargs, "training": False})
    return operation


def _reach(step: Step) -> int:
    """How many steps a slice counts, such as the last ten: no fewer show whether it takes each by itself."""
    keys = [leaf for leaf in flatten([step.args, step.kwargs]) if isinstance(leaf, slice)]
    return max((abs(n) for key in keys for n in (key.start, key.stop, key.step) if n is not None), default=0)


def _layers(operation: Any) -> Iterator[Any]:
    yield operation
    if isinstance(operation, Layer):
        for layer in operation.sublayers():
            yield from _layers(layer)


def _named(operation: Any) -> str:
    kind = type(operation).__name__
    return f"Layer '{operation.name}' ({kind})" if isinstance(operation, Layer) else f"The operation '{operation.name}'"


def _same_along(whole: Any, pieces: list[Any], lengths: tuple[int, ...]) -> bool:
    if np.ndim(whole) < 2 or any(np.ndim(p) < 2 or np.shape(p)[1] != n for p, n in zip(pieces, lengths, strict=True)):
        return False
    masks = [get_mask(p) for p in pieces]
    joined = None if any(m is None for m in masks) else np.concatenate(masks, 1)
    return _equal(whole, np.concatenate([np.asarray(p) for p in pieces], 1)) and _equal(get_mask(whole), joined)


def _same(whole: Any, end: Any) -> bool:
    return _equal(whole, end) and _equal(get_mask(whole), get_mask(end))


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
