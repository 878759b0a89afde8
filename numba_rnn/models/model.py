"""What every model can do: predict and evaluate in batches, show itself, find its layers."""

from __future__ import annotations

from typing import Any

from numba_rnn.layers.base import Layer
from numba_rnn.models import files
from numba_rnn.models.evaluation import Running
from numba_rnn.models.summary import print_summary
from numba_rnn.ops.tree import flatten

__all__ = ["Model", "make_graphs"]


class Model(Running, Layer):
    """`Model(inputs, outputs)` makes a `Functional` model of the graph between symbolic tensors. Arguments as Keras'.

    A subclass may have layers as attributes and a `call` of its own, or make the graph in its constructor and hand it to
    `super().__init__(inputs, outputs)`.
    """

    keras_module = "keras"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A `Functional` where inputs and outputs are given."""
        if cls is Model and (len(args) + len({"inputs", "outputs"} & set(kwargs))) >= 2:
            from numba_rnn.models.functional import Functional  # a subclass of this class

            cls = Functional  # noqa: PLW0642
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args and not {"inputs", "outputs"} & set(kwargs):
            super().__init__(**kwargs)
            return
        from numba_rnn.models.functional import Functional  # a subclass of this class

        if isinstance(self, Functional):
            raise TypeError(f"{type(self).__name__} was given inputs and outputs twice.")
        make_graphs(type(self), Functional)
        Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]  # the class is one by now

    def check_input(self, inputs: Any) -> None:
        """What it takes, the graph checks, or the layers of its own `call`."""

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model, in Keras' order."""
        return self.sublayers()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its place in `layers`.

        Raises:
            ValueError: there is no such layer, or both or neither are given.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")

    def summary(
        self, line_length: int | None = None, positions: Any = None, print_fn: Any = None, expand_nested: bool = False,
        show_trainable: bool = False, layer_range: Any = None,
    ) -> None:  # fmt: skip
        """Show the layers, their output shapes and how many numbers they hold.

        Args:
            line_length: columns of the table; as wide as the terminal if None.
            positions: taken for Keras' sake: the columns find their widths themselves.
            print_fn: gets the text instead of the terminal.
            expand_nested: show the layers of models inside.
            show_trainable: say of each layer whether it is trainable, `Y` or `N`.
            layer_range: names, or regular expressions for names, of the first and the last layer to show.

        Raises:
            ValueError: `layer_range` is no such pair, or no layer has one of the names.
        """
        print_summary(self, line_length, print_fn, expand_nested, show_trainable, layer_range)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The model that `get_config` describes; `Model` itself takes the config of a graph."""
        if cls is Model and "input_layers" in config:
            from numba_rnn.models.functional import Functional  # a subclass of this class

            return Functional.from_config(config)
        return super().from_config(config)

    def clone(self, **changes: Any) -> Any:
        """A new model of the same config, but for the changes, with weights of its own."""
        return type(self).from_config({**self.get_config(), **changes})

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Training.

        Raises:
            NotImplementedError: always, for now.
        """
        raise NotImplementedError(
            "Training is not there yet: train with Keras, save the model, and load it here to run and evaluate it."
        )

    def stream(self, batch: int = 1, given: dict[str, Any] | None = None) -> Any:
        """A session over live sequences: `session.step(frame)` runs one step, or a chunk, on from the last.

        Args:
            batch: B, sequences side by side.
            given: arrays (B, ...) for inputs that are known before the first step, by name: an encoder's whole sequence.

        Returns:
            A `Session`; see `numba_rnn.models.session`.

        Raises:
            ValueError: a layer needs the whole sequence, such as `Bidirectional` or a pooling over time; the error names it.
        """
        from numba_rnn.models.session import Session  # which knows all kinds of models

        return Session(self, batch, given)

    def streams(self, capacity: int) -> Any:
        """A pool of live sequences that come and go: `pool.open()`, `pool.step({stream: frame, ...})`, `pool.close(stream)`.

        Args:
            capacity: the most that may be open at once.

        Returns:
            A `StreamPool`; see `numba_rnn.models.pool`.

        Raises:
            ValueError: as `stream`; the model has several inputs.
        """
        from numba_rnn.models.pool import StreamPool  # which knows all kinds of models

        return StreamPool(self, capacity)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kept: Any) -> None:
        """Write the model, config and weights, to a file that Keras 3.15 loads: `model.keras`, or `model.h5` for its older format.

        Raises:
            ValueError: another extension, or the model holds something that no config can hold.
            FileExistsError: the file exists, with `overwrite=False`.
            FileNotFoundError: the folder does not exist.
        """
        files.save_model(self, filepath, overwrite, zipped, **kept)

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Keras' way to other runtimes.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "Models are not exported to other runtimes from here: `save` the model as `.keras`, load it with Keras and export that."
        )

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a `.weights.h5` file that Keras 3.15 reads with `load_weights`.

        Raises:
            ValueError: another extension, or the model has no weights yet: call it once, or `build` it.
            FileExistsError: the file exists, with `overwrite=False`.
            FileNotFoundError: the folder does not exist.
        """
        files.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Read the weights from a `.weights.h5`, `.keras` or older `.h5` file; nothing changes unless all of them fit.

        With `skip_mismatch` only the layers that fit change; a warning names each of the others. With `by_name`, for an older
        `.h5`, layers are matched by their names, and those without a namesake in the file keep their own.

        Raises:
            FileNotFoundError: there is no such file.
            ModelFileError: the file is damaged or unsafe, or its weights do not fit.
            ValueError: the model has no weights yet: call it once, or `build` it; `by_name`, and the file has no such names.
        """
        files.load_weights(self, filepath, skip_mismatch, by_name)

    def reset_state(self, rows: Any = None) -> None:
        """Set the states that stateful layers keep between calls to zero, in all of the model, or these rows of the batch alone.

        Raises:
            IndexError: there is no such row.
        """
        for layer in self._flatten_layers():
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
                layer.reset_state(rows)

    def reset_states(self, rows: Any = None) -> None:
        """The same, by its old name."""
        self.reset_state(rows)

    def _flatten_layers(self) -> list[Layer]:
        found: list[Layer] = []
        waiting = self.sublayers()
        while waiting:
            layer = waiting.pop(0)
            found.append(layer)
            waiting = layer.sublayers() + waiting
        return found

    def to_json(self, **kwargs: Any) -> str:
        """The model's config as JSON, as Keras writes it."""
        import json

        from numba_rnn.layers.serialization import serialize

        return json.dumps(serialize(self), **kwargs)

    @property
    def input_shape(self) -> Any:
        """The shape of the input; a list of several."""
        return _shapes(self.inputs)

    @property
    def output_shape(self) -> Any:
        """The shape of the output; a list of several."""
        return _shapes(self.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs, in the structure they were given."""
        raise AttributeError(f"Model '{self.name}' has no defined inputs: it is no graph.")

    @property
    def output(self) -> Any:
        """The symbolic outputs, in the structure they were given."""
        raise AttributeError(f"Model '{self.name}' has no defined outputs: it is no graph.")

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs."""
        return flatten(self.input)

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs."""
        return flatten(self.output)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [t.name for t in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that the outputs come from, as `compile` knows them."""
        return [t._keras_history.operation.name for t in self.outputs]

    def _inputs_and_names(self) -> tuple[int | None, list[str] | None]:
        try:
            return len(self.inputs), self.output_names
        except AttributeError:  # no graph
            return None, None


def make_graphs(cls: type, graph: type) -> None:
    """Let a user's class of models, which turns out to make a graph, inherit from the class of graphs, as Keras does."""
    for base in cls.__bases__:
        if base is not Model and issubclass(base, Model):
            make_graphs(base, graph)
    cls.__bases__ = tuple(graph if base is Model else base for base in cls.__bases__)


def _shapes(tensors: list[Any]) -> Any:
    shapes = [t.shape for t in tensors]
    return shapes[0] if len(shapes) == 1 else shapes
