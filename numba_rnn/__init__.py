"""Run trained Keras recurrent networks at kernel speed, without TensorFlow.

    import numba_rnn
    model = numba_rnn.load_model("model.keras")
    y = model.predict(x)

Keras' names are where a Keras user looks for them: `layers`, `models`, `initializers`, `ops`, `saving`, `Sequential`, `Model`,
`Input`.
"""

import importlib

from numba_rnn import initializers, layers, losses, metrics, models, ops, saving
from numba_rnn.config import device, set_threads
from numba_rnn.errors import DeviceError, DTypeError, ModelFileError, ShapeError
from numba_rnn.layers import Input
from numba_rnn.models import Model, Sequential, files, load_model

__version__ = "0.1.0.dev0"

__all__ = [
    "DTypeError", "DeviceError", "Input", "Model", "ModelFileError", "Sequential", "ShapeError", "__version__", "device",
    "initializers", "layers", "load_model", "losses", "metrics", "models", "ops", "saving", "set_threads",
]  # fmt: skip

# Importing the loaders imports h5py: only a program that reads files pays for it.
files.set_loaders(lambda: importlib.import_module("numba_rnn.loaders"))
