"""Blocks of gates go where the other order has them."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn.errors import ShapeError
from numba_rnn.loaders.gates import KERAS, KERAS_1, ONNX, PYTORCH, reorder


@pytest.mark.parametrize(
    ("given", "wanted"), [(orders[cell], KERAS[cell]) for orders in (KERAS_1, PYTORCH, ONNX) for cell in orders]
)
def test_there_and_back(given, wanted):
    blocks = {gate: np.full((2, 3), n, np.float32) for n, gate in enumerate(wanted)}
    theirs = np.concatenate([blocks[g] for g in given], axis=-1)
    ours = np.concatenate([blocks[g] for g in wanted], axis=-1)
    np.testing.assert_array_equal(reorder(theirs, given, wanted), ours)
    np.testing.assert_array_equal(reorder(ours, wanted, given), theirs)


def test_known_orders():
    assert reorder(np.arange(4), ONNX["lstm"], KERAS["lstm"]).tolist() == [0, 2, 3, 1]
    assert reorder(np.arange(4), KERAS_1["lstm"], KERAS["lstm"]).tolist() == [0, 2, 1, 3]
    assert reorder(np.arange(6), PYTORCH["gru"], KERAS["gru"]).tolist() == [2, 3, 0, 1, 4, 5]


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match="multiple of 4"):
        reorder(np.zeros((2, 6)), ONNX["lstm"], KERAS["lstm"])
    with pytest.raises(ValueError, match="same gates"):
        reorder(np.zeros(6), PYTORCH["gru"], KERAS["lstm"])
