"""Sessions: live sequences that a model runs over as they come, a step or a chunk at a time, its states kept between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ShapeError
from numba_rnn.layers.state import chosen_rows
from numba_rnn.layers.streaming import Recurrence
from numba_rnn.models.generation import generate
from numba_rnn.models.streaming import ALONG, FIXED, Program, cast
from numba_rnn.ops.symbolic import SymbolicTensor
from numba_rnn.ops.tree import flatten, pack

__all__ = ["Session"]

BROKEN = (
    "The session's last step broke off half-way, or another thread is in the middle of one. Expected: one thread at a time, and "
    "after an error `reset()`, or `restore` of a state from before."
)


class Session:
    """What `model.stream(batch)` returns. One thread at a time may use it; any number of sessions share a model.

    The outputs equal, bit for bit, those of the model over the whole sequences, however these are cut.

    Attributes:
        batch: B, sequences that run side by side.
        graph: what runs; what is later added to a `Sequential` is not in it.
        is_broken: whether a step broke off half-way, after which some layers have had it and others have not: `reset` the session,
            or `restore` a state.
    """

    def __init__(
        self, model: Any, batch: int, given: dict[str, Any] | None = None, tried: dict[int, Any] | None = None
    ) -> None:
        if isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 1:
            raise ValueError(f"`batch` must be a whole number of sequences, at least 1. Received: {batch!r}.")
        graph = self.graph = _graph_of(model)
        self.batch, self.is_broken = int(batch), False
        self._model, self._symbols = model, graph.inputs
        fixed = self._fixed(given or {})
        kinds = [ALONG if value is None else FIXED for value in fixed]
        self._along = [t for t, kind in zip(self._symbols, kinds, strict=True) if kind is ALONG]
        for symbol in self._along:
            if symbol.ndim < 2:
                raise ValueError(
                    f"The input '{symbol.name}' of model '{model.name}' has no steps: its shape is {symbol.shape}. Say in `given` "
                    "what it is for these sequences."
                )
        self._program = Program(graph, self.batch, kinds, fixed, tried=tried)
        if not self._program.recurrences:
            raise ValueError(f"Model '{model.name}' has no recurrent layer that runs along time: call it as it is.")
        self._inputs, self._structure = fixed, graph.output
        self._places = [n for n, kind in enumerate(kinds) if kind is ALONG]
        only = self._symbols[0]
        is_chain = self._program.is_chain and None not in only.shape[2:]
        self._is_short = is_chain
        self._first, self._rest = ([call for _, call in part] for part in (self._program.first, self._program.rest))
        self._frame, self._dtype = (self.batch, *only.shape[2:]), np.dtype(only.dtype)
        self._own = np.zeros((self.batch, 1, *only.shape[2:]), only.dtype) if is_chain else np.empty(0)
        self._own_frame = self._own[:, 0] if is_chain else self._own
        self._squeezed = [kind is ALONG for kind in self._program.kinds]
        last = graph.outputs[0]
        shape = self._frame_of(last, self._squeezed[0]) if len(graph.outputs) == 1 else None
        self._place = shape, np.dtype(last.dtype)  # what `out` mostly is

    def __reduce__(self) -> Any:
        raise TypeError(
            "A session is neither pickled nor copied: it is bound to memory of this process. Take the model and `session.state`; "
            "`model.stream(batch)`, then `restore(state)`, goes on from there."
        )

    def step(self, x: Any, out: Any = None) -> Any:
        """Run on over the next step or chunk.

        Args:
            x: a frame (B, D), or a chunk (B, T, D); of token ids (B,) or (B, T). Several inputs: a list in the model's order, or a
                dict by their names, without those that were `given`.
            out: arrays that get the outputs, in their structure. Without it a recurrent layer's output lies in an array of the
                session's, which the next step overwrites: copy what is to stay.

        What is wrong with `x` or `out`, a token that an `Embedding` does not have too, is said before any sequence has gone on.

        Returns:
            The model's outputs: those with steps (B, ...) for a frame and (B, T, ...) for a chunk, the others as if the sequences
            ended here.

        Raises:
            ShapeError: an input, or `out`, has the wrong shape.
            DTypeError: an input that is no numbers; `out` is of a kind that cannot hold the outputs.
            ValueError: an input is missing, or not one of the model's.
            RuntimeError: the session `is_broken`, or another thread is in the middle of a step.
        """
        if self.is_broken:
            raise RuntimeError(BROKEN)
        if self._is_short and type(x) is np.ndarray and x.shape == self._frame and x.dtype is self._dtype:
            if out is not None:
                self._check_out(out, None)
            self._own_frame[...] = x  # the short way, for what mostly comes
            y = self._own
            for call in self._first:
                y = call(y)
            self.is_broken = True  # unless all of the rest is done
            for call in self._rest:
                y = call(y)
            self.is_broken = False
            y = y[:, 0] if self._squeezed[0] else y
            return y if out is None else _fill(out, [y])
        inputs, is_frame = self._taken(x)
        if out is not None:
            self._check_out(out, None if is_frame else inputs[self._places[0]].shape[1])
        values = self._program.begin(inputs)
        self.is_broken = True
        outputs = self._program.finish(values)
        self.is_broken = False
        if is_frame:
            outputs = [y[:, 0] if along else y for y, along in zip(outputs, self._squeezed, strict=True)]
        if out is None:
            return outputs[0] if isinstance(self._structure, SymbolicTensor) else pack(self._structure, outputs)
        return _fill(out, outputs)

    def generate(
        self,
        start: Any,
        steps: int,
        choose: Any = "greedy",
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        feed: Callable[[Array], Any] | None = None,
        stop: Any = None,
    ) -> Array:
        """Feed the model its own output: a decoder's words, a melody, a forecast. It goes on from where the session is.

        Args:
            start: the first frame (B, ...), or a prompt, a chunk (B, T, ...).
            steps: the most to make.
            choose: "greedy" takes the class of the largest output, "sample" draws one by the outputs, which are probabilities then;
                or a function of the model's outputs that returns what was chosen, (B,) or (B, ...).
            temperature: above 1 draws more evenly, below 1 less.
            seed: of the draws.
            feed: makes the next frame of a choice. Without it classes become token ids or one-hot rows, as the model's input is,
                and anything else is the frame itself.
            stop: a class, or a function of a choice that returns whether each row is at its end: a row repeats its last choice from
                there on, and all end when all rows have.

        Returns:
            The choices, (B, n, ...), n at most `steps`.

        Raises:
            ValueError: an argument is none of these; what was chosen is not one a row.
        """
        return generate(self, start, steps, choose, temperature=temperature, seed=seed, feed=feed, stop=stop)

    def frame_of(self, choice: Array) -> Array:
        """A choice as the next frame: classes (B,) as one-hot rows (B, classes) where the model takes these, else as it is."""
        wanted = self._along[0].shape[2:]
        if choice.ndim == 1 and choice.dtype.kind in "iu" and len(wanted) == 1 and wanted[0] is not None:
            return np.eye(wanted[0], dtype=self._along[0].dtype)[choice]
        return choice

    @property
    def recurrences(self) -> dict[str, Recurrence]:
        """What keeps the states, by layer."""
        return self._program.recurrences

    @property
    def state(self) -> dict[str, list[Array]]:
        """A copy of all that the session knows of its sequences, by layer: to keep, pickle, and `restore`.

        Raises:
            RuntimeError: the session `is_broken`.
        """
        if self.is_broken:
            raise RuntimeError(BROKEN)
        return {name: [a.copy() for a in r.arrays()] for name, r in self.recurrences.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`: this session's, or another's of the same model and batch.

        States alone, without what `state` has beside them, such as an encoder's, are taken as those of sequences that have begun.

        Raises:
            ValueError: it names other layers.
            ShapeError, DTypeError: it has other arrays. Whichever it is, the session is as it was.
        """
        recurrences = self.recurrences
        if not isinstance(state, dict) or state.keys() != recurrences.keys():
            received = ", ".join(map(str, state)) if isinstance(state, dict) else type(state).__name__
            raise ValueError(
                f"The state is of another model. Expected: the layers {', '.join(recurrences)}. Received: {received}."
            )
        for name, r in recurrences.items():
            r.check(name, state[name])
        for name, r in recurrences.items():
            r.restore(state[name])
        self.is_broken = False

    def reset(self, rows: Any = None) -> None:
        """Put the sequences in these rows of the batch, or all, at their beginning.

        Raises:
            IndexError: there is no such row.
        """
        chosen = slice(None) if rows is None else chosen_rows(rows)
        np.empty(self.batch)[chosen]  # before anything is changed
        for r in self.recurrences.values():
            r.reset(chosen)
        if rows is None:
            self.is_broken = False

    def _fixed(self, given: dict[str, Any]) -> list[Any]:
        names = [t.name for t in self._symbols]
        if unknown := [name for name in given if name not in names]:
            raise ValueError(
                f"`given` has {unknown[0]!r}, which is no input of model '{self._model.name}'. It has: {', '.join(names)}."
            )
        fixed = []
        for symbol in self._symbols:
            value = given.get(symbol.name)
            if value is not None:
                value = np.array(value)  # of which the session's sequences begin also after a `reset`
                wanted = self.batch, *symbol.shape[1:]
                if not _fits(value.shape, wanted):
                    raise ShapeError(
                        f"The given input '{symbol.name}' has the wrong shape. Expected: {wanted}. Received: {value.shape}."
                    )
                value = cast(value, symbol)
            fixed.append(value)
        return fixed

    def _taken(self, x: Any) -> tuple[list[Any], bool]:
        """The model's inputs for a piece, and whether it is a frame."""
        # A list is one of inputs, or nested lists of numbers.
        listed = isinstance(x, dict) or (isinstance(x, list) and len(x) == 1 and isinstance(x[0], np.ndarray))
        if len(self._along) == 1 and not listed:
            piece, is_frame = self._piece(x, self._along[0])
            if len(self._symbols) == 1:
                return [piece], is_frame
            pieces = [(piece, is_frame)]
        else:
            names = [t.name for t in self._along]
            if isinstance(x, dict):
                if x.keys() != set(names):
                    raise ValueError(f"Expected the inputs {', '.join(names)}. Received: {', '.join(map(str, x))}.")
                x = [x[name] for name in names]
            if not isinstance(x, (list, tuple)) or len(x) != len(names):
                raise ValueError(
                    f"Expected a list of the inputs {', '.join(names)}, or a dict. Received: {type(x).__name__}."
                )
            pieces = [self._piece(one, symbol) for one, symbol in zip(x, self._along, strict=True)]
        lengths = {piece.shape[1] for piece, _ in pieces}
        if len(lengths) > 1 or len({is_frame for _, is_frame in pieces}) > 1:
            raise ShapeError(f"All inputs need the same number of steps. Received: {[p.shape for p, _ in pieces]}.")
        inputs = self._inputs.copy()
        for place, (piece, _) in zip(self._places, pieces, strict=True):
            inputs[place] = piece
        return inputs, pieces[0][1]

    def _piece(self, x: Any, symbol: SymbolicTensor) -> tuple[Array, bool]:
        """An input with its axis of steps, and whether it came without."""
        if type(x) is not np.ndarray:
            x = np.asarray(x)
        shape, wanted = x.shape, symbol.shape
        is_frame = len(shape) == len(wanted) - 1
        if (
            not (is_frame or len(shape) == len(wanted))
            or shape[0] != self.batch
            or any(n not in {None, m} for n, m in zip(wanted[2:], shape[1 if is_frame else 2 :], strict=True))
            or not (is_frame or shape[1])
        ):
            tail = wanted[2:]
            raise ShapeError(
                f"The input '{symbol.name}' has the wrong shape. Expected: a frame {(self.batch, *tail)}, or a chunk "
                f"{(self.batch, 'T', *tail)} of at least one step. Received: {shape}."
            )
        if x.dtype != symbol.dtype:
            if x.dtype.kind not in "biuf":
                raise DTypeError(f"The input '{symbol.name}' must be numbers. Received: dtype {x.dtype}.")
            x = x.astype(symbol.dtype)
        return (x[:, None] if is_frame else x).copy(), is_frame  # the session may keep it, and write into it

    def _frame_of(self, symbol: SymbolicTensor, along: bool) -> tuple[int | None, ...]:
        """The shape of an output for a frame."""
        return self.batch, *symbol.shape[2 if along else 1 :]

    def _check_out(self, out: Any, steps: int | None) -> None:
        """See that the outputs of so many steps, or of a frame, can be put there."""
        if steps is None and type(out) is np.ndarray and (out.shape, out.dtype) == self._place and out.flags.writeable:
            return
        symbols, targets = self.graph.outputs, flatten(out)
        if len(targets) != len(symbols):
            raise ShapeError(f"`out` must be {len(symbols)} arrays, one an output. Received: {len(targets)}.")
        for target, symbol, along in zip(targets, symbols, self._squeezed, strict=True):
            shape = self._frame_of(symbol, along)
            if along and steps is not None:
                shape = self.batch, steps, *shape[1:]
            if not isinstance(target, np.ndarray) or not _fits(target.shape, shape):
                raise ShapeError(
                    f"`out` has the wrong shape. Expected: an array {shape}. Received: {np.shape(target)}."
                )
            if not np.can_cast(symbol.dtype, target.dtype, "same_kind"):
                raise DTypeError(f"`out` must be an array of {symbol.dtype}. Received: {target.dtype}.")
            if not target.flags.writeable:
                raise ValueError("`out` cannot be written to: it is a read-only array.")


def _fill(out: Any, outputs: list[Any]) -> Any:
    for target, y in zip([out] if type(out) is np.ndarray else flatten(out), outputs, strict=True):
        target[...] = y
    return out


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(m in (None, n) for n, m in zip(shape, wanted, strict=True))


def _graph_of(model: Any) -> Any:
    from numba_rnn.models.functional import Functional
    from numba_rnn.models.sequential import Sequential

    if isinstance(model, Functional):
        return model
    if isinstance(model, Sequential):
        if not model.built:
            raise ValueError(
                f"Model '{model.name}' has no input shape yet: call it once, or begin it with `Input(shape)`."
            )
        return model.graph
    raise ValueError(
        f"Model '{model.name}' ({type(model).__name__}) has a `call` of its own, which cannot be cut into steps. Expected: a "
        "`Sequential` or functional model."
    )
