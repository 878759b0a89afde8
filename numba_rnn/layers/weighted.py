"""What holds weights: its own, and those of the layers inside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import initializers, regularizers
from numba_rnn._typing import Array
from numba_rnn.compressed import check_storage
from numba_rnn.errors import ShapeError
from numba_rnn.layers.weight import Variable, Weight, as_numbers
from numba_rnn.ops.dtypes import is_float_dtype
from numba_rnn.ops.symbolic import Operation
from numba_rnn.ops.tree import flatten

__all__ = ["Weighted"]


class Weighted(Operation):
    """A named owner of weights, in Keras' order: the half of a layer that files and `set_weights` deal with."""

    path: str | None
    weight_storage: str | None = None  # what `compress_weights` said, of layers that it changes

    def __init__(self, name: str | None, trainable: bool, dtype: str) -> None:
        super().__init__(name)
        self._trainable, self.dtype, self.built = bool(trainable), dtype, False
        self._own_weights: list[Any] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Set it; a `Variable` becomes one of the weights."""
        if type(value) is Variable and not any(value is w for w in self._own_weights):
            self._own_weights.append(value)
        super().__setattr__(name, value)

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str = "variable",
        regularizer: Any = None,
        **kept: Any,
    ) -> Weight:
        """A new weight of this layer: a scalar without a shape; without an initializer Glorot's, zeros for integers.

        What the `regularizer` says of it counts in a model's `losses`; `kept` (constraint, ...) is for training and is not used.

        Raises:
            ShapeError: a size is not known.
            ValueError: `initializer` or `regularizer` is none.
        """
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if initializer is None:
            initializer = "glorot_uniform" if is_float_dtype(dtype or self.dtype) else "zeros"
        if None in shape:
            raise ShapeError(
                f"Layer '{self.name}' cannot make its weight '{name}', whose shape {shape} depends on a size of the input "
                "that is None. Give that size in `Input`: the features are the last axis, as in `Input((None, 8))`."
            )
        weight = Weight(name, shape, dtype or self.dtype, initializers.get(initializer), trainable)
        weight.regularizer = regularizers.get(regularizer)
        self._own_weights.append(weight)
        return weight

    def sublayers(self) -> list[Any]:
        """The layers in this layer's attributes, in the order they were set, each once."""
        found: dict[int, Weighted] = {}
        for value in vars(self).values():
            for leaf in flatten(value) if isinstance(value, (list, tuple, dict)) else (value,):
                if isinstance(leaf, Weighted):
                    found.setdefault(id(leaf), leaf)
        return list(found.values())

    @property
    def weights(self) -> list[Weight]:
        """The layer's own weights, then its sublayers', each once, in Keras' order."""
        found = {id(w): w for w in self._own_weights}
        for layer in self.sublayers():
            found.update({id(w): w for w in layer.weights if id(w) not in found})
        return list(found.values())

    @property
    def variables(self) -> list[Weight]:
        """The weights: states and random seeds are no variables here."""
        return self.weights

    @property
    def trainable(self) -> bool:
        """Whether training would change it; setting it sets it for all sublayers, giving it to the constructor does not."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers():
            layer.trainable = value

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that training would change."""
        return list(self._trained().values()) if self.trainable else []

    def _trained(self) -> dict[int, Weight]:
        found = {id(w): w for w in self._own_weights if w.trainable and self.trainable}
        for layer in self.sublayers():
            found.update({key: w for key, w in layer._trained().items() if key not in found})
        return found

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The other weights."""
        trained = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in trained]

    @property
    def trainable_variables(self) -> list[Weight]:
        """`trainable_weights` by its other name."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Weight]:
        """`non_trainable_weights` by its other name: states and random seeds are no variables here."""
        return self.non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in Keras' order."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Replace all weights.

        Nothing changes unless all of them fit.

        Args:
            weights: one array a weight, in the order and shapes of `get_weights`.

        Raises:
            ValueError: no list, or another number of arrays than the layer has weights.
            ShapeError: an array of another shape.
            DTypeError: an array of something else than real numbers.
        """
        own = self.weights
        if weights is None or isinstance(weights, (str, bytes, dict)):
            raise ValueError(
                f"`set_weights` on layer '{self.name}' takes a list of {len(own)} arrays, as `get_weights` returns. Received: "
                f"{type(weights).__name__}."
            )
        arrays = [as_numbers(w, f"`set_weights` on layer '{self.name}'") for w in weights]
        if len(arrays) != len(own):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length {len(arrays)}, but the "
                f"layer was expecting {len(own)} weights."
            )
        for weight, array in zip(own, arrays, strict=True):
            if weight.shape != array.shape:
                raise ShapeError(
                    f"Layer {self.name} weight shape {weight.shape} is not compatible with provided weight shape {array.shape}."
                )
        for weight, array in zip(own, arrays, strict=True):
            weight.assign(array)

    def compress_weights(self, storage: str | None) -> None:
        """Let the recurrent cells and `Dense` layers in here compute with matrices of fewer bytes; all else stays as it is.

        The weights themselves stay as they are: `get_weights` and `save` give what was loaded or assigned, and what is assigned
        later is compressed anew. Configs, and copies made from them, know nothing of it. Nothing changes unless all matrices can be
        kept so. `numba-rnn info --compare` shows what it costs.

        Args:
            storage: "bfloat16", "float16" or "int8", as in `numba_rnn.compressed`; None for the weights' own dtype.

        Raises:
            ValueError: another storage; a weight that cannot be kept so.
            DTypeError: such a layer computes in float64.
        """
        check_storage(storage)
        changes: dict[int, tuple[Any, dict[str, Any]]] = {}
        waiting: list[Any] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) not in changes:
                try:
                    changes[id(layer)] = layer, layer._with_storage(storage)
                except ValueError as error:
                    raise type(error)(f"Layer '{layer.path or layer.name}': {error}") from None
                waiting += layer.sublayers()
        for layer, attributes in changes.values():
            vars(layer).update(attributes)

    def _with_storage(self, storage: str | None) -> dict[str, Any]:
        """What changes where matrices are kept so; raises what `compress_weights` does."""
        return {}

    def count_params(self) -> int:
        """How many numbers the weights hold.

        Raises:
            ValueError: there are none yet, since the layer has not seen an input shape.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build it manually "
                f"via: `{self.name}.build(input_shape)`."
            )
        return sum(int(np.prod(w.shape)) for w in self.weights)
