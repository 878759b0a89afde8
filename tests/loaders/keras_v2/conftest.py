"""What old files hold, made here: layers and graphs in the words of their time, and HDF5 files around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Weights = dict[str, list[np.ndarray]]


@pytest.fixture
def write_h5(tmp_path: Path) -> Callable[..., Path]:
    """Writes a whole model, or without `config` weights alone; `version` None is that of the first Keras."""

    def write(weights: Weights, config: Any = None, version: str | None = "2.2.4") -> Path:
        path = tmp_path / "old.h5"
        with h5py.File(path, "w") as file:
            if version is not None:
                file.attrs["keras_version"] = version.encode()
            root = file
            if config is not None:
                file.attrs["model_config"] = json.dumps(config).encode()
                root = file.create_group("model_weights")
            root.attrs["layer_names"] = [name.encode() for name in weights]
            for layer, arrays in weights.items():
                names = [f"{layer}/part_{n}:0" for n in range(len(arrays))]
                root.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
                for name, array in zip(names, arrays, strict=True):
                    root[layer][name] = array
        return path

    return write
