"""Python's operators as operations: arithmetic, comparisons and slices of symbolic tensors and of variables."""

from __future__ import annotations

from typing import Any

from numba_rnn.ops import elementwise as e
from numba_rnn.ops.indexing import get_item
from numba_rnn.ops.products import matmul
from numba_rnn.ops.symbolic import SymbolicTensor

__all__ = ["give_operators"]

_BINARY = {
    "add": e.add,
    "sub": e.subtract,
    "mul": e.multiply,
    "truediv": e.true_divide,
    "floordiv": e.floor_divide,
    "mod": e.mod,
    "pow": e.power,
    "matmul": matmul,
    "and": e.logical_and,
    "or": e.logical_or,
    "xor": e.logical_xor,
}
_COMPARISONS = {"ne": e.not_equal, "lt": e.less, "le": e.less_equal, "gt": e.greater, "ge": e.greater_equal}
_UNARY = {"neg": e.negative, "abs": e.absolute, "invert": e.logical_not, "pos": e.stop_gradient}


def give_operators(cls: Any) -> None:
    """Make Python's operators on instances of `cls` the operations; all but `==`, which dictionaries and sets use."""
    for name, function in {**_BINARY, **_COMPARISONS}.items():
        setattr(cls, f"__{name}__", lambda a, b, f=function: f(a, b))
    for name, function in _BINARY.items():
        setattr(cls, f"__r{name}__", lambda a, b, f=function: f(b, a))
    for name, function in _UNARY.items():
        setattr(cls, f"__{name}__", lambda a, f=function: f(a))
    cls.__round__ = lambda a, ndigits=None: e.round(a, ndigits or 0)
    cls.__getitem__ = get_item


give_operators(SymbolicTensor)
