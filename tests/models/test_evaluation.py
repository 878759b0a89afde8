"""`compile` and `evaluate` in numbers worked out by hand: a model that hands its input on is asked about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numba_rnn import layers, losses, metrics, models, ops, optimizers
from numba_rnn.errors import DTypeError, ShapeError

# Differences to zero targets: the mean squares of the rows are 1, 4 and 9.
X, ZEROS = np.array([[1.0], [2.0], [3.0]], "float32"), np.zeros((3, 1))


def same() -> Any:
    return models.Sequential([layers.Input((1,)), layers.Activation("linear", name="out")])


def compiled(**asked: Any) -> Any:
    model = same()
    model.compile(**asked)
    return model


def two(**asked: Any) -> Any:
    i = layers.Input((1,), name="i")
    model = models.Model(i, [layers.Activation("linear", name="a")(i), layers.Activation("relu", name="b")(-i)])
    if asked:
        model.compile(**asked)
    return model


def test_loss_alone_is_a_number() -> None:
    model = compiled(loss="mse")
    assert model.evaluate(X, ZEROS) == pytest.approx(14 / 3)
    assert model.evaluate(X, ZEROS, return_dict=True) == {"loss": pytest.approx(14 / 3)}
    assert model.evaluate(X, ZEROS, sample_weight=np.array([1, 0, 1])) == pytest.approx(10 / 3)
    # Batches of two and one row: (1 + 4) / 2 counts twice.
    assert model.evaluate(X, ZEROS, batch_size=2) == pytest.approx(14 / 3)
    assert model.evaluate(X, ZEROS, batch_size=2, steps=1) == 2.5
    assert model.evaluate(X, ZEROS, steps=1) == pytest.approx(14 / 3)
    assert model.test_on_batch(X[:2], ZEROS[:2]) == 2.5
    assert model.metrics_names == ["loss"]
    assert type(model.evaluate(X, ZEROS)) is float


def test_a_sum_is_the_mean_of_batches() -> None:
    model = compiled(loss=losses.MeanSquaredError(reduction="sum"))
    assert model.evaluate(X, ZEROS, batch_size=2) == pytest.approx((5 * 2 + 9) / 3)


def test_metrics_follow_the_loss() -> None:
    def half(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.absolute(y_true - y_pred), axis=-1) / 2

    weights = np.array([1.0, 0.0, 3.0])
    model = compiled(loss=half, metrics=["mae", half, metrics.Sum(name="s")][:2], weighted_metrics=["mae", "mse"])
    names = ["half", "loss", "mae", "mse", "weighted_mae"]
    result = model.evaluate(X, ZEROS, sample_weight=weights, return_dict=True)
    assert list(result) == names
    assert result == pytest.approx({"loss": 10 / 6, "mae": 2, "half": 1, "weighted_mae": 2.5, "mse": 7})
    # As in Keras: each by its name, so the plain one again in the place of its namesake, then what has another name.
    assert model.evaluate(X, ZEROS, sample_weight=weights) == pytest.approx([10 / 6, 2, 1, 2, 7, 2.5])
    assert model.metrics_names == ["loss", "compile_metrics"]
    assert [m.name for m in model.metrics[1].metrics] == ["mae", "half", "mae", "mse"]
    model.reset_metrics()
    assert model.get_metrics_result()["mae"] == 0


@pytest.mark.parametrize(
    ("y_true", "units", "kind"),
    [
        (np.zeros((3, 1)), 1, metrics.BinaryAccuracy),
        (np.zeros(3), 1, metrics.BinaryAccuracy),
        (np.zeros((3, 1)), 2, metrics.SparseCategoricalAccuracy),
        (np.zeros(3), 2, metrics.SparseCategoricalAccuracy),
        (np.eye(2)[[0, 0, 0]], 2, metrics.CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_goes_by_the_shapes(name: str, y_true: Any, units: int, kind: type) -> None:
    activation = "sigmoid" if units == 1 else "softmax"
    dense = layers.Dense(units, kernel_initializer="zeros", activation=activation)
    model = models.Sequential([layers.Input((1,)), dense])
    model.compile(loss="crossentropy", metrics=[name])
    loss, accuracy = model.evaluate(X, y_true)
    assert type(model.metrics[1].metrics[0]) is kind
    assert accuracy == 1
    assert loss == pytest.approx(np.log(2))
    assert list(model.evaluate(X, y_true, return_dict=True)) == [name, "loss"]


def test_several_outputs() -> None:
    y = [ZEROS, ZEROS + 1]
    # a: differences 1, 2, 3; b puts out zeros: 1, 1, 1.
    every = two(loss="mse")
    assert every.evaluate(X, y) == pytest.approx([14 / 3 + 1, 14 / 3, 1])
    listed = two(loss=["mae", "mse"], loss_weights=[0.5, 2.0], metrics=[["mse"], None])
    assert listed.evaluate(X, y) == pytest.approx([1 + 2, 2, 1, 14 / 3])
    by_name = two(loss={"b": "mse", "a": "mae"}, loss_weights={"a": 0.5, "b": 2.0}, weighted_metrics={"b": "mae"})
    given = {"b": y[1], "a": y[0]}
    assert by_name.evaluate(X, given, return_dict=True) == pytest.approx(
        {"loss": 3, "a_loss": 2, "b_loss": 1, "b_mae": 1}
    )
    weights = {"a": np.array([1.0, 0, 0]), "b": np.array([0, 0, 2.0])}
    assert by_name.evaluate(X, given, sample_weight=weights, return_dict=True) == pytest.approx(
        {"loss": 0.5 / 3 + 4 / 3, "a_loss": 1 / 3, "b_loss": 2 / 3, "b_mae": 1}
    )
    assert by_name.evaluate(X, y, sample_weight=np.array([1.0, 0, 0]))[0] == pytest.approx(0.5 / 3 + 2 / 3)
    some = two(loss=["mse", None])
    assert some.evaluate(X, y) == some.evaluate(X, [ZEROS]) == pytest.approx(14 / 3)
    assert [m.name for m in every.metrics] == ["loss", "a_loss", "b_loss"]
    assert every.output_names == ["a", "b"]


def test_masks_enter() -> None:
    i = layers.Input((3, 1))
    model = models.Model(i, layers.Masking(2.0)(i))
    model.compile(loss="mse", metrics=["mse"], weighted_metrics=["mae"])
    x = np.array([[[1.0], [2.0], [3.0]], [[2.0], [2.0], [1.0]]])
    loss, mse, mae = model.evaluate(x, np.zeros((2, 3, 1)))
    # Masking puts zeros where it masks; three steps count, with squares 1, 9 and 1.
    assert loss == pytest.approx(11 / 3)
    # Metrics weigh rows by their steps: (10 / 3) and (1 / 3), by 2 / 3 and 1 / 3.
    assert mse == pytest.approx(11 / 3)
    assert mae == pytest.approx(5 / 3)


def test_what_compile_was_given_is_read_back() -> None:
    model = same()
    assert not model.compiled
    assert model.metrics == model.metrics_names == []
    loss = losses.Huber()
    model.compile("SGD", loss, metrics=["mse"])
    assert isinstance(model.optimizer, optimizers.SGD)
    assert (model.loss, model.compiled) == (loss, True)
    assert model.get_compile_config() == {"optimizer": "SGD", "loss": loss, "metrics": ["mse"]}
    optimizer = object()
    model.compile(optimizer, "mse")
    assert model.optimizer is optimizer
    assert model.get_compile_config() == {"optimizer": optimizer, "loss": "mse"}


def test_a_failed_compile_changes_nothing() -> None:
    model = compiled(loss="mae")
    with pytest.raises(ValueError, match="Could not interpret metric"):
        model.compile(loss="mse", metrics=["nonsense"])
    assert model.evaluate(X, ZEROS) == 2


def test_functions_are_metrics_and_losses() -> None:
    model = compiled(loss=lambda t, p: np.abs(t - p).max(), metrics=[lambda t, p: np.abs(t - p)[:, 0], losses.huber])
    result = model.evaluate(X, ZEROS, return_dict=True)
    assert result == pytest.approx({"loss": 3, "lambda": 2, "huber": (0.5 + 1.5 + 2.5) / 3})


def test_a_loss_of_the_models_own() -> None:
    class Twice(models.Model):
        def call(self, inputs: Any) -> Any:
            return 2 * inputs

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            return super().compute_loss(x, y, y_pred, sample_weight) + 1

    model = Twice()
    model.compile(loss="mae", metrics=["mae"])
    assert model.evaluate(X, ZEROS) == [5, 4]


def test_evaluate_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    compiled(loss="mse").evaluate(X, ZEROS, batch_size=1, verbose=1)
    assert "evaluate" in capsys.readouterr().err


COMPILE: list[tuple[dict[str, Any], str]] = [
    ({"loss": "nonsense"}, "Could not interpret loss identifier: nonsense"),
    ({"loss": ["mse", "nonsense"]}, "Could not interpret loss identifier: nonsense"),
    ({"loss": "mse", "metrics": ["nonsense"]}, "Could not interpret metric identifier: nonsense"),
    ({"loss": "mse", "weighted_metrics": {"out": "nonsense"}}, "Could not interpret metric identifier"),
    ({"loss": "mse", "optimizer": "nonsense"}, "Could not interpret optimizer identifier: nonsense. Known: adadelta"),
    ({"loss": "mse", "metrics": "mse"}, "Expected `metrics` argument to be a list, tuple, or dict"),
    ({"loss": "mse", "weighted_metrics": metrics.Mean()}, "Expected `weighted_metrics` argument"),
    ({"loss": "mse", "loss_weights": 2}, "Expected `loss_weights` argument to be a float"),
    ({"loss": "mse", "loss_weights": [1.0, 2.0]}, "must match the number of losses, got 1 losses and 2 weights"),
]


@pytest.mark.parametrize(("asked", "text"), COMPILE)
def test_compile_refuses(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        compiled(**asked)


Y2 = [ZEROS, ZEROS]


@pytest.mark.parametrize(
    ("asked", "y", "more", "error", "text"),
    [
        ({"loss": ["mse", "mae", "mse"]}, Y2, {}, ValueError, "Expected: 2 outputs, .'a', 'b'.. Received: 3 losses"),
        ({"loss": ["mse"]}, Y2, {}, ValueError, "Received: 1 losses"),
        ({"loss": {"a": "mse"}}, Y2, {}, ValueError, "Expected keys .'a', 'b'. in loss dict, but found loss.keys"),
        ({"loss": {"a": "mse", "c": "mse"}}, Y2, {}, ValueError, "Received: .'a', 'c'."),
        ({"loss": {"a": "mse", "b": "mse"}, "loss_weights": {"a": 1.0, "c": 1.0}}, Y2, {}, ValueError, "the keys of `loss`"),
        ({"loss": "mse", "metrics": ["mse"]}, Y2, {}, ValueError, "Invalid `metrics`."),
        ({"loss": "mse", "metrics": {"c": ["mse"]}}, Y2, {}, ValueError, "Invalid `metrics`."),
        ({"loss": "mse"}, [ZEROS], {}, ValueError, "y_true and y_pred have different structures"),
        ({"loss": "mse"}, ZEROS, {}, ValueError, "Give targets for each output .*'a', 'b'"),
        ({"loss": "mse"}, {"a": ZEROS, "c": ZEROS}, {}, ValueError, "different structures"),
        ({"loss": "mse"}, {"a": ZEROS}, {}, ValueError, "needs targets"),
        ({"loss": "mse"}, None, {}, ValueError, "different structures"),
        ({"metrics": [["mse"], ["mse"]]}, Y2, {}, ValueError, "No loss to compute. Provide a `loss` argument in `compile"),
        ({"loss": [None, None]}, Y2, {}, ValueError, "No loss to compute"),
        ({"loss": "mse"}, [ZEROS, ZEROS[:2]], {}, ShapeError, "same number of rows"),
        ({"loss": "mse"}, [ZEROS, np.zeros((3, 4, 5))], {}, ShapeError, "do not fit"),
        ({"loss": "mse"}, [ZEROS, np.full((3, 1), "a")], {}, DTypeError, "`y` takes arrays of real numbers"),
        ({"loss": "mse"}, Y2, {"sample_weight": np.ones((3, 2))}, ValueError, "one scalar score per sample"),
        ({"loss": "mse"}, Y2, {"sample_weight": [np.ones(3)]}, ValueError, "one `sample_weight` array per output"),
        ({"loss": "mse"}, Y2, {"callbacks": [print]}, ValueError, "Callbacks are not called"),
    ],
)  # fmt: skip
def test_evaluate_refuses(
    asked: dict[str, Any], y: Any, more: dict[str, Any], error: type[Exception], text: str
) -> None:
    model = two(**asked)
    with pytest.raises(error, match=text):
        model.evaluate(X, y, **more)


def test_evaluate_needs_compile_and_targets() -> None:
    model = same()
    for call in (model.evaluate, model.test_on_batch):
        with pytest.raises(ValueError, match=r"You must call `compile\(\)` before using the model"):
            call(X, ZEROS)
    with pytest.raises(ValueError, match="'mse' needs targets"):
        compiled(loss="mse").evaluate(X)
    with pytest.raises(ShapeError, match="at least one row"):
        compiled(loss="mse").evaluate(X[:0], ZEROS[:0])
    with pytest.raises(NotImplementedError, match="Training is not there yet"):
        compiled(loss="mse").fit(X, ZEROS)
