"""Run trained Keras recurrent networks at kernel speed, without TensorFlow.

    import numba_rnn
    model = numba_rnn.load_model("model.keras")
    y = model.predict(x)

Keras' names are where a Keras user looks for them: `layers`, `models`, `ops`, `saving`, `Sequential`, `Model`, `Input`, and others:
`import numba_rnn as keras` runs programs that build, load, run and save models.
"""

import importlib

from numba_rnn import (
    activations,
    backend,
    config,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    preprocessing,
    random,
    regularizers,
    saving,
    utils,
)
from numba_rnn.config import DTypePolicy, device, set_threads
from numba_rnn.errors import DeviceError, DTypeError, ModelFileError, ShapeError
from numba_rnn.initializers import Initializer
from numba_rnn.layers import Input, Layer
from numba_rnn.layers.input_spec import InputSpec
from numba_rnn.layers.weight import Variable, name_scope
from numba_rnn.losses import Loss
from numba_rnn.metrics import Metric
from numba_rnn.models import Model, Sequential, files, load_model
from numba_rnn.models.files import from_torch, load_onnx
from numba_rnn.ops.symbolic import Operation
from numba_rnn.ops.symbolic import SymbolicTensor as KerasTensor
from numba_rnn.regularizers import Regularizer

__version__ = "0.1.0.dev0"

__all__ = [
    "DTypeError", "DTypePolicy", "DeviceError", "Initializer", "Input", "InputSpec", "KerasTensor", "Layer", "Loss",
    "Metric", "Model", "ModelFileError", "Operation", "Regularizer", "Sequential", "ShapeError", "Variable", "__version__",
    "activations", "backend", "config", "constraints", "device", "from_torch", "initializers", "layers", "load_model",
    "load_onnx", "losses", "metrics", "models", "name_scope", "ops", "optimizers", "preprocessing", "random", "regularizers",
    "saving", "set_threads", "utils",
]  # fmt: skip

# Importing the loaders imports h5py: only a program that reads files pays for it.
files.set_loaders(lambda name="": importlib.import_module(f"numba_rnn.loaders{name}"))
