"""What `compile` is told, spread over a model's outputs: a loss with its weight, and metrics, for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn import losses, metrics
from numba_rnn.ops.naming import snake_case
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["CompiledLoss", "CompiledMetrics", "check_optimizer", "matched"]

OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "lossscaleoptimizer", "muon", "nadam", "rmsprop",
    "schedulefreeadamw", "sgd",
)  # fmt: skip


def check_optimizer(optimizer: Any) -> Any:
    """`optimizer` itself: it is kept, not used.

    Raises:
        ValueError: a name that Keras does not know.
    """
    if isinstance(optimizer, str) and optimizer.lower() not in OPTIMIZERS:
        raise ValueError(f"Could not interpret optimizer identifier: {optimizer}. Known: {', '.join(OPTIMIZERS)}.")
    return optimizer


def is_nested(value: Any) -> bool:
    """Whether it is a structure and no leaf."""
    return isinstance(value, (list, tuple, dict))


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Keys and places that lead to each leaf, in the order of `flatten`."""
    if isinstance(tree, dict):
        return [p for key in sorted(tree) for p in paths(tree[key], (*path, key))]
    if isinstance(tree, (list, tuple)):
        return [p for i, branch in enumerate(tree) for p in paths(branch, (*path, i))]
    return [path]


def matched(given: Any, like: Any, names: list[str] | None) -> list[Any] | None:
    """What is given for each of the outputs `like`, in the order of `flatten`; None where the structures do not match.

    A list goes by place, a dict by the keys of `like` or, where that has none, by the names of the outputs; missing keys give None.
    Below the places of `like` everything may stand.
    """
    if not is_nested(like):
        return [given]
    if isinstance(given, dict):
        if isinstance(like, dict):
            keys = sorted(like)
        elif names is not None and len(names) == len(like) == len(flatten(like)):
            keys = names
        else:
            return None
        if not set(given) <= set(keys):
            return None
        branches = [(given.get(key), like[key] if isinstance(like, dict) else None) for key in keys]
    else:
        if isinstance(like, dict):
            like = [like[key] for key in sorted(like)]
        if not isinstance(given, (list, tuple)) or len(given) != len(like):
            return None
        branches = list(zip(given, like, strict=True))
    found: list[Any] = []
    for branch, part in branches:
        below = [None] * len(flatten(part)) if branch is None else matched(branch, part, None)
        if below is None:
            return None
        found += below
    return found


def _stars(tree: Any) -> Any:
    return map_structure(lambda _: "*", tree)


def _labels(outputs: Any, names: list[str] | None) -> list[str | None]:
    """What an output is called in results: its key, or its name."""
    found: list[str | None] = []
    for i, path in enumerate(paths(outputs)):
        name = names[i] if names is not None else None
        if path and isinstance(path[-1], int):
            found.append("/".join(str(p) for p in (*path[:-1], name)) if name else name)
        else:
            found.append("/".join(str(p) for p in path) or name)
    return found


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
            f"y_true and y_pred have different structures.\ny_true: {_stars(y_true)}\ny_pred: {_stars(y_pred)}\nGive targets for "
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
                spread, weights, y_true, outputs, _labels(y_pred, self.names), strict=True
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


def _is_binary_or_sparse(y_true: Any, y_pred: Any) -> tuple[bool, bool]:
    t, p = np.shape(y_true), y_pred.shape
    return p[-1] == 1, len(t) < len(p) or (t[-1] == 1 and p[-1] > 1)


def _resolved(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The loss object; `"crossentropy"` by the shapes, which may be None where only the name is checked."""
    if identifier is None:
        return None
    found = identifier
    if str(identifier).lower() in {"crossentropy", "ce"}:
        binary, sparse = (False, False) if y_pred is None or y_true is None else _is_binary_or_sparse(y_true, y_pred)
        found = "binary_crossentropy" if binary else f"{'sparse_' if sparse else ''}categorical_crossentropy"
    found = losses.get(found)
    if isinstance(found, losses.Loss):
        return found
    name = identifier if isinstance(identifier, str) else _name(found)
    return losses.LossFunctionWrapper(found, name=name)


def _name(obj: Any) -> str:
    return str(getattr(obj, "name", None) or snake_case(getattr(obj, "__name__", type(obj).__name__)))


def _metric(identifier: Any, y_true: Any, y_pred: Any) -> metrics.Metric:
    if identifier is None:
        raise ValueError("Expected metric, received `None`")
    name = identifier if isinstance(identifier, str) else None
    if str(identifier).lower() in {"accuracy", "acc"}:
        binary, sparse = (False, False) if y_pred is None or y_true is None else _is_binary_or_sparse(y_true, y_pred)
        identifier = "binary_accuracy" if binary else f"{'sparse_' if sparse else ''}categorical_accuracy"
    found = metrics.get(identifier)
    if not isinstance(found, metrics.Metric):
        found = metrics.MeanMetricWrapper(found, name=name or _name(found))
    found.name = name or found.name
    made: metrics.Metric = found
    return made


class CompiledMetrics:
    """The `metrics` and `weighted_metrics` of `compile`.

    Raises:
        ValueError: no list, tuple or dict; an unknown name.
    """

    name = "compile_metrics"

    def __init__(self, plain: Any, weighted: Any, names: list[str] | None) -> None:
        for what, given in (("metrics", plain), ("weighted_metrics", weighted)):
            if given and not is_nested(given):
                raise ValueError(
                    f"Expected `{what}` argument to be a list, tuple, or dict. Received instead: {what}={given} of type "
                    f"{type(given)}"
                )
            for one in flatten(given or []):
                if one is not None:
                    _metric(one, None, None)
        self._given, self.names = (plain, weighted), names
        self._made: list[list[tuple[str | None, list[metrics.Metric]]]] | None = None

    def _build(
        self, given: Any, what: str, y_true: list[Any], y_pred: Any
    ) -> list[tuple[str | None, list[metrics.Metric]]]:
        outputs = flatten(y_pred)
        if not given:
            return [(None, [])] * len(outputs)
        if len(outputs) == 1:
            return [(None, [_metric(m, y_true[0], outputs[0]) for m in flatten(given)])]
        found = matched(given, y_pred, self.names)
        if found is None:
            raise ValueError(
                f"Invalid `{what}`. `{what}` should contain metrics objects and either be a dict or a list matching the output "
                f"names of the model, {self.names}, or match the output structure of the model: {_stars(y_pred)}.\nReceived: "
                f"{what}={given}"
            )
        made = []
        for mine, t, p, label in zip(found, y_true, outputs, _labels(y_pred, self.names), strict=True):
            chosen = [] if mine is None else flatten(mine)
            made.append((label, [_metric(m, t, p) for m in chosen]))
        return made

    def update_state(self, y_true: list[Any], y_pred: Any, sample_weight: list[Any]) -> None:
        """Add a batch.

        Raises:
            ValueError: metrics that do not go with the outputs; targets missing.
        """
        if self._made is None:
            whats = zip(self._given, ("metrics", "weighted_metrics"), strict=True)
            self._made = [self._build(given, what, y_true, y_pred) for given, what in whats]
        for weighted, made in enumerate(self._made):
            for (_, chosen), t, p, w in zip(made, y_true, flatten(y_pred), sample_weight, strict=True):
                for metric in chosen:
                    if t is None:
                        raise ValueError(
                            f"The metric {metric.name!r} needs targets. Give them, as in `evaluate(x, y)`."
                        )
                    metric.update_state(t, p, sample_weight=w if weighted else None)

    @property
    def metrics(self) -> list[metrics.Metric]:
        """All of them, once they have seen a batch."""
        return [m for made in self._made or () for _, chosen in made for m in chosen]

    def reset_state(self) -> None:
        """Begin anew."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Each metric's result, by its output's name and its own; those that occur again get `weighted_` and numbers."""
        results: dict[str, Any] = {}
        for weighted, made in enumerate(self._made or ()):
            for label, chosen in made:
                for metric in chosen:
                    name = f"{label}_{metric.name}" if label else metric.name
                    if weighted and name in results:
                        name = f"{label}_weighted_{metric.name}" if label else f"weighted_{metric.name}"
                    tried, n = name, 0
                    while tried in results:
                        n += 1
                        tried = f"{name}_{n}"
                    results[tried] = metric.result()
        return results
