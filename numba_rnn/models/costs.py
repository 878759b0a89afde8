"""What a model's weights cost: its layers' regularizers, applied."""

from __future__ import annotations

from typing import Any

from numba_rnn import regularizers
from numba_rnn.layers.weight import Weight

__all__ = ["costs_of_weights"]


def costs_of_weights(model: Any) -> list[Any]:
    """The regularizers' results for all trainable weights, each weight once.

    Raises:
        ValueError: a regularizer that is not known here, or one of a layer's activity.
    """
    trained = {id(weight) for weight in model.trainable_weights}
    costs: dict[int, Any] = {}
    for layer in [model, *model._flatten_layers()]:
        if getattr(layer, "activity_regularizer", None) is not None:
            raise ValueError(
                f"Layer '{layer.name}' has an activity regularizer, whose part of the loss is not computed here. Set the layer's "
                "`activity_regularizer` to None to evaluate without it."
            )
        for key in getattr(layer, "config_keys", ()):
            regularizer = getattr(layer, key, None) if key.endswith("_regularizer") else None
            name = key.removesuffix("_regularizer")
            weight = getattr(layer, "recurrent_kernel" if name == "recurrent" else name, None)
            if regularizer is not None and isinstance(weight, Weight) and id(weight) in trained:
                costs[id(weight)] = regularizers.get(regularizer)(weight.value)
    return list(costs.values())
