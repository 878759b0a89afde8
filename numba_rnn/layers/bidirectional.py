"""One recurrent layer forwards, its twin backwards, and their outputs merged."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import functional
from numba_rnn.errors import ShapeError
from numba_rnn.layers.base import Layer
from numba_rnn.layers.calling import signature_of
from numba_rnn.layers.registry import register
from numba_rnn.layers.rnn import OPTIONS, RNN, WITH_MASK, WITHOUT_MASK, single_mask
from numba_rnn.layers.serialization import passes_masks
from numba_rnn.ops.symbolic import SymbolicTensor, infer
from numba_rnn.ops.tree import flatten

__all__ = ["Bidirectional"]

MERGE_MODES = ("sum", "mul", "ave", "concat", None)


@register
class Bidirectional(Layer):
    """Runs `layer` over the sequence and, in reverse, its copy or `backward_layer`. Arguments as Keras'.

    Call with sequences (B, T, D), `initial_state` (the forward layer's states, then the backward layer's) and `mask` (B, T).
    Returns the merged outputs, or with `merge_mode=None` both; with `return_state` a tuple, the states of both after it.

    Raises:
        ValueError: no layers, an unknown merge mode, or two layers that do not go together.
        TypeError: the layer is not recurrent.
        ShapeError: the sequences, the mask or a state do not fit.
    """

    config_keys = ("merge_mode", "layer", "backward_layer")
    child_keys = ("layer", "backward_layer")
    _paired: tuple[Any, Any, functional.Cell | None] | None = None

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if backward_layer is not None and not isinstance(backward_layer, Layer):
            raise ValueError(f"`backward_layer` need to be a `keras.layers.Layer` instance. Received: {backward_layer}")
        if merge_mode not in MERGE_MODES:
            raise ValueError(
                f'Invalid merge mode. Received: {merge_mode}. Merge mode should be one of {{"sum", "mul", "ave", "concat", None}}'
            )
        for attribute in ("go_backwards", "return_sequences", "return_state", "stateful"):
            if not hasattr(layer, attribute):
                raise TypeError(f"`Bidirectional` wraps a recurrent layer, which has `{attribute}`. Received: {layer}.")
        super().__init__(**kwargs)
        self.forward_layer: Any = _named_copy(layer, backward_layer)
        if backward_layer is None:
            name = f"backward_{layer.name.removeprefix('backward_')}"
            backward_layer = layer.clone(name=name, go_backwards=True)
        self.backward_layer: Any = backward_layer
        self.merge_mode = merge_mode
        self._check_pair()
        for one in (self.forward_layer, self.backward_layer):
            if getattr(one, "zero_output_for_mask", None) is not None:
                one.zero_output_for_mask = one.return_sequences  # whatever their configs say
        self.input_spec = layer.input_spec
        self.stateful, self.return_sequences = self.forward_layer.stateful, self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.supports_masking = passes_masks()
        self._alike = all(map(self._plain, (self.forward_layer, self.backward_layer)))

    def _plain(self, layer: Any) -> bool:
        forward = self.forward_layer
        return (
            type(layer).call is RNN.call
            and layer.runs_one_kernel
            and not layer.stateful
            and layer.dtype == self.dtype
            and layer.zero_output_for_mask == forward.zero_output_for_mask
        )

    @property
    def layer(self) -> Any:
        """The forward layer: what a config calls `layer`."""
        return self.forward_layer

    def check_input(self, inputs: Any) -> None:
        """What the layers take."""
        self.forward_layer.check_input(inputs)
        super().check_input(inputs)

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == getattr(backward, "go_backwards", None):
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards {forward.go_backwards}, backward_layer.go_backwards={backward.go_backwards}"
            )
        for key in ("stateful", "return_sequences", "return_state"):
            ahead, back = getattr(forward, key), getattr(backward, key, None)
            if ahead != back:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for attribute "
                    f'"{key}", got "{ahead}" for forward layer and "{back}" for backward layer'
                )
        # A single unit goes with any number of them.
        sizes = [getattr(one, "output_size", 1) for one in (forward, backward)]
        if self.merge_mode in {"sum", "mul", "ave"} and len({*sizes} - {1}) > 1:
            raise ValueError(
                f'merge_mode="{self.merge_mode}" needs as many units in both layers. Received: {sizes[0]} forward, {sizes[1]} '
                'backward. Use "concat" or None.'
            )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """The weights of both layers."""
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)

    @property
    def direct_arguments(self) -> frozenset[str]:  # type: ignore[override]
        """All that the layers' `call` checks itself; a mask only where it ends here."""
        return WITHOUT_MASK if self.return_sequences else WITH_MASK

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        """Run over sequences (B, T, D)."""
        ahead = back = None
        if initial_state is not None:
            self._check_states(initial_state)
            half = len(initial_state) // 2
            ahead, back = initial_state[:half], initial_state[half:]
        if not training and (pair := self._pair()) is not None:
            return self._both_ways(pair, sequences, initial_state, mask)
        y, *states = self._parts(_run(self.forward_layer, sequences, ahead, mask, training))
        y_rev, *states_rev = self._parts(_run(self.backward_layer, sequences, back, mask, training))
        if not (y.dtype is y_rev.dtype is self._np_dtype):
            y, y_rev = y.astype(self._np_dtype, copy=False), y_rev.astype(self._np_dtype, copy=False)
        merged = self._merge(y, y_rev[:, ::-1] if self.return_sequences else y_rev)
        if not self.return_state:
            return merged
        return (*(merged if self.merge_mode is None else (merged,)), *states, *states_rev)

    def _pair(self) -> functional.Cell | None:
        """Both layers' cells as one, where one call of a kernel can run them: plain layers of one kind that keep no state."""
        ahead, back = self.forward_layer, self.backward_layer
        if not self._alike:
            return None
        cells = ahead.cell.prepared(), back.cell.prepared()
        if self._paired is None or self._paired[0] is not cells[0] or self._paired[1] is not cells[1]:
            try:
                self._paired = *cells, functional.both_ways(*cells)
            except ValueError:  # of different sizes or activations
                self._paired = *cells, None
        return self._paired[2]

    def _both_ways(self, pair: functional.Cell, sequences: Any, initial_state: Any, mask: Any) -> Any:
        forward = self.forward_layer
        options = OPTIONS[forward.go_backwards, self.return_sequences, forward.zero_output_for_mask]
        try:
            y, states = functional.scan(pair, sequences, single_mask(mask, self.name), initial_state, options)
        except ShapeError as error:
            raise ShapeError(f"Layer '{self.name}' ({type(self).__name__}): {error}") from None
        merged = y if self.merge_mode == "concat" else self._merge(y[..., : pair.H], y[..., pair.H :])
        if not self.return_state:
            return merged
        return (*(merged if self.merge_mode is None else (merged,)), *states)

    def _check_states(self, states: Any) -> None:
        one = getattr(self.forward_layer, "state_size", None)
        if not isinstance(one, (list, tuple)):
            return  # a layer of one's own checks them itself
        n: Any = len(states) if isinstance(states, (list, tuple)) else type(states).__name__
        if n not in (2 * len(one), 2 * len(flatten(one))):  # of stacked cells nested or flat
            raise ShapeError(
                f"`initial_state` of layer '{self.name}' must be a list of {2 * len(flatten(one))} arrays (B, H), the forward "
                f"layer's first. Received: {n}."
            )

    def _parts(self, result: Any) -> tuple[Any, ...]:
        return tuple(result) if self.return_state else (result,)

    def _merge(self, y: Any, y_rev: Any) -> Any:
        match self.merge_mode:
            case "concat":
                return np.concatenate([y, y_rev], -1)
            case "sum":
                return y + y_rev
            case "mul":
                return y * y_rev
            case "ave":
                return (y + y_rev) / 2
        return y, y_rev

    def compute_output_spec(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """Shapes of the result."""
        y, *states = self._parts(self.forward_layer.compute_output_spec(sequences))
        y_rev, *states_rev = self._parts(self.backward_layer.compute_output_spec(sequences))
        y, y_rev = SymbolicTensor(y.shape, self.compute_dtype), SymbolicTensor(y_rev.shape, self.compute_dtype)
        if self.merge_mode is None:
            merged: Any = (y, y_rev)
        elif self.merge_mode == "concat":
            width: Any = y.shape[-1] + y_rev.shape[-1]  # type: ignore[operator]  # a recurrent layer's are known
            merged = SymbolicTensor((*y.shape[:-1], width), y.dtype)
        else:
            merged = infer(self._merge, y, y_rev)
        if not self.return_state:
            return merged
        return (*(merged if self.merge_mode is None else (merged,)), *states, *states_rev)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's for each output that has steps; states have none."""
        mask = flatten(mask)[0] if self.return_sequences else None
        return (mask, mask) if self.merge_mode is None else mask

    @property
    def states(self) -> Any:
        """The states of both layers that are kept between calls, None where there are none."""
        both: Any = getattr(self.forward_layer, "states", None), getattr(self.backward_layer, "states", None)
        return None if None in both else (*both[0], *both[1])

    def reset_state(self, rows: Any = None) -> None:
        """Set the states kept between calls to zero: of all sequences, or of these rows of the batch.

        Raises:
            AttributeError: the layer keeps none.
            IndexError: there is no such row.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        self.forward_layer.reset_state(rows)
        self.backward_layer.reset_state(rows)

    def reset_states(self, rows: Any = None) -> None:
        """The same, by its old name."""
        self.reset_state(rows)

    def describe_kernels(self) -> list[str]:
        """Which kernels run both directions, and why."""
        both = {"forward": self.forward_layer, "backward": self.backward_layer}
        known = {way: layer.describe_kernels() for way, layer in both.items() if hasattr(layer, "describe_kernels")}
        return [f"{way} {line}" for way, lines in known.items() for line in lines]


def _named_copy(layer: Any, backward_layer: Any) -> Any:
    try:
        return layer.clone(name=f"forward_{layer.name.removeprefix('forward_')}")
    except (ValueError, NotImplementedError):
        if backward_layer is None:
            raise
        return layer  # which nothing else shares


def _run(layer: Any, sequences: Any, initial_state: Any, mask: Any, training: Any) -> Any:
    """One direction: an RNN's arguments are checked already, another recurrent layer gets those that it takes."""
    method = type(layer).call
    if method is RNN.call:
        return layer.call(sequences, initial_state, mask, bool(training))
    options = {"initial_state": initial_state, "mask": mask, "training": training}
    takes = signature_of(method).parameters
    return layer(
        sequences, **{k: v for k, v in options.items() if v is not None and (k in takes or k == "initial_state")}
    )
