"""Keras' optimizers as `compile` takes them: their arguments are kept and written to files; nothing is trained here."""

from __future__ import annotations

from typing import Any, ClassVar

from numba_rnn.ops.naming import snake_case

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer", "Muon",
    "Nadam", "Optimizer", "RMSprop", "ScheduleFreeAdamW", "get",
]  # fmt: skip


class Optimizer:
    """An optimizer's name and arguments.

    Args:
        learning_rate: a number, or a schedule that is kept as it is; None is Keras' default.
        name: made from the class if None.
        kwargs: whatever else Keras' class of that name takes.
    """

    keras_module: ClassVar[str] = "keras.optimizers"

    def __init__(self, learning_rate: Any = None, name: str | None = None, **kwargs: Any) -> None:
        self.learning_rate, self.name, self._options = learning_rate, name or snake_case(type(self).__name__), kwargs

    def get_config(self) -> dict[str, Any]:
        """The arguments that were given: Keras' own defaults stand for the others."""
        rate = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        return {"name": self.name, **rate, **self._options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """The optimizer that `get_config` describes."""
        return cls(**config)


class SGD(Optimizer):
    """Keras' `SGD`."""


class RMSprop(Optimizer):
    """Keras' `RMSprop`."""


class Adam(Optimizer):
    """Keras' `Adam`."""


class AdamW(Optimizer):
    """Keras' `AdamW`."""


class Adadelta(Optimizer):
    """Keras' `Adadelta`."""


class Adagrad(Optimizer):
    """Keras' `Adagrad`."""


class Adamax(Optimizer):
    """Keras' `Adamax`."""


class Adafactor(Optimizer):
    """Keras' `Adafactor`."""


class Nadam(Optimizer):
    """Keras' `Nadam`."""


class Ftrl(Optimizer):
    """Keras' `Ftrl`."""


class Lamb(Optimizer):
    """Keras' `Lamb`."""


class Lion(Optimizer):
    """Keras' `Lion`."""


class Muon(Optimizer):
    """Keras' `Muon`."""


class ScheduleFreeAdamW(Optimizer):
    """Keras' `ScheduleFreeAdamW`."""


class LossScaleOptimizer(Optimizer):
    """Keras' `LossScaleOptimizer`."""


BY_NAME = {cls.__name__.lower(): cls for cls in Optimizer.__subclasses__()}


def get(identifier: Any) -> Any:
    """The optimizer of that name, or the object itself.

    Raises:
        ValueError: no optimizer has that name.
    """
    if not isinstance(identifier, str):
        return identifier
    if identifier.lower() not in BY_NAME:
        raise ValueError(
            f"Could not interpret optimizer identifier: {identifier}. Known: {', '.join(sorted(BY_NAME))}."
        )
    return BY_NAME[identifier.lower()]()
