"""What can be asked of a layer: its place, its dtype's policy, the tensors of its calls, what it was built for."""

from __future__ import annotations

from typing import Any

from numba_rnn.config import DTypePolicy

__all__ = ["Introspective"]


class Introspective:
    """The half of a layer that only answers."""

    name: str
    dtype: str
    built: bool
    _inbound_nodes: list[Any]

    path: str | None = None  # `model/lstm`: the layers around it when it was built, then its name; None before
    build_shape: Any = None  # what it was built for, which a config records
    build_shapes: dict[str, Any] | None = None  # the same by parameter of `build`, where there are several
    quantization_mode = None
    _input_spec: Any = None
    _fast_ndim = -1  # the rank of a plain array that `__call__` hands on without another look; -1: none
    _fast_dtype: Any = None  # and its dtype
    _makes_masks = False  # and whether the result has a mask all the same

    @property
    def input_spec(self) -> Any:
        """An `InputSpec` of the first argument of a call, or a structure of them; None where anything goes."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        self._input_spec = value
        self._fast_ndim = -1

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What it computes in and keeps its weights in."""
        return DTypePolicy(self.dtype)

    @property
    def compute_dtype(self) -> str:
        """The dtype it computes in."""
        return self.dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of its weights."""
        return self.dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that its inputs are cast to."""
        return self.compute_dtype

    @property
    def losses(self) -> list[Any]:
        """None: they are for training."""
        return []

    @property
    def metrics(self) -> list[Any]:
        """None: a layer has none."""
        return []

    @property
    def metrics_variables(self) -> list[Any]:
        """Those of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def output(self) -> Any:
        """The symbolic result of the layer's first recorded call, a list of several.

        Raises:
            AttributeError: the layer was never called on symbolic tensors.
        """
        return self._first_call("output_tensors", "output")

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's first recorded call; see `output`."""
        return self._first_call("input_tensors", "input")

    def _first_call(self, attribute: str, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called and thus has no defined {what}. Call it on symbolic tensors."
            )
        tensors = getattr(self._inbound_nodes[0], attribute)
        return tensors[0] if len(tensors) == 1 else tensors

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes it was built for, as keywords of JSON; None before."""
        if self.build_shapes:
            return {"shapes_dict": self.build_shapes}
        return None if self.build_shape is None else {"input_shape": self.build_shape}

    def build_from_config(self, config: Any) -> None:
        """Build it for the shapes that `get_build_config` gave."""
        if config and "input_shape" in config:
            self.build(config["input_shape"])
        elif config and "shapes_dict" in config:
            self.build(**config["shapes_dict"])

    def build(self, *input_shape: Any, **input_shapes: Any) -> None:
        """Make the weights."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
