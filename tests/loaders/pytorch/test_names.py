"""What names and shapes say of a module."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.errors import ShapeError
from numba_rnn.loaders.pytorch.names import PART, Structure, listed, modules_in, part_name, structure_of

from .conftest import lstm_tensors


def tensors_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(("rows", "kind"), [(5, "simple_rnn"), (15, "gru"), (20, "lstm")])
def test_kinds(rows, kind):
    layer = {"weight_ih_l0": (rows, 4), "weight_hh_l0": (rows, 5)}
    assert structure_of(tensors_of(layer)) == Structure(kind, 4, 5, None, False, 1, 1)
    cell = {"weight_ih": (rows, 2), "weight_hh": (rows, 5), "bias_ih": (rows,), "bias_hh": (rows,)}
    assert structure_of(tensors_of(cell)) == Structure(kind, 2, 5, None, True, None, 1)


def test_layers_directions_projections(rng):
    assert structure_of(lstm_tensors(rng, layers=11, both=True)) == Structure("lstm", 3, 4, None, True, 11, 2)
    shapes: dict[str, tuple[int, ...]] = {}
    for way in ("", "_reverse"):
        shapes |= {f"weight_ih_l0{way}": (20, 3), f"weight_ih_l1{way}": (20, 4)}
        shapes |= {f"weight_h{x}_l{k}{way}": {"h": (20, 2), "r": (2, 5)}[x] for x in "hr" for k in (0, 1)}
    projected = structure_of(tensors_of(shapes))
    assert projected == Structure("lstm", 3, 5, 2, False, 2, 2)
    assert projected.output_size == 2


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight_ih_l0": (10, 4), "weight_hh_l0": (10, 5)},  # two gates
        {"weight_ih_l0": (16, 4), "weight_hh_l0": (16, 5)},
        {"weight_ih_l0": (0, 4), "weight_hh_l0": (0, 0)},
        {"weight_ih_l0": (20, 4), "weight_hh_l0": (20,)},
        {"weight_ih_l0": (15, 4), "weight_hh_l0": (15, 2), "weight_hr_l0": (2, 5)},  # a projected GRU
        {"weight_ih_l0": (20, 4), "weight_hh_l0": (20, 2), "weight_hr_l0": (2,)},
    ],
)
def test_shapes_of_no_module(shapes):
    with pytest.raises(ShapeError, match="of no RNN, GRU or LSTM"):
        structure_of(tensors_of(shapes))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("weight_ih_l0", (16,)),
        ("weight_ih_l0_reverse", (16, 4)),
        ("weight_ih_l1", (16, 4)),  # both directions come in
        ("weight_hh_l1", (16, 5)),
        ("bias_ih_l0", (1, 16)),
        ("bias_hh_l1_reverse", (4,)),
    ],
)
def test_shapes_that_do_not_fit(rng, name, shape):
    with pytest.raises(ShapeError, match=f"`{name}` has the wrong shape"):
        structure_of({**lstm_tensors(rng, layers=2, both=True), name: np.zeros(shape, np.float32)})


def test_a_layer_far_out(rng):
    tensors = lstm_tensors(rng)
    with pytest.raises(ValueError, match=r"missing: .*'weight_hh_l1'.* and \d+ more"):
        structure_of({**tensors, "weight_ih_l9999": tensors["weight_ih_l0"]})


def test_names():
    assert part_name("weight_hh") == "weight_hh"
    assert part_name("weight_hh", 3, 1) == "weight_hh_l3_reverse"
    assert PART.fullmatch("weight_hh_l3_reverse")
    for name in (
        "weight_hh_l",
        "weight_hh_l3_reversed",
        "weight_hh_l١",
        "weight_hh_l99999",
        "weight_hh_reverse",
        "kernel",
    ):
        assert not PART.fullmatch(name)
    assert modules_in(["b.weight_hh", "a.x.bias_ih_l0", "b.bias_ih", "weight_ih_l0", "c.weight"]) == ["b.", "a.x.", ""]
    assert listed("abc") == "'a', 'b', 'c'"
    assert listed("abcdefghijkl").endswith("'j' and 2 more")
