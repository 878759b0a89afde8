"""The metrics that `compile` is told, spread over a model's outputs."""

from __future__ import annotations

from typing import Any

from numba_rnn import metrics
from numba_rnn.models.outputs import is_binary_or_sparse, is_nested, labels, matched, name_of, stars
from numba_rnn.ops.tree import flatten

__all__ = ["CompiledMetrics"]


def _metric(identifier: Any, y_true: Any, y_pred: Any) -> metrics.Metric:
    if identifier is None:
        raise ValueError("Expected metric, received `None`")
    name = identifier if isinstance(identifier, str) else None
    if str(identifier).lower() in {"accuracy", "acc"}:
        binary, sparse = (False, False) if y_pred is None or y_true is None else is_binary_or_sparse(y_true, y_pred)
        identifier = "binary_accuracy" if binary else f"{'sparse_' if sparse else ''}categorical_accuracy"
    found = metrics.get(identifier)
    if not isinstance(found, metrics.Metric):
        found = metrics.MeanMetricWrapper(found, name=name or name_of(found))
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
                f"names of the model, {self.names}, or match the output structure of the model: {stars(y_pred)}.\nReceived: "
                f"{what}={given}"
            )
        made = []
        for mine, t, p, label in zip(found, y_true, outputs, labels(y_pred, self.names), strict=True):
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
