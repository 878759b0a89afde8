"""Models that Keras saves here and now, loaded and compared: the cases of the golden files with other weights."""

from __future__ import annotations

import importlib
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.config import device
from numba_rnn.loaders import load_model

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = sorted(path.name.removesuffix(".keras") for path in (GOLDEN / "3.15.1").glob("*.keras"))

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def maker(keras: Any) -> Any:
    """The script that writes golden files, as a module."""
    sys.path.insert(0, str(GOLDEN))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("make_golden")
    finally:
        sys.path.remove(str(GOLDEN))


def test_every_case_has_its_file(maker: Any) -> None:
    assert sorted(maker.CASES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_saved_by_keras(name: str, maker: Any, keras: Any, tmp_path: Path) -> None:
    keras.utils.clear_session()
    rng = np.random.default_rng((zlib.crc32(name.encode()), 9))
    theirs, x = maker.CASES[name][0](rng)
    maker.randomise(theirs, rng)
    theirs.save(tmp_path / "m.keras")
    stored = maker.predictions(theirs, x)
    with device("reference"):
        received = maker.predictions(load_model(tmp_path / "m.keras"), x)
    assert received.keys() == stored.keys()
    for key, array in stored.items():
        np.testing.assert_allclose(received[key], array, rtol=1e-5, atol=2e-5, err_msg=key)
