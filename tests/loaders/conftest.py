"""The golden cases, built by this library in Keras' place: `import numba_rnn as keras` runs their scripts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numba_rnn

GOLDEN = Path(__file__).parents[1] / "golden"
SCRIPTS = ("cases", "cases_models", "cases_recurrent")


@pytest.fixture(scope="session")
def cases_here() -> dict[str, Any]:
    """Name -> a function of a generator that builds the model and its input, both of this library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(GOLDEN), *sys.path])
        patch.setitem(sys.modules, "keras", numba_rnn)
        for name in SCRIPTS:  # Keras' own may have been imported by then, or may be later
            patch.setitem(sys.modules, name, None)
            del sys.modules[name]
        modules = [importlib.import_module(name) for name in SCRIPTS]
    return {name: build for name, (build, _) in modules[0].CASES.items()}


def with_random_weights(model: Any, rng: np.random.Generator) -> Any:
    """The model, no two of its weights alike; variances positive."""
    for weight in model.weights:
        low = weight.path.endswith("moving_variance")
        weight.assign(rng.uniform(0.5, 2.0, weight.shape) if low else rng.normal(0.0, 0.3, weight.shape))
    return model
