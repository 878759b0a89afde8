"""The way from a model to its file: the loaders lie above the models, so the package leaves them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "from_torch", "load_model", "load_onnx", "load_weights", "model_from_old_json", "save_model", "save_weights",
    "set_loaders",
]  # fmt: skip

_find_loaders: Callable[..., Any]


def set_loaders(find: Callable[..., Any]) -> None:
    """`find()` returns the module of the loaders, `find(".name")` one in it; it is called when a file is read, not before."""
    global _find_loaders  # noqa: PLW0603
    _find_loaders = find


def from_torch(
    source: Any,
    prefix: str = "",
    *,
    nonlinearity: str | None = None,
    return_sequences: bool = True,
    return_state: bool = False,
    initial_state: bool = False,
    name: str | None = None,
) -> Any:
    """A recurrent module of PyTorch's, with its weights: `nn.RNN`, `nn.LSTM`, `nn.GRU` or one of their cells.

        model = numba_rnn.from_torch(lstm, return_state=True)
        y, h_n, c_n = model.predict(x)

    Sequences are (B, T, D) here, whatever the module's `batch_first` says: where that is False (PyTorch's default), what it calls
    x is `x.swapaxes(0, 1)` here, and likewise for y. States have the rows of the batch first too: h_n is (B, n, H), n being layers
    times directions in PyTorch's order, so PyTorch's is `h_n.swapaxes(0, 1)`. For packed sequences call `model(x, mask=mask)` with
    a mask (B, T), true where a step counts: y is zero elsewhere, as `pad_packed_sequence` has it, and states are those of each
    row's last step. (Models with `initial_state` see no mask.)

    Args:
        source: a live module; or a state dict, names to tensors or arrays; or the path of a `.safetensors`, `.pt` or `.pth` file
            of one. A `.pt` file is read by PyTorch (2.6 or later), weights only, so that nothing in it is executed.
        prefix: where in a larger module, dict or file the recurrent module lies, as "encoder."; kind and sizes are told by the
            names and shapes there.
        nonlinearity: an RNN's "tanh" or "relu", which a dict does not tell: None is "tanh". A live module knows its own.
        return_sequences: whether y is the output of every step (B, T, H), or of the last one (B, H): of both directions side by
            side, (..., 2*H), each at the end of its own way. With `proj_size` these are P wide.
        return_state: outputs are the list [y, h_n], of an LSTM [y, h_n, c_n].
        initial_state: inputs are the list [x, h_0], of an LSTM [x, h_0, c_0], shaped as the last states.
        name: the model's.

    Returns:
        A model of Keras' layers with names like `lstm_l0`; dropout between them acts with `training=True`. Of a cell the
        layer `SimpleRNNCell`, `LSTMCell` or `GRUCell`: `h, (h, c) = cell(x, [h, c])`. They compute in float64 where the
        tensors are float64, otherwise in float32. With `proj_size` the layers are `RNN(ProjectedLSTMCell(...))`: stepped
        in Python, and unknown to Keras.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the library that reads such files is missing.
        ModelFileError: a file is damaged, holds more than weights, or its weights are of no such module.
        ValueError: the module, or the dict, is none of these, or lacks a tensor; it says which prefixes would do.
        ShapeError: tensors of shapes that do not go together.
        DTypeError: tensors of something else than floating point numbers.
        TypeError: `source` is something else.
    """
    flags = {"return_sequences": return_sequences, "return_state": return_state, "initial_state": initial_state}
    return _find_loaders().from_torch(source, prefix, nonlinearity=nonlinearity, **flags, name=name)


def load_model(
    filepath: Any,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    weights: str | None = None,
    device: str | None = None,
) -> Any:
    """The model in a `.keras` or whole-model `.h5` file saved by any Keras, with its weights.

    Args:
        filepath: the file; its content decides the format, not its extension.
        custom_objects: classes and functions of your own that the file may name, under their names there.
        compile: whether a `.keras` file's losses and metrics are those of `evaluate`, if all of them are known here.
        safe_mode: accepted for Keras' sake; nothing in a file is ever executed, imported or unpickled.
        weights: "bfloat16", "float16" or "int8": recurrent cells and `Dense` layers compute with matrices of fewer bytes, as by
            `model.compress_weights`, at the price that `numba-rnn info --compare` shows.
        device: what the model's `predict` and `evaluate` run on, as of `numba_rnn.device`; None for the settings.

    Returns:
        A `Sequential` or `Model` that predicts what Keras predicts.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: the file is damaged, unsafe, or holds something this library does not run.
        TypeError: `filepath` is neither a string nor a path.
        ValueError: other `weights` or `device`, before the file is looked at; a weight that cannot be kept so.
        DTypeError: `weights`, and such a layer computes in float64.
        DeviceError: the device is not there.
    """
    return _find_loaders().load_model(filepath, custom_objects, compile, safe_mode, weights=weights, device=device)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Fill a model from a file; see `numba_rnn.loaders.load_weights`."""
    _find_loaders().load_weights(model, filepath, skip_mismatch, by_name)


def model_from_old_json(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that the JSON of Keras 1 or 2 describes; see `numba_rnn.loaders.model_from_old_json`."""
    return _find_loaders().model_from_old_json(config, custom_objects)


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kept: Any) -> None:
    """Write a model to a `.keras` or `.h5` file; see `numba_rnn.loaders.save_model`."""
    _find_loaders().save_model(model, filepath, overwrite, zipped, **kept)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write a model's weights to a `.weights.h5` file; see `numba_rnn.loaders.save_weights`."""
    _find_loaders().save_weights(model, filepath, overwrite)


def load_onnx(filepath: Any) -> Any:
    """The model in an ONNX file, made to run LSTM, GRU and RNN nodes and what exporters put between them.

    Args:
        filepath: the file, with its data inside; reading it needs the `onnx` package (`pip install 'numba_rnn[onnx]'`).

    Returns:
        An `OnnxModel`: `model(*arrays)`, or `model.run({name: array})`; `model.inputs` says what it takes.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: the file is damaged or unsafe, or holds something that this library does not run; nodes are named.
        TypeError: `filepath` is neither a string nor a path.
        ImportError: the `onnx` package is missing.
    """
    return _find_loaders(".onnx").load_onnx(filepath)
