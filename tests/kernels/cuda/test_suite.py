"""The CPU backend's kernel suite, as it stands, on the CUDA backend in the simulator: all but its tests of vectors and plans.

It takes an hour; `test_scan.py` is its sampled twin.
"""

import pytest

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
