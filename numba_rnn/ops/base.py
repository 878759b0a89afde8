"""One decorator that makes a NumPy function an operation: it runs on arrays and records a node for symbolic tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numba_rnn.errors import ModelFileError
from numba_rnn.ops.bounds import check_result
from numba_rnn.ops.logits import LogitsArray
from numba_rnn.ops.naming import snake_case, unique_name
from numba_rnn.ops.symbolic import Operation, SymbolicTensor, infer, is_symbolic, probed, record

__all__ = ["CORE", "MATH", "NN", "NUMPY", "OPS", "Kind", "Op", "op", "op_from_config"]

# Where Keras has them; most are in the last.
CORE, MATH, NN, NUMPY = "keras.src.ops.core", "keras.src.ops.math", "keras.src.ops.nn", "keras.src.ops.numpy"


@dataclass(frozen=True)
class Kind:
    """An operation as data.

    Attributes:
        class_name, module: what Keras calls it in a file.
        function: what it computes, in NumPy and in Keras' dtypes.
        tensors: how many of its first parameters are tensors (or numbers, or a key; `*xs` is one); the rest are options.
        signature: of `function`.
    """

    class_name: str
    module: str
    function: Callable[..., Any]
    tensors: int
    signature: inspect.Signature

    def __reduce__(self) -> Any:
        return _known, (self.class_name,)  # of which there is one a process

    @property
    def options(self) -> list[inspect.Parameter]:
        """The parameters that a node's config holds."""
        return list(self.signature.parameters.values())[self.tensors :]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The result on arrays; infinities and NaN come without a warning, as Keras has it."""
        with np.errstate(all="ignore"):
            result = self.function(*args, **kwargs)
        if type(result) is np.ndarray or type(result) is LogitsArray:
            return result
        if isinstance(result, (list, tuple)):
            return type(result)(np.asarray(r) for r in result)
        return np.asarray(result)


OPS: dict[str, Kind] = {}


def _known(class_name: str) -> Kind:
    return OPS[class_name]


class Op(Operation):
    """An operation with its options: a node's operation, or called on arrays."""

    def __init__(self, kind: Kind, options: dict[str, Any], name: str | None = None) -> None:
        super().__init__(name or unique_name(snake_case(kind.class_name)))
        self.kind, self.options = kind, options
        self.keras_class_name = self.keras_registered_name = kind.class_name
        self.keras_module = kind.module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result, or the symbolic result."""
        if is_symbolic([args, kwargs]):
            return record(self, args, kwargs, self.compute_output_spec(*args, **kwargs))
        return self.kind.run(*args, **kwargs, **self.options)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic result."""
        check_result(self.kind.class_name, probed([list(args), kwargs]), self.options)
        return infer(functools.partial(self.kind.run, **self.options), *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The name and the options."""
        return {"name": self.name, **self.options}


def op(class_name: str, module: str = NUMPY, tensors: int = 1) -> Callable[..., Callable[..., Any]]:
    """Decorator: the function becomes the operation that Keras calls `class_name`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        kind = OPS[class_name] = Kind(class_name, module, function, tensors, inspect.signature(function))

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not is_symbolic(args) and not (kwargs and is_symbolic(kwargs)):
                return kind.run(*args, **kwargs)
            bound = kind.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given: list[Any] = []
            options: dict[str, Any] = {}
            for place, (name, parameter) in enumerate(kind.signature.parameters.items()):
                value = bound.arguments[name]
                if place >= tensors:
                    options[name] = _plain(value)
                elif parameter.kind is parameter.VAR_POSITIONAL:
                    given += value
                else:
                    given.append(value)
            return Op(kind, options)(*given)

        return call

    return decorate


def _plain(option: Any) -> Any:
    if isinstance(option, SymbolicTensor):
        raise TypeError(f"An option of an operation must be a plain value. Received: {option}.")
    if isinstance(option, (np.dtype, type)):
        return np.dtype(option).name
    return option


def op_from_config(class_name: str, config: dict[str, Any]) -> Op:
    """The operation that a file names.

    Raises:
        ModelFileError: there is none of that name, or it has no such option.
    """
    kind = OPS.get(class_name)
    if kind is None:
        raise ModelFileError(
            f"The file's graph has the operation {class_name!r}, which this library does not have. It has: "
            f"{', '.join(sorted(OPS))}."
        )
    options = {p.name: p.default for p in kind.options}
    for key, value in config.items():
        if key in options:
            options[key] = value
        elif key != "name" and value not in (None, False):
            raise ModelFileError(f"The file's operation {class_name!r} has the unknown option {key!r} = {value!r}.")
    missing = [key for key, value in options.items() if value is inspect.Parameter.empty]
    if missing:
        raise ModelFileError(f"The file's operation {class_name!r} lacks the option {missing[0]!r}.")
    return Op(kind, options, config.get("name"))
