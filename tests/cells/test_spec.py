"""The registry and what a cell must be."""

import pytest

from numba_rnn.cells import CELLS, CellSpec


def test_registry():
    assert {"gru", "gru_reset_before", "lstm", "simple_rnn"} <= set(CELLS)
    for name, spec in CELLS.items():
        assert spec.name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [({"name": "lstm"}, "registered already"), ({"name": "a", "first": 1}, "go together"),
     ({"name": "b", "first": 2, "gate": max}, "leave gates on both sides")],
)  # fmt: skip
def test_a_wrong_cell_is_refused_and_not_registered(options, message):
    before = dict(CELLS)
    with pytest.raises(ValueError, match=message):
        CellSpec(gates=("a", "b"), states=("h",), update=max, **options)
    assert before == CELLS
