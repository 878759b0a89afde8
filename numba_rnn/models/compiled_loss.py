"""The losses that `compile` is told, with their weights, spread over a model's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numba_rnn import losses, metrics
from numba_rnn.models.outputs import is_binary_or_sparse, is_nested, labels, matched, name_of, stars
from numba_rnn.ops.tree import flatten

__all__ = ["CompiledLoss"]


@dataclass
class _Part:
    """An output's loss."""

    loss: Any
    weight: float | None
    tracker: metrics.Mean | None


class CompiledLoss:
    """The `loss` and `loss_weights` of `compile`.

    Raises:
        ValueError: an unknown name, or weights that do not go with the losses.
    """

    def __init__(self, loss: Any, weights: Any, names: list[str] | None) -> None:
        if weights and not isinstance(weights, (list, tuple, dict, float)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or dict (multiple output "
                f"case). Received instead: loss_weights={weights} of type {type(weights)}"
            )
        if weights is not None and len(flatten(loss)) != len(flatten(weights)):
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {len(flatten(loss))} losses and {len(flatten(weights))} "
                "weights."
            )
        for one in flatten(loss):
            _resolved(one, None, None)
        self.loss, self.weights, self.names = loss, weights, names
        self._parts: list[_Part | None] | None = None
        self._trackers: list[Any] = []

    def targets(self, y_true: Any, y_pred: Any) -> list[Any]:
        """The targets of each output, None where it has neither target nor loss.

        Raises:
            ValueError: the structures of targets and outputs differ.
        """
        outputs = flatten(y_pred)
        if not is_nested(y_true):
            if len(outputs) == 1:
                return [y_true]
        elif not is_nested(y_pred):
            if len(flatten(y_true)) == 1:
                return flatten(y_true)
        else:
            found = matched(y_true, y_pred, self.names)
            if found is not None and all(not is_nested(t) for t in found):
                return found
        given, losses = flatten(y_true), self._spread(y_pred)
        if len(given) == sum(one is not None for one in losses) != len(losses):
            rest = iter(given)
            return [None if one is None else next(rest) for one in losses]
        raise ValueError(
            f"y_true and y_pred have different structures.\ny_true: {stars(y_true)}\ny_pred: {stars(y_pred)}\nGive targets for "
            f"each output{'' if self.names is None else f' ({self.names})'}, in a list in this order or in a dict by these names."
        )

    def _spread(self, y_pred: Any) -> list[Any]:
        """The loss of each output as it was given."""
        if not is_nested(self.loss):
            return [self.loss] * len(flatten(y_pred))
        count = len(flatten(y_pred))
        found = matched(self.loss, y_pred, self.names)
        if not is_nested(y_pred):
            if isinstance(self.loss, dict) and self.names is not None and set(self.loss) != set(self.names):
                found = None
            else:
                found = flatten(self.loss)
        if found is None or len(found) != count or any(is_nested(one) for one in found):
            received = list(self.loss) if isinstance(self.loss, dict) else f"{len(flatten(self.loss))} losses"
            raise ValueError(
                f"`loss` must give a loss (or None) for each output. Expected: {count} outputs"
                f"{'' if self.names is None else f', {self.names}'}. Received: {received}."
            )
        if (
            isinstance(self.loss, dict)
            and not isinstance(y_pred, dict)
            and set(self.loss) != set(self.names or self.loss)
        ):
            raise ValueError(f"Expected keys {self.names} in loss dict, but found loss.keys()={list(self.loss)}")
        return found

    def _build(self, y_true: list[Any], y_pred: Any) -> list[_Part | None]:
        outputs = flatten(y_pred)
        spread = self._spread(y_pred)
        weights: list[Any] = [None] * len(outputs)
        if self.weights is not None:
            given = self.weights
            if isinstance(self.loss, dict) and not isinstance(given, dict):
                given = dict(zip(sorted(self.loss), flatten(given), strict=True))
            elif is_nested(given) and not isinstance(self.loss, dict):
                given = flatten(given)
            found = (
                matched(given, y_pred, self.names)
                if is_nested(y_pred) and is_nested(given)
                else flatten(given) * len(outputs)
            )
            if found is None:
                raise ValueError(
                    f"`loss_weights` must have the keys of `loss`. Received: {self.weights} for {self.loss}."
                )
            weights = found
        many = sum(one is not None for one in spread) > 1
        return [
            None
            if one is None
            else _Part(_resolved(one, t, p), weight, metrics.Mean(name=f"{label}_loss") if many else None)
            for one, weight, t, p, label in zip(
                spread, weights, y_true, outputs, labels(y_pred, self.names), strict=True
            )
        ]

    def __call__(self, y_true: list[Any], y_pred: Any, sample_weight: list[Any]) -> Any:
        """The weighted sum over the outputs of a batch; None where no output has a loss.

        Raises:
            ValueError: other losses than outputs; targets missing.
        """
        if self._parts is None:
            self._parts = self._build(y_true, y_pred)
            self._trackers = [part.tracker for part in self._parts if part is not None and part.tracker is not None]
            if isinstance(y_pred, dict) and len(flatten(y_pred)) == len(y_pred):
                order = [f"{key}_loss" for key in (self.loss if isinstance(self.loss, dict) else y_pred)]
                self._trackers.sort(key=lambda tracker: order.index(tracker.name))
        total = None
        for part, t, p, w in zip(self._parts, y_true, flatten(y_pred), sample_weight, strict=True):
            if part is None:
                continue
            if t is None:
                raise ValueError(f"The loss {part.loss.name!r} needs targets. Give them, as in `evaluate(x, y)`.")
            value = part.loss(t, p, w)
            if part.tracker is not None:
                part.tracker.update_state(value, p.shape[0])
            if part.weight is not None:
                value = value * part.weight
            total = value if total is None else total + value
        return total

    @property
    def metrics(self) -> list[Any]:
        """The outputs' own losses, where there are several; of a dict in the order in which its keys are given."""
        return self._trackers


def _resolved(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The loss object; `"crossentropy"` by the shapes, which may be None where only the name is checked."""
    if identifier is None:
        return None
    found = identifier
    if str(identifier).lower() in {"crossentropy", "ce"}:
        binary, sparse = (False, False) if y_pred is None or y_true is None else is_binary_or_sparse(y_true, y_pred)
        found = "binary_crossentropy" if binary else f"{'sparse_' if sparse else ''}categorical_crossentropy"
    found = losses.get(found)
    if isinstance(found, losses.Loss):
        return found
    name = identifier if isinstance(identifier, str) else name_of(found)
    return losses.LossFunctionWrapper(found, name=name)
