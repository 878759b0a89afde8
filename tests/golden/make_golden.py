"""Write the golden files: small models that Keras itself saved, with inputs and Keras' own outputs beside them.

    python tests/golden/make_golden.py [CASE ...]

It writes into a folder named after the Keras that runs it: every case by `NEWEST`, those of `OLDER` by each of
`OLDER_KERAS`, from an environment of its own.

Every weight is drawn from a seeded generator (biases and moving statistics too): constant weights cannot see swapped
gates. A case `name` gives `name.keras` (and `name.h5` or `name.weights.h5` where its `also` says so, each with
weights of its own) and one `.npz` beside each, with the inputs under `x` and the outputs under `y`. A structure is
spelt in the keys: `y` is a bare array, `y.0` the first of a list or tuple, `y:name` an entry of a dict. A stateful
model is predicted twice (`y` and `again`).
"""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import cases_models  # noqa: F401 (registers its cases)
import cases_recurrent  # noqa: F401
import keras
import numpy as np
from cases import CASES

HERE = Path(__file__).parent
NEWEST = "3.15.1"
OLDER_KERAS = ("3.0.5", "3.3.3", "3.6.0", "3.10.0")
OLDER = [
    "sequential_lstm",
    "sequential_embedding",
    "bidirectional_masked_last",
    "nested_functional",
    "rnn_cells",
    "arithmetic",
    "dict_inputs",
    "several_inputs_and_outputs",
    "encoder_decoder_masked",
    "shared_masked",
]
LARGE = 16_384  # bytes: files above it are repacked, so that both stored and deflated members are read


def randomise(model: Any, rng: np.random.Generator) -> None:
    for w in model.weights:
        low = w.path.endswith("moving_variance")
        w.assign(rng.uniform(0.5, 2.0, w.shape) if low else rng.normal(0.0, 0.5, w.shape))


def keyed(prefix: str, value: Any) -> dict[str, np.ndarray]:
    """A structure of arrays as one flat dict whose keys spell the structure."""
    if isinstance(value, dict):
        return {k: v for name, part in value.items() for k, v in keyed(f"{prefix}:{name}", part).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for n, part in enumerate(value) for k, v in keyed(f"{prefix}.{n}", part).items()}
    return {prefix: np.asarray(value)}


def stateful_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if getattr(layer, "stateful", False)]


def predictions(model: Any, x: Any) -> dict[str, np.ndarray]:
    rows = len(next(iter(keyed("x", x).values())))
    stored = {**keyed("x", x), **keyed("y", model.predict(x, batch_size=rows, verbose=0))}
    if stateful_layers(model):
        stored |= keyed("again", model.predict(x, batch_size=rows, verbose=0))
    return stored


def save(model: Any, path: Path) -> None:
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)


def repack(path: Path) -> None:
    """Deflate a large `.keras`, which is mostly HDF5's own bookkeeping; its members stay byte for byte Keras'."""
    if path.suffix == ".keras" and path.stat().st_size > LARGE:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)


def write(name: str, folder: Path = HERE / keras.__version__) -> None:
    folder.mkdir(exist_ok=True)
    build, also = CASES[name]
    seed = zlib.crc32(name.encode())
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model, x = build(np.random.default_rng(seed))
    for n, suffix in enumerate(("keras", *(also if keras.__version__ in (NEWEST, OLDER_KERAS[0]) else ()))):
        randomise(model, np.random.default_rng((seed, n)))
        for layer in stateful_layers(model):
            layer.reset_state()
        path = folder / f"{name}.{suffix}"
        save(model, path)
        repack(path)
        stored = predictions(model, x)
        if not all(np.isfinite(a).all() for a in stored.values()):
            raise ValueError(f"{name} makes numbers that say nothing")
        np.savez_compressed(folder / f"{name}.{suffix}.npz", keras_version=keras.__version__, **stored)


if __name__ == "__main__":
    for name in sys.argv[1:] or (CASES if keras.__version__ == NEWEST else OLDER):
        write(name)
