"""A kernel's source with everything it reaches replaced by the simulator's twins."""

from __future__ import annotations

import math
import types
from typing import Any

import numpy as np

from numba_rnn.kernels.cuda import ptx, toolkit

from .mathematics import MATH

__all__ = ["Rewiring"]

ABSENT = object()


class Package:
    """A module of numba_rnn, of which each name is replaced when it is used."""

    def __init__(self, module: types.ModuleType, rewiring: Rewiring) -> None:
        self._module, self._rewiring = module, rewiring

    def __getattr__(self, name: str) -> Any:
        value = self._rewiring.twin(getattr(self._module, name))
        setattr(self, name, value)
        return value


class Rewiring:
    """Twins of one simulation, found by identity."""

    def __init__(self, cuda: Any, ptx_twins: Any) -> None:
        self.cuda = cuda
        self.twins: dict[int, Any] = {id(toolkit.cuda): cuda, id(math): MATH}
        for name in ptx.__all__:
            self.twins[id(getattr(ptx, name))] = getattr(ptx_twins, name)
        self.functions: dict[int, Any] = {}

    def twin(self, value: Any) -> Any:
        """What stands for a global, a closed-over value or an argument in the simulator."""
        found = self.twins.get(id(value), ABSENT)
        if found is not ABSENT:
            return found
        if isinstance(value, types.ModuleType):
            return Package(value, self) if value.__name__.startswith("numba_rnn.") else value
        if isinstance(value, toolkit.types.Type):
            return int if value is toolkit.uint64 else np.dtype(value.name).type  # of addresses: Python's are faster
        if hasattr(value, "py_func"):
            return self.function(value.py_func)
        if isinstance(value, tuple) and type(value) is tuple:
            return tuple(self.twin(item) for item in value)
        return value

    def function(self, original: Any) -> Any:
        """A copy of a function that uses the twins."""
        if id(original) in self.functions:
            return self.functions[id(original)]
        code = original.__code__
        cells = tuple(types.CellType() for _ in original.__closure__ or ())
        names: dict[str, Any] = {"__builtins__": original.__builtins__, "__name__": original.__module__}
        copy = types.FunctionType(code, names, original.__name__, None, cells or None)
        self.functions[id(original)] = copy  # before its names are looked at: functions may know themselves
        copy.__kwdefaults__ = original.__kwdefaults__
        copy.__defaults__ = self.twin(original.__defaults__)
        for name in reached(code):
            if name in original.__globals__:
                names[name] = self.twin(original.__globals__[name])
        for cell, old in zip(cells, original.__closure__ or (), strict=True):
            cell.cell_contents = self.twin(old.cell_contents)
        return copy


def reached(code: types.CodeType) -> set[str]:
    """The names of globals and attributes in a function and in those that it defines."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= reached(constant)
    return names
