"""Run trained Keras recurrent networks at kernel speed, without TensorFlow."""

from numba_rnn.errors import DeviceError, DTypeError, ModelFileError, ShapeError

__version__ = "0.1.0.dev0"

__all__ = ["DTypeError", "DeviceError", "ModelFileError", "ShapeError", "__version__"]
