"""How PyTorch names the tensors of recurrent modules, and what their names and shapes say: kind, sizes, layers, directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from numba_rnn._typing import Array
from numba_rnn.errors import ShapeError, check_shape

__all__ = ["PART", "Structure", "listed", "modules_in", "part_name", "structure_of"]

# `weight_ih_l0_reverse`; without `_l0`, a single cell's.
PART = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l([0-9]{1,4})(_reverse)?)?")
KINDS = {1: "simple_rnn", 3: "gru", 4: "lstm"}  # gates -> the cell's name in `CELLS`


@dataclass(frozen=True)
class Structure:
    """A recurrent module without its numbers: the cell's name in `CELLS`, sizes, layers (None: a cell), directions."""

    kind: str
    D: int
    H: int
    P: int | None
    use_bias: bool
    layers: int | None
    directions: int

    @property
    def output_size(self) -> int:
        """What one direction gives at each step: H, or P where it is projected."""
        return self.H if self.P is None else self.P


def part_name(part: str, layer: int | None = None, direction: int = 0) -> str:
    """`weight_ih_l0_reverse`, or `weight_ih` of a cell."""
    return part if layer is None else f"{part}_l{layer}{'_reverse' if direction else ''}"


def modules_in(names: Iterable[str]) -> list[str]:
    """The prefixes (`encoder.`) at which recurrent modules lie, in the order of the names; the top itself is ''."""
    found = {name[: -len(name.split(".")[-1])]: None for name in names if PART.fullmatch(name.split(".")[-1])}
    return list(found)


def listed(names: Iterable[str]) -> str:
    """The first names of many, in quotes."""
    names = list(names)
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def structure_of(tensors: Mapping[str, Array]) -> Structure:
    """What the names and shapes of a recurrent module's tensors say.

    Raises:
        ValueError: a tensor is missing, or the names are not of one module.
        ShapeError: shapes that do not go together.
    """
    matches = [match for name in tensors if (match := PART.fullmatch(name))]
    numbers = {match[2] for match in matches}
    if None in numbers and len(numbers) > 1:
        raise ValueError(f"These are the names of a cell and of layers at once: {listed(sorted(tensors))}.")
    layers = None if None in numbers else 1 + max(int(n) for n in numbers if n is not None)
    directions = 2 if any(match[3] for match in matches) else 1
    parts = {"weight_ih", "weight_hh", *(match[1] for match in matches)}
    if use_bias := bool(parts & {"bias_ih", "bias_hh"}):
        parts |= {"bias_ih", "bias_hh"}
    places = [(k, d) for k in ([None] if layers is None else range(layers)) for d in range(directions)]
    missing = [name for k, d in places for part in sorted(parts) if (name := part_name(part, k, d)) not in tensors]
    if missing:
        raise ValueError(f"Tensors are missing: {listed(missing)}. There are: {listed(sorted(tensors))}.")
    first = {part: tensors[part_name(part, places[0][0])] for part in parts}
    kind, H, P = _kind_of(first["weight_hh"], first.get("weight_hr"))
    structure = Structure(kind, first["weight_ih"].shape[-1], H, P, use_bias, layers, directions)
    for k, d in places:
        _check_shapes({part: tensors[part_name(part, k, d)] for part in parts}, structure, k, d)
    return structure


def _kind_of(weight_hh: Array, weight_hr: Array | None) -> tuple[str, int, int | None]:
    """What it is, by its weights (G*H, H), or (G*H, P) and (P, H) with a projection; H, and P."""
    if weight_hh.ndim == 2 and 0 not in weight_hh.shape:
        rows, columns = weight_hh.shape
        if weight_hr is None and rows % columns == 0 and rows // columns in KINDS:
            return KINDS[rows // columns], columns, None
        if weight_hr is not None and weight_hr.ndim == 2 and rows == 4 * weight_hr.shape[1]:
            return "lstm", rows // 4, columns
    shapes = f"weight_hh {weight_hh.shape}" + ("" if weight_hr is None else f", weight_hr {weight_hr.shape}")
    raise ShapeError(
        "These weights are of no RNN, GRU or LSTM. Expected: weight_hh (H, H), (3*H, H) or (4*H, H), or of a projected LSTM "
        f"(4*H, P) and weight_hr (P, H). Received: {shapes}."
    )


def _check_shapes(tensors: Mapping[str, Array], s: Structure, layer: int | None, direction: int) -> None:
    G = next(gates for gates, kind in KINDS.items() if kind == s.kind)
    D = s.directions * s.output_size if layer else s.D
    shapes = {"weight_ih": "G*H D", "bias_ih": "G*H", "bias_hh": "G*H", "weight_hr": "P H"}
    shapes["weight_hh"] = "G*H H" if s.P is None else "G*H P"
    for part, tensor in sorted(tensors.items()):
        check_shape(part_name(part, layer, direction), tensor, shapes[part], G=G, H=s.H, D=D, P=s.P)
