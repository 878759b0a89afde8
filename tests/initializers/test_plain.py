"""Constants and the identity."""

from __future__ import annotations

import numpy as np
import pytest

from numba_rnn import initializers


def test_plain_values() -> None:
    np.testing.assert_array_equal(initializers.Constant(2.5)((2, 2)), np.full((2, 2), 2.5))
    np.testing.assert_array_equal(initializers.get(np.arange(3.0))((3,)), [0, 1, 2])
    np.testing.assert_array_equal(initializers.get("identity")((2, 2)), np.eye(2))
    np.testing.assert_array_equal(initializers.get(initializers.Ones)((2,)), [1, 1])
    assert initializers.get(None) is None


def test_only_matrices_have_a_diagonal() -> None:
    with pytest.raises(ValueError, match="2D matrices"):
        initializers.Identity()((3,))
