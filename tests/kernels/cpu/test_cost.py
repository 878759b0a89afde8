"""Which scan is taken, for shapes where the measured difference is clear."""

import numpy as np
import pytest

from numba_rnn import functional
from numba_rnn.cells import CELLS, SIMPLE_RNN
from numba_rnn.kernels.cpu.cost import WORTH_A_KERNEL, cost
from numba_rnn.kernels.cpu.host import rows_shape, tile_shape


def of(G, H, lanes):
    """The cost where a row has as many inputs as units."""
    shape = tile_shape(lanes * 4, G), rows_shape(lanes * 4)
    return cost(G, 1, H, H, lanes, *(s.panels for s in shape), 1 << 17)


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("G", [1, 3, 4])
def test_units_that_leave_lanes_empty_over_many_rows(G, lanes):
    assert of(G, 3, 2 * lanes).saved(1000, 20) > WORTH_A_KERNEL
    assert of(G, lanes + 1, lanes).saved(1000, 20) > WORTH_A_KERNEL
    assert of(G, 16 * lanes, lanes).saved(1000, 20) == 0


def test_nobody_waits_for_a_kernel_that_saves_little():
    few = of(4, 3, 16)
    assert 0 < few.saved(32, 1) < WORTH_A_KERNEL < few.saved(32, 100)


def test_threads_that_only_one_way_has_are_counted():
    few = of(4, 3, 16)
    assert 0 < few.saved(1000, 1, 4, 4) < few.saved(1000, 1) / 3
    assert few.saved(32, 100, 8, 1) == 0


def test_weights_of_rows_are_those_that_were_prepared(rng):
    """Whatever has become of the arrays since: they may have been written to."""
    spec = CELLS[SIMPLE_RNN.name]
    w, u = rng.standard_normal((3, 2)).astype("float32"), rng.standard_normal((2, 2)).astype("float32")
    x = rng.standard_normal((500, 40, 3)).astype("float32")
    cell = functional.prepare(spec, w, u)
    first, _ = functional.scan(cell, x[:1])
    w[:] = 0
    _, prepared = cell.prepared()
    assert prepared.plan(*x.shape[:2])[0] is prepared.rows
    np.testing.assert_array_equal(functional.scan(cell, x)[0][:1], first)
