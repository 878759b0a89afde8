"""Shared by every test: a seeded generator, Keras where it is installed, and what a plain run leaves out."""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import numpy as np
import pytest

# Keras reads it when it is imported: no start-up chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LEFT_OUT = "slow", "gpu"  # of a plain run


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from Keras and from ourselves, unless the command line is about them."""
    if "gpu" not in config.option.markexpr:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave `slow` and `gpu` tests out unless the command line names the marker or the test itself."""
    if any("::" in argument for argument in config.args):
        return
    names = [name for name in LEFT_OUT if name not in config.option.markexpr]
    out = [item for item in items if any(map(item.get_closest_marker, names))]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not any(map(item.get_closest_marker, names))]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip `oracle` tests where Keras is not installed."""
    if item.get_closest_marker("oracle") and importlib.util.find_spec("keras") is None:
        pytest.skip("compares with Keras itself: pip install '.[oracle]'")


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers in every run, whatever ran before."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras, imported with its own warnings silenced; the test skips where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras", reason="compares with Keras itself: pip install '.[oracle]'")
