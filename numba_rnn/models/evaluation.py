"""How a model runs over data: predicting in batches, and evaluating what `compile` asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import config, dispatch, optimizers
from numba_rnn.errors import ShapeError
from numba_rnn.layers.calling import added_losses, loss_scope
from numba_rnn.layers.masks import without_mask
from numba_rnn.metrics import Mean
from numba_rnn.models.batches import Batch, Batches, progress, to_arrays
from numba_rnn.models.compiled_loss import CompiledLoss
from numba_rnn.models.compiled_metrics import CompiledMetrics
from numba_rnn.models.costs import costs_of_weights
from numba_rnn.models.lazy import is_lazy, predict_lazily
from numba_rnn.models.outputs import is_nested, matched
from numba_rnn.ops.logits import keeping_logits
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["Running"]


class Running:
    """`predict`, `compile` and `evaluate`, for something that is called with inputs and returns outputs.

    Attributes:
        compiled: whether `compile` was called.
        optimizer, loss: what it was given.
        device: what `predict` and `evaluate` run on, as of `numba_rnn.device`; None for the settings.
    """

    device: str | None = None

    compiled = False
    optimizer: Any = None
    loss: Any = None
    _loss_tracker: Mean | None = None
    _compiled_loss: CompiledLoss | None = None
    _compiled_metrics: CompiledMetrics | None = None

    def _inputs_and_names(self) -> tuple[int | None, list[str] | None]:
        """How many inputs there are, and the names of the outputs; None where unknown."""
        return None, None

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        *,
        device: str | None = None,
        precision: str | None = None,
    ) -> Any:
        """The outputs for many rows, computed batch by batch.

        Args:
            x: an array (N, ...), or a list or dict of them, as the model takes it. Or what gives batches: a generator or other
                iterable, an object with `__getitem__` and `__len__` (Keras' `PyDataset`), a list. A batch is an array or a tuple
                (x,), (x, y) or (x, y, sample_weight). A list of as many arrays as the model has inputs is one set of inputs.
                Dask arrays, cut along the rows alone, give Dask arrays; see `numba_rnn.models.lazy`. Arrays on a GPU stay there,
                and so do the results; see `numba_rnn.layers.resident`.
            batch_size: rows a batch, 32 if None; of Dask arrays None is a whole chunk, of arrays on a GPU all rows.
            verbose: 0 or False shows nothing, 1 or 2 a progress bar on the standard error; "auto" a bar where that is a terminal
                and it takes long.
            steps: at most so many batches; arrays without a `batch_size` are cut into just so many.
            callbacks: only None: there are none yet.
            device, precision: as of `numba_rnn.device`; None for the model's own `device`, or the settings.

        Returns:
            NumPy arrays in the structure of the model's outputs; of arrays on a GPU, such arrays of the same library.

        Raises:
            ShapeError: the arrays have different numbers of rows, or a shape that the model does not take.
            DTypeError: something that is not made of real numbers.
            ValueError: another number of inputs than the model has, an input missing from the dict, `batch_size` or `steps` not a
                positive whole number, no batches.
            IndexError: an index that an Embedding has no row for.
            DeviceError: the device cannot run the model.
        """
        _no_callbacks(callbacks)
        if is_lazy(x):
            return predict_lazily(self, x, batch_size, steps, device, precision)
        with config.device(device or self.device, precision):
            if any(map(dispatch.on_gpu, flatten(x))):
                return _predict_there(self, x, batch_size, steps)
            return self._predict(x, batch_size, verbose, steps)

    def _predict(self, x: Any, batch_size: int | None, verbose: Any, steps: int | None) -> Any:
        batches = Batches(x, None, None, batch_size, steps, self._inputs_and_names()[0])
        parts = []
        with progress("predict", batches.total, verbose) as advance:
            for batch in batches:
                parts.append(self._plain_call(batch.x))
                advance()
        return parts[0] if len(parts) == 1 else map_structure(lambda *ys: np.concatenate(ys), *parts)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays; of arrays on a GPU, such arrays."""
        with config.device(self.device):
            if any(map(dispatch.on_gpu, flatten(x))):
                return _predict_there(self, x, None, None)
            return self._plain_call(to_arrays(x))

    def _plain_call(self, x: Any) -> Any:
        outputs = map_structure(lambda y: np.asarray(without_mask(y)), self(x, training=False))  # type: ignore[operator]
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say what `evaluate` computes.

        Args:
            optimizer: a name or an object of `optimizers`, kept: there is no training yet.
            loss: a name, a `Loss`, a function of targets and predictions; for several outputs one for all, or a list or dict of
                them (None: no loss).
            loss_weights: what each output's loss counts, as the losses are given.
            metrics: a list of names (`"accuracy"` chooses by the shapes), `Metric`s and functions; for several outputs a list or
                dict of such lists.
            weighted_metrics: the same, but weighted by `sample_weight`.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted for Keras' sake.

        Raises:
            ValueError: an unknown name; losses, weights and metrics that do not go together.
        """
        names = self._inputs_and_names()[1]
        made = optimizers.get(optimizer)
        compiled_loss = None if loss is None else CompiledLoss(loss, loss_weights, names)
        asked = metrics is not None or weighted_metrics is not None
        compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names) if asked else None
        self.optimizer, self.loss, self.compiled = made, loss, True
        self._compiled_loss, self._compiled_metrics = compiled_loss, compiled_metrics
        self._loss_tracker = Mean(name="loss")
        given = {"optimizer": optimizer, "loss": loss, "loss_weights": loss_weights, "metrics": metrics}
        given["weighted_metrics"] = weighted_metrics
        self._given = {key: value for key, value in given.items() if value is not None}

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, None before."""
        return self._given if self.compiled else None

    @property
    def metrics(self) -> list[Any]:
        """The loss, what holds the compiled metrics, and the losses of several outputs, as Keras has them."""
        own = [
            self._loss_tracker,
            self._compiled_metrics,
            *(self._compiled_loss.metrics if self._compiled_loss else ()),
        ]
        return [metric for metric in own if metric is not None]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Let all metrics begin anew."""
        for metric in self.metrics:
            metric.reset_state()

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: Any = "auto", sample_weight: Any = None,
        steps: int | None = None, callbacks: Any = None, return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """The loss and the metrics over data, as `compile` asked for them.

        The loss is the mean of the batches' losses, weighted by their rows. Masks of outputs enter losses and metrics as Keras has
        it. Crossentropies, as losses and as metrics, are computed from the logits wherever an output comes straight from a sigmoid
        or softmax, as in Keras on TensorFlow, so that they stay right where a probability has become 0 or 1.

        Args:
            x: as in `predict`; what gives batches gives tuples (x, y) or (x, y, sample_weight).
            y: the targets (N, ...), for several outputs a list or a dict by their names.
            batch_size, verbose, steps, callbacks: as in `predict`.
            sample_weight: (N,), or for each step (N, T); for several outputs one (N,) for all, or a list or dict.
            return_dict: a dict by names in place of a list.

        Returns:
            The loss alone, a list of numbers (the loss, for several outputs their losses, then the metrics), or a dict.

        Raises:
            ValueError: `compile` was not called, or without a loss; targets, outputs, losses and metrics that do not go together.
            ShapeError: shapes that do not fit.
            DTypeError: something that is not made of real numbers.
        """
        _no_callbacks(callbacks)
        self._check_compiled()
        batches = Batches(x, y, sample_weight, batch_size, steps, self._inputs_and_names()[0])
        self.reset_metrics()
        with progress("evaluate", batches.total, verbose) as advance, config.device(self.device):
            for batch in batches:
                self.test_step(batch)
                advance()
        return self._results(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch; see `evaluate`."""
        self._check_compiled()
        rows = max(1, len(np.asarray(flatten(to_arrays(x))[0])))
        self.reset_metrics()
        with config.device(self.device):
            for batch in Batches(x, y, sample_weight, rows):
                self.test_step(batch)
        return self._results(return_dict)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Run a batch (x, y, sample_weight) and add it to the metrics; returns the results so far."""
        batch = Batch(*data)
        rows = flatten(batch.x)[0].shape[0]
        if not rows:
            raise ShapeError("A loss needs at least one row of data. Received: a batch without rows.")
        with loss_scope():
            with keeping_logits():
                y_pred = self(batch.x, training=False)  # type: ignore[operator]
            loss = self.compute_loss(batch.x, batch.y, y_pred, batch.sample_weight)
        assert self._loss_tracker is not None
        self._loss_tracker.update_state(loss, rows)
        return self.compute_metrics(batch.x, batch.y, y_pred, batch.sample_weight)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
        """The loss of a batch; a subclass may say something else.

        Raises:
            ValueError: there is no loss.
        """
        compiled = self._compiled_loss
        loss = None
        if compiled is not None:
            loss = compiled(compiled.targets(y, y_pred), y_pred, self._weights(sample_weight, y_pred))
        costs = self.losses
        if loss is None and not costs:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        return sum(costs, loss if loss is not None else 0.0)

    @property
    def losses(self) -> list[Any]:
        """What the regularizers of the trainable weights add to the loss, and while it evaluates what layers do.

        Raises:
            ValueError: a regularizer that is not known here, or one of a layer's activity.
        """
        return [*costs_of_weights(self), *(added_losses() or ())]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add a batch to the compiled metrics; returns all results so far."""
        compiled, loss = self._compiled_metrics, self._compiled_loss
        if compiled is not None and loss is not None:
            compiled.update_state(loss.targets(y, y_pred), y_pred, self._weights(sample_weight, y_pred))
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """The results so far, by names."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def _weights(self, sample_weight: Any, y_pred: Any) -> list[Any]:
        """The sample weights of each output."""
        count = len(flatten(y_pred))
        if not is_nested(sample_weight):
            if (
                count > 1
                and sample_weight is not None
                and np.ndim(sample_weight) > 1
                and np.shape(sample_weight)[1:] != (1,)
            ):
                raise ValueError(
                    "For a model with multiple outputs, when providing a single `sample_weight` array, it should only have one "
                    "scalar score per sample (i.e. shape `(num_samples,)`). Received: shape "
                    f"{np.shape(sample_weight)}. Pass a list or dict with one array per model output."
                )
            return [sample_weight] * count
        found = (
            matched(sample_weight, y_pred, self._inputs_and_names()[1]) if is_nested(y_pred) else flatten(sample_weight)
        )
        if found is None or len(found) != count:
            raise ValueError(
                f"You should provide one `sample_weight` array per output. Expected: {count}. Received: "
                f"{len(flatten(sample_weight))}."
            )
        return found

    def _check_compiled(self) -> None:
        if not self.compiled:
            raise ValueError(
                "You must call `compile()` before using the model: say what to compute, as in `model.compile(loss='mse', "
                "metrics=['mae'])`."
            )

    def _results(self, as_dict: bool) -> Any:
        logs = {name: _python(value) for name, value in sorted(self.get_metrics_result().items())}
        if as_dict:
            return logs
        # Keras' order: each metric by its own name, then everything that has another, as several outputs' metrics have.
        names = [
            n
            for m in self.metrics
            for n in ([s.name for s in m.metrics] if isinstance(m, CompiledMetrics) else [m.name])
        ]
        ordered = [logs[name] for name in names if name in logs] + [v for name, v in logs.items() if name not in names]
        return ordered[0] if len(ordered) == 1 else ordered


def _python(value: Any) -> Any:
    return float(value) if np.size(value) == 1 else value


def _predict_there(model: Any, x: Any, batch_size: int | None, steps: int | None) -> Any:
    from numba_rnn.models.resident import predict  # which knows all kinds of models

    return predict(model, x, batch_size, steps)


def _no_callbacks(callbacks: Any) -> None:
    if callbacks:
        raise ValueError(f"Callbacks are not called yet. Leave `callbacks` out. Received: {callbacks!r:.200}.")
