"""The sequential model: layers one after another, as a graph once the shape of the input is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numba_rnn.layers.base import Layer
from numba_rnn.layers.core import InputLayer
from numba_rnn.layers.registry import register
from numba_rnn.layers.serialization import deserialize, is_reading, serialize
from numba_rnn.models.functional import Functional
from numba_rnn.models.model import Model
from numba_rnn.ops.symbolic import Node, Operation, SymbolicTensor

__all__ = ["Sequential"]


@register
class Sequential(Model):
    """Layers one after another. Arguments as Keras'. Without an `Input` first it is built at its first call.

    Raises:
        ValueError: something that is no layer, two layers of one name, a second input.
    """

    config_extras = ("layers", "build_input_shape")
    direct_arguments = Functional.direct_arguments

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._layers: list[Layer] = []
        self._functional: Functional | None = None
        if isinstance(layers, (Layer, str)) or not isinstance(layers or (), Iterable):
            raise ValueError(f"`Sequential` takes a list of layers. Received: {layers!r}.")
        names: set[str] = set()
        for layer in layers or ():
            self._append(layer, names)
        self._build_if_possible()

    def add(self, layer: Any) -> None:
        """Put a layer on top."""
        self._append(layer, {other.name for other in self._layers})
        self._build_if_possible()

    def pop(self) -> Layer:
        """Take the last layer away and return it."""
        layer = self._layers.pop()
        self._build_if_possible()
        return layer

    def _append(self, layer: Any, names: set[str]) -> None:
        if isinstance(layer, SymbolicTensor) and layer._keras_history is not None:
            layer = layer._keras_history.operation
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Only instances of `keras.Layer` can be added to a Sequential model. Received: {layer} (of type {type(layer)})"
            )
        if not self._layers and layer._input_shape_arg is not None:
            self._append(InputLayer(shape=layer._input_shape_arg), names)
        if layer.name in names:
            raise ValueError(
                f"All layers added to a Sequential model should have unique names. Name '{layer.name}' is already the name of a "
                "layer in this model. Update the `name` argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError(
                f"An input can only be the first layer of Sequential model '{self.name}', which has layers already: "
                f"{[other.name for other in self._layers]}."
            )
        self._layers.append(layer)
        names.add(layer.name)

    def _build_if_possible(self) -> None:
        self.built, self._functional, self._fast_ndim = False, None, -1
        if len(self._layers) > 1:
            first = self._layers[0]
            if isinstance(first, InputLayer):
                self.build(first.batch_shape)
            elif isinstance(first, Functional) or (isinstance(first, Sequential) and first._functional is not None):
                self.build(first.input_shape)

    def build(self, input_shape: Any) -> None:
        """Chain the layers from an input of this shape."""
        if not self._layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        if not isinstance(self._layers[0], InputLayer):
            self._layers.insert(0, InputLayer(batch_shape=tuple(input_shape), dtype=self._layers[0].compute_dtype))
        first: Any = self._layers[0]
        x = first.output
        for layer in self._layers[1:]:
            x = layer(x)
        self._functional = Functional(first.output, x)  # which takes one of the automatic names, as in Keras
        self._functional.name = self.name
        self._functional.strict_shapes = False

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def sublayers(self) -> list[Layer]:
        """The layers, without the input."""
        return self.layers

    @property
    def graph(self) -> Functional:
        """The same as a functional model.

        Raises:
            AttributeError: the input's shape is not known yet.
        """
        if self._functional is None:
            raise AttributeError(f"Sequential model '{self.name}' has no defined input shape yet.")
        return self._functional

    @property
    def input(self) -> Any:
        """The symbolic input."""
        return self.graph.input

    @property
    def output(self) -> Any:
        """The symbolic output."""
        return self.graph.output

    @property
    def operations(self) -> list[Operation]:
        """The layers, as operations of a graph."""
        return [] if self._functional is None else self._functional.operations

    def own_nodes(self, operation: Operation) -> list[Node]:
        """The calls of a layer that belong to this model."""
        return self.graph.own_nodes(operation)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Run the layers."""
        return self.graph.call(inputs, training, mask)

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        """The shape of the output."""
        return self.graph.compute_output_spec(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for an input of this shape, batch included."""
        if self._functional is not None:
            return super().compute_output_shape(input_shape)
        for layer in self._layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Name, layers, and the input's shape where it is known, as Keras writes them."""
        config = super().get_config()
        config["layers"] = [serialize(layer) for layer in self._layers]
        if self._functional is not None:
            config["build_input_shape"] = list(self.build_shape)
        return config

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """The model that `get_config` describes, layers made anew."""
        if isinstance(config, list):
            config = {"layers": config}
        model = cls(
            [deserialize(layer) for layer in config["layers"]],
            **{k: config[k] for k in ("name", "trainable") if config.get(k) is not None},
        )
        shape = config.get("build_input_shape")
        if not model.built and isinstance(shape, (list, tuple)) and is_reading():
            model.build(tuple(shape))
        return model
