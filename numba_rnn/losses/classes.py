"""The losses under Keras' class names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numba_rnn.losses import functions
from numba_rnn.losses.loss import LossFunctionWrapper

__all__ = [
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "CategoricalHinge", "CosineSimilarity", "Dice", "Hinge", "Huber", "KLDivergence", "LogCosh", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy",
    "SquaredHinge", "Tversky",
]  # fmt: skip

MEAN = "sum_over_batch_size"


class _Plain(LossFunctionWrapper):
    """A loss without options of its own."""

    config_keys: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[Callable[..., Any]]

    def __init__(self, reduction: Any = MEAN, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(type(self).function, reduction, name or type(self).function.__name__, dtype)


class _WithOptions(LossFunctionWrapper):
    """A loss whose options are attributes, and keywords of its function."""

    def __init__(self, fn: Any, reduction: Any, name: str, dtype: Any, **options: Any) -> None:
        super().__init__(fn, reduction, name, dtype, **options)
        for key, value in options.items():
            setattr(self, key, value)


class MeanSquaredError(_Plain):
    """mean((t - p)²)."""

    function = staticmethod(functions.mean_squared_error)


class MeanAbsoluteError(_Plain):
    """mean(|t - p|)."""

    function = staticmethod(functions.mean_absolute_error)


class MeanAbsolutePercentageError(_Plain):
    """100 mean(|t - p| / |t|)."""

    function = staticmethod(functions.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Plain):
    """mean((log(1 + t) - log(1 + p))²)."""

    function = staticmethod(functions.mean_squared_logarithmic_error)


class LogCosh(_Plain):
    """mean(log(cosh(p - t)))."""

    function = staticmethod(functions.log_cosh)


class Hinge(_Plain):
    """mean(max(0, 1 - t p))."""

    function = staticmethod(functions.hinge)


class SquaredHinge(_Plain):
    """mean(max(0, 1 - t p)²)."""

    function = staticmethod(functions.squared_hinge)


class CategoricalHinge(_Plain):
    """max(0, 1 + max((1 - t) p) - sum(t p))."""

    function = staticmethod(functions.categorical_hinge)


class KLDivergence(_Plain):
    """sum(t log(t / p))."""

    function = staticmethod(functions.kl_divergence)


class Poisson(_Plain):
    """mean(p - t log(p))."""

    function = staticmethod(functions.poisson)


class CosineSimilarity(_WithOptions):
    """Minus the cosine of the angle between t and p."""

    config_keys = ("axis",)

    def __init__(
        self, axis: Any = -1, reduction: Any = MEAN, name: str = "cosine_similarity", dtype: Any = None
    ) -> None:
        super().__init__(functions.cosine_similarity, reduction, name, dtype, axis=axis)


class Huber(_WithOptions):
    """Squared near the target, straight beyond `delta`."""

    config_keys = ("delta",)

    def __init__(self, delta: float = 1.0, reduction: Any = MEAN, name: str = "huber_loss", dtype: Any = None) -> None:
        super().__init__(functions.huber, reduction, name, dtype, delta=delta)


class BinaryCrossentropy(_WithOptions):
    """mean(-t log(p) - (1 - t) log(1 - p))."""

    config_keys = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1, reduction: Any = MEAN,
        name: str = "binary_crossentropy", dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            functions.binary_crossentropy, reduction, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class BinaryFocalCrossentropy(_WithOptions):
    """Binary crossentropy that counts what is right already for less."""

    config_keys = ("from_logits", "label_smoothing", "axis", "apply_class_balancing", "alpha", "gamma")

    def __init__(
        self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False,
        label_smoothing: float = 0.0, axis: Any = -1, reduction: Any = MEAN, name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            functions.binary_focal_crossentropy, reduction, name, dtype, apply_class_balancing=apply_class_balancing,
            alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalCrossentropy(_WithOptions):
    """-sum(t log(p)), t one-hot."""

    config_keys = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1, reduction: Any = MEAN,
        name: str = "categorical_crossentropy", dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            functions.categorical_crossentropy, reduction, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalFocalCrossentropy(_WithOptions):
    """Categorical crossentropy that counts what is right already for less."""

    config_keys = ("from_logits", "label_smoothing", "axis", "alpha", "gamma")

    def __init__(
        self, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1,
        reduction: Any = MEAN, name: str = "categorical_focal_crossentropy", dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            functions.categorical_focal_crossentropy, reduction, name, dtype,
            alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(_WithOptions):
    """-log(p of the true class), the targets numbers of classes; those of `ignore_class` are left out."""

    config_keys = ("from_logits", "ignore_class")

    def __init__(
        self, from_logits: bool = False, ignore_class: int | None = None, reduction: Any = MEAN, axis: int = -1,
        name: str = "sparse_categorical_crossentropy", dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            functions.sparse_categorical_crossentropy, reduction, name, dtype,
            from_logits=from_logits, ignore_class=ignore_class, axis=axis,
        )  # fmt: skip


class Dice(_WithOptions):
    """1 - 2 sum(t p) / (sum(t) + sum(p))."""

    config_keys = ("axis",)

    def __init__(self, reduction: Any = MEAN, name: str = "dice", axis: Any = None, dtype: Any = None) -> None:
        super().__init__(functions.dice, reduction, name, dtype, axis=axis)


class Tversky(_WithOptions):
    """Dice with weights for what is missed (`alpha`) and what is too much (`beta`)."""

    config_keys = ("alpha", "beta", "axis")

    def __init__(
        self, alpha: float = 0.5, beta: float = 0.5, reduction: Any = MEAN, name: str = "tversky", axis: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(functions.tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
