"""Write the golden files of Keras 2: small models that it saved itself, with inputs and its own outputs beside them.

    pip install tensorflow-cpu tf-keras     # or, for Keras 2.12 to 2.15: "tensorflow-cpu==2.12.1" "numpy<2"
    python tests/golden/make_keras2.py [CASE ...]

Keras 2.11 runs in the environment of TensorFlow 2.12 after `pip install --no-deps keras==2.11.0`, with
`PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python` and what `old_python.py` gives back to Python.

It writes into a folder named after the Keras that runs it, all cases by `tf-keras` and those of `OLDER` by the others.

A case `name` gives `name.h5`, a whole model, and where its `also` says so `name.keras`, `name.weights.h5` (Keras 2.12
and later) and `name.legacy_weights.h5`: what `save_weights` wrote into any other `.h5`, the groups of a whole model
without its configuration. Keras 2.12 gives `name.hdf5.keras` too: HDF5, which is what it writes under a name in `.keras`
unless told otherwise. Each has weights of its own, and one `.npz` beside it as `make_golden.py` describes.
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

import numpy as np
from old_python import restore

restore()

from keras2_cases import CASES, K, keras  # noqa: E402

HERE = Path(__file__).parent
VERSION = tuple(int(n) for n in keras.__version__.split(".")[:2])
if VERSION >= (2, 4):
    import keras2_cases_models  # noqa: F401 (registers its cases)
TF_KERAS = keras.__name__ == "tf_keras"
OLDER = [
    "sequential_lstm",
    "embedding_masks",
    "gru_options",
    "masked_lstm",
    "encoder_decoder",
    "bidirectional",
    "backward_layer",
    "cell_stacks",
    "nested",
    "several_of_a_class",
    "sequential_deferred",
    "shared_layers",
    "stateful",
    "op_layers",
    "mixed_float16",
]
# What Keras 2.11 writes, and 2.12 in `.h5` too. After it little changed there, or between the weights of a `.keras` and
# of a `.weights.h5`: one case of each tells.
OLDER_H5 = ["bidirectional", "encoder_decoder", "cell_stacks", "mixed_float16", "op_layers", "stateful"]
ONE_H5, ONE_WEIGHTS_H5 = "backward_layer", "nested"
LARGE = 16_384  # bytes: `.keras` files above it are repacked, so that both stored and deflated members are read


def randomise(model: Any, rng: np.random.Generator) -> None:
    """By layer: of old, `model.weights` is in another order than what `model.get_weights` gives."""
    names = [w.name for layer in model.layers for w in layer.weights]
    model.set_weights(
        [
            rng.uniform(0.5, 2.0, a.shape)
            if name and ("variance" in name or "_std" in name)
            else rng.normal(0.0, 0.5, a.shape)
            for name, a in zip(names, model.get_weights(), strict=True)
        ]
    )


def keyed(prefix: str, value: Any) -> dict[str, np.ndarray]:
    """A structure of arrays as one flat dict whose keys spell the structure."""
    if isinstance(value, dict):
        return {k: v for name, part in value.items() for k, v in keyed(f"{prefix}:{name}", part).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for n, part in enumerate(value) for k, v in keyed(f"{prefix}.{n}", part).items()}
    return {prefix: np.asarray(value)}


def predictions(model: Any, x: Any) -> dict[str, np.ndarray]:
    """Keras' outputs for one batch of all rows; a stateful model is asked twice (`y` and `again`)."""
    rows = len(next(iter(keyed("x", x).values())))
    stored = {**keyed("x", x), **keyed("y", model.predict(x, batch_size=rows, verbose=0))}
    if model.stateful:
        stored.update(keyed("again", model.predict(x, batch_size=rows, verbose=0)))
    return stored


def save(model: Any, path: Path) -> None:
    if path.name.endswith("weights.h5"):
        # Keras knows the kind by the end of the name, and "legacy_weights.h5" is not ".weights.h5".
        model.save_weights(str(path))
    elif path.name.endswith(".keras") and not path.name.endswith(".hdf5.keras") and VERSION == (2, 12):
        model.save(str(path), save_format="keras_v3")
    else:
        model.save(str(path))


def repack(path: Path) -> None:
    """Deflate a large `.keras`, which is mostly HDF5's own bookkeeping; its members stay byte for byte Keras'."""
    if zipfile.is_zipfile(path) and path.stat().st_size > LARGE:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)


def formats(name: str) -> list[str]:
    also = CASES[name][1]
    if TF_KERAS:
        return ["h5", *also]
    if VERSION < (2, 12):
        return ["h5", *(f for f in also if f == "legacy_weights.h5" and VERSION < (2, 4))]
    h5 = name == ONE_H5 or (VERSION == (2, 12) and name in OLDER_H5)
    odd = ["hdf5.keras"] if VERSION == (2, 12) and name == "sequential_lstm" else []
    return [*(["h5"] * h5), *(["weights.h5"] * (name == ONE_WEIGHTS_H5)), "keras", *odd]


def write(name: str, folder: Path) -> None:
    build = CASES[name][0]
    seed = zlib.crc32(name.encode())
    getattr(K, "clear_session", getattr(K, "reset_uids", lambda: None))()
    built = build(np.random.default_rng(seed))
    # A model whose outputs only another can give (Keras runs some layers on a GPU alone) comes with that other.
    model, x, reader = (*built, built[0])[:3]
    for n, suffix in enumerate(formats(name)):
        randomise(model, np.random.default_rng((seed, n)))
        path = folder / f"{name}.{suffix}"
        save(model, path)
        repack(path)
        if reader is not model:
            reader.load_weights(str(path))
        if reader.stateful:
            reader.reset_states()
        stored = predictions(reader, x)
        if not all(np.isfinite(a).all() for a in stored.values()):
            raise ValueError(f"{name} makes numbers that say nothing")
        np.savez_compressed(folder / f"{name}.{suffix}.npz", keras_version=keras.__version__, **stored)


if __name__ == "__main__":
    folder = HERE / (f"tf-keras-{keras.__version__}" if TF_KERAS else keras.__version__)
    folder.mkdir(exist_ok=True)
    for name in sys.argv[1:] or (CASES if TF_KERAS else OLDER if VERSION >= (2, 12) else OLDER_H5):
        write(name, folder)
