"""Every golden file loads and predicts what Keras predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn.compressed import STORAGES
from numba_rnn.config import device
from numba_rnn.loaders import load_model, load_weights

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(path.with_suffix("") for path in GOLDEN.glob("3.*/*.npz"))
# Each activation of a recurrent cell is a kernel of its own: tests/kernels compiles them, here the oracle runs them.
MANY_KERNELS = ("activation", "lstm_options", "gru_options", "simple_rnn_options")
COMPILED = [path for path in FILES if path.parent.name == "3.15.1" and not path.name.startswith(MANY_KERNELS)]
RUNS = [(path, "reference") for path in FILES] + [(path, "auto") for path in COMPILED]


def keyed(prefix: str, value: Any) -> dict[str, Any]:
    """A structure of arrays as one flat dict, with the keys of `make_golden.py`."""
    if isinstance(value, dict):
        return {k: v for name, part in value.items() for k, v in keyed(f"{prefix}:{name}", part).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for n, part in enumerate(value) for k, v in keyed(f"{prefix}.{n}", part).items()}
    return {prefix: value}


def inputs_in(stored: dict[str, Any]) -> Any:
    if "x" in stored:
        return stored["x"]
    if named := {key.removeprefix("x:"): a for key, a in stored.items() if key.startswith("x:")}:
        return named
    return [stored[f"x.{n}"] for n in range(sum(key.startswith("x.") for key in stored))]


def load_golden(path: Path) -> Any:
    if not path.name.endswith(".weights.h5"):
        return load_model(path)
    model = load_model(path.with_name(path.name.replace(".weights.h5", ".keras")))
    load_weights(model, path)
    return model


def check(model: Any, path: Path) -> None:
    """Hold a model's outputs against the writer's; a stateful one is asked twice."""
    with np.load(path.with_name(f"{path.name}.npz"), allow_pickle=False) as archive:
        stored = dict(archive)
    x = inputs_in(stored)
    rows = len(next(iter(keyed("x", x).values())))
    for prefix in ("y", "again"):
        expected = {k: a for k, a in stored.items() if k.startswith(prefix)}
        if expected:
            received = keyed(prefix, model.predict(x, batch_size=rows, verbose=0))
            assert received.keys() == expected.keys()
            for key, array in expected.items():
                assert received[key].dtype == array.dtype, key
                np.testing.assert_allclose(received[key], array, rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parametrize(("path", "where"), RUNS, ids=[f"{p.parent.name}/{p.name}-{where}" for p, where in RUNS])
def test_golden_file(path: Path, where: str) -> None:
    with device(where):
        check(load_golden(path), path)


# The models of 3.15.1 in float32; each storage moves a weight by at most this share of its matrix's largest.
STORED = [
    p for p in FILES if p.parent.name == "3.15.1" and not p.name.endswith((".weights.h5", "64.keras", "dtypes.keras"))
]
SHARES = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "int8": 1 / 254}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("path", STORED, ids=[p.name for p in STORED])
def test_golden_file_with_weights_of_fewer_bytes(path: Path, storage: str) -> None:
    """Close to Keras: one product of K terms is off by K times a weight's error at most; steps and slopes hardly add to that."""
    with np.load(path.with_name(f"{path.name}.npz"), allow_pickle=False) as archive:
        stored = dict(archive)
    x = inputs_in(stored)
    with device("reference"):
        model = load_model(path, weights=storage)
        y = keyed("y", model.predict(x, batch_size=len(next(iter(keyed("x", x).values()))), verbose=0))
    kept = [layer for layer in model._flatten_layers() if layer.weight_storage]
    matrices = [w for layer in kept for w in layer.weights if w.name.endswith("kernel")]
    terms = max((w.shape[0] for w in matrices), default=0)
    largest = max((float(np.abs(w.value).max()) for w in matrices), default=0.0)
    for key, array in y.items():
        wanted = stored[key]
        assert array.dtype == wanted.dtype, key
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(array, wanted, rtol=0, atol=scale * (terms * largest * SHARES[storage] + 1e-5))
