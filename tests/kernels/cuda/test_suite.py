"""The CPU backend's kernel suite, as it stands, on the CUDA backend in the simulator: all but its tests of vectors and plans.

It takes about two hours of one core, without looking for races; `test_scan.py` is its sampled twin, which does.
"""

import pytest

from numba_rnn import config
from numba_rnn.cells import CELLS
from numba_rnn.functional import scan
from numba_rnn.kernels.backend import ScanOptions

from ..cpu import test_scan
from ..cpu.test_invariance import (  # noqa: F401
    test_a_cell_unlike_any_other,
    test_an_all_true_mask_is_no_mask,
    test_masked_steps_might_as_well_not_be_there,
    test_states_may_be_the_last_calls_own,
)
from ..cpu.test_product import test_linear_keeps_leading_axes_and_rows  # noqa: F401
from ..cpu.test_rows_alone import test_cells, test_products, test_what_is_hostile_arrives  # noqa: F401
from ..cpu.test_scan import (  # noqa: F401
    test_against_the_oracle,
    test_every_tail,
    test_last_output_is_last_state_and_last_of_sequence,
    test_nan_stays_in_its_row,
    test_other_activations,
    test_output_before_the_first_step_that_counts_is_zero,
    test_pieces_of_time_give_the_whole,
    test_rows_do_not_know_their_batch,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernel")]

LARGE = [(6, 20, 16, 300), (9, 2, 5, 530)]  # shapes whose calls take a minute here


@pytest.fixture(autouse=True)
def small_shapes(monkeypatch):
    """The suite's other shapes; `test_large_shapes` has these, one kind of call each."""
    shapes = [shape for shape in test_scan.SHAPES if shape not in LARGE]
    assert len(shapes) == len(test_scan.SHAPES) - len(LARGE)
    monkeypatch.setattr(test_scan, "SHAPES", shapes)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_large_shapes(rng, name):
    for (B, T, D, H), options in zip(LARGE, (ScanOptions(False, True), ScanOptions(True)), strict=True):
        cell = test_scan.make_cell(rng, CELLS[name], D, H, "float32")
        x, mask, state = test_scan.make_call(rng, cell, B, T, masked=True, stateful=True)
        actual = scan(cell, x, mask, state, options)
        with config.device("reference"):
            test_scan.assert_same(actual, scan(cell, x, mask, state, options), 2e-6)
