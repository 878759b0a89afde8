"""One voice for everything that goes wrong."""

import numpy as np
import pytest

from numba_rnn.errors import DeviceError, DTypeError, ModelFileError, ShapeError, check_shape


def test_all_are_value_errors():
    for error in (DTypeError, DeviceError, ModelFileError, ShapeError):
        assert issubclass(error, ValueError)


def test_sizes_are_bound_and_returned():
    assert check_shape("w", np.zeros((3, 8)), "D G*H", G=4, H=2) == {"D": 3, "G": 4, "H": 2}


@pytest.mark.parametrize(
    ("shape", "spec", "message"),
    [((3, 9), "D G*H", r"`w` has the wrong shape. Expected: \(D, 8\) = \(D, G\*H\). Received: \(3, 9\). Do this."),
     ((3,), "D G*H", r"Received: \(3,\)"), ((3, 4), "D D", r"Expected: \(D, D\). Received: \(3, 4\)"),
     ((4,), "3", r"Expected: \(3,\)")],
)  # fmt: skip
def test_message(shape, spec, message):
    with pytest.raises(ShapeError, match=message):
        check_shape("w", np.zeros(shape), spec, "Do this.", G=4, H=2)
