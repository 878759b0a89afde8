"""What a model's weights cost: their regularizers, applied."""

from __future__ import annotations

from typing import Any

__all__ = ["costs_of_weights"]


def costs_of_weights(model: Any) -> list[Any]:
    """The regularizers' results for all trainable weights, each weight once.

    Raises:
        ValueError: a regularizer that is not known here, or one of a layer's activity.
    """
    for layer in [model, *model._flatten_layers()]:
        if getattr(layer, "activity_regularizer", None) is not None:
            raise ValueError(
                f"Layer '{layer.name}' has an activity regularizer, whose part of the loss is not computed here. Set the layer's "
                "`activity_regularizer` to None to evaluate without it."
            )
    return [w.regularizer(w.value) for w in model.trainable_weights if w.regularizer is not None]
