"""Arithmetic, comparisons and slices of symbolic tensors: each records the operation."""

from __future__ import annotations

from typing import Any

from numba_rnn.ops import elementwise as e
from numba_rnn.ops.shaping import get_item, matmul
from numba_rnn.ops.symbolic import SymbolicTensor

__all__: list[str] = []

_BINARY = {
    "add": e.add,
    "sub": e.subtract,
    "mul": e.multiply,
    "truediv": e.true_divide,
    "floordiv": e.floor_divide,
    "mod": e.mod,
    "pow": e.power,
    "matmul": matmul,
}
_COMPARISONS = {"ne": e.not_equal, "lt": e.less, "le": e.less_equal, "gt": e.greater, "ge": e.greater_equal}
_UNARY = {"neg": e.negative, "abs": e.absolute, "invert": e.logical_not}

for _name, _function in {**_BINARY, **_COMPARISONS}.items():
    setattr(SymbolicTensor, f"__{_name}__", lambda a, b, f=_function: f(a, b))
for _name, _function in _BINARY.items():
    setattr(SymbolicTensor, f"__r{_name}__", lambda a, b, f=_function: f(b, a))
for _name, _function in _UNARY.items():
    setattr(SymbolicTensor, f"__{_name}__", lambda a, f=_function: f(a))


def _item(x: SymbolicTensor, key: Any) -> Any:
    return get_item(x, key)


SymbolicTensor.__getitem__ = _item  # type: ignore[method-assign]
