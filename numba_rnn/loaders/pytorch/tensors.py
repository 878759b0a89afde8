"""Where PyTorch's tensors come from: a live module, a state dict, or a file of one, which is never unpickled here.

A `.pt` file is a pickle. PyTorch's `torch.load(weights_only=True)` reads it without running what is in it, as of version 2.6
(before, CVE-2025-32434 got round it); nothing older is asked to.
"""

from __future__ import annotations

import math
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import DTypeError, ModelFileError
from numba_rnn.loaders.pytorch.names import PART, listed, modules_in
from numba_rnn.loaders.safetensors import read_tensors
from numba_rnn.loaders.safety import DAMAGE, HDF5_SIGNATURE, check_source

__all__ = [
    "as_array",
    "check_size",
    "is_module",
    "parts_of_mapping",
    "parts_of_module",
    "read_file",
    "recurrent_module",
]

MODULES = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
OLDEST = (2, 6)
DTYPES = ("float16", "bfloat16", "float32", "float64")


def is_module(source: Any) -> bool:
    """Whether it is a live `torch.nn.Module`: then PyTorch has been imported by whoever made it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def recurrent_module(module: Any, prefix: str) -> Any:
    """The module itself, or the one inside it that `prefix` (`encoder.`) names, if it is of a recurrent class of PyTorch's.

    Raises:
        ValueError: it is none, or its `forward` is its own, or there is no such module.
    """
    nn = sys.modules["torch"].nn
    classes = tuple(getattr(nn, name) for name in MODULES)
    known = {f"{name}." if name else "": part for name, part in module.named_modules() if isinstance(part, classes)}
    found = known.get(prefix)
    if found is None:
        raise ValueError(
            f"Expected: a module of class {', '.join(MODULES[:-1])} or {MODULES[-1]}{f' at {prefix!r}' if prefix else ''}. "
            f"Received: {type(module).__name__}, {_with_prefixes(known)}"
        )
    base = next(cls for cls in classes if isinstance(found, cls))
    if type(found).forward is not base.forward:
        raise ValueError(
            f"{type(found).__name__} has a `forward` of its own, which this library cannot run. Expected: that of "
            f"{base.__name__}. If it only adds to it, pass its `state_dict()`."
        )
    return found


def _with_prefixes(known: Any) -> str:
    if not known:
        return "which has none inside. If it was compiled or scripted, pass its `state_dict()`."
    return f"which has them under `prefix=`: {listed(known)}."


def parts_of_module(module: Any) -> dict[str, Any]:
    """The tensors of a recurrent module by name, as they are at this moment: parametrisations, such as weight norm, applied."""
    names = [name for name in dir(module) if PART.fullmatch(name)]
    return {name: tensor for name in names if (tensor := getattr(module, name)) is not None}


def parts_of_mapping(source: Mapping[Any, Any], prefix: str) -> dict[str, Any]:
    """The tensors of the recurrent module at `prefix`, by name; mappings inside count as modules (`state_dict.encoder.`).

    Raises:
        ValueError: there are none, or a tensor beside them belongs to no module of PyTorch's.
    """
    tensors = dict(named_tensors(source))
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    own = {name: t for name, t in own.items() if "." not in name}
    parts = {name: t for name, t in own.items() if PART.fullmatch(name)}
    if not parts:
        known = modules_in(tensors)
        where = f"It has them under `prefix=`: {listed(known)}." if known else f"It has: {listed(tensors) or 'none'}."
        raise ValueError(f"There are no tensors named {prefix}weight_ih_l0 or {prefix}weight_ih. {where}")
    if strange := sorted(set(own) - set(parts)):
        raise ValueError(
            f"Beside the weights at {prefix!r} is {listed(strange)}, which no recurrent module of PyTorch's has. Expected: "
            "weight_ih_l0, weight_hh_l0, bias_ih_l0, ... or weight_ih, weight_hh, ... alone. Take weight norm and the like away "
            "first (`torch.nn.utils.remove_weight_norm`), or pass the module itself."
        )
    return parts


def named_tensors(source: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Every tensor under its dotted name; a mapping that is in there twice, or in itself, is looked into once."""
    pending: list[tuple[str, Mapping[Any, Any]]] = [("", source)]
    seen: set[int] = set()
    while pending:
        place, mapping = pending.pop()
        if id(mapping) in seen:
            continue
        seen.add(id(mapping))
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                pending.append((f"{place}{key}.", value))
            elif hasattr(type(value), "shape") and hasattr(type(value), "dtype"):
                yield f"{place}{key}", value


def as_array(name: str, tensor: Any) -> Array:
    """A tensor as a float32 or float64 array; PyTorch's and NumPy's narrower floating point numbers are widened.

    Raises:
        DTypeError: something else than floating point numbers, such as quantised weights.
        ValueError: a tensor without numbers of its own, or a sparse one.
    """
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        raise DTypeError(
            f"Tensor {name!r} has the wrong dtype. Expected: {', '.join(DTYPES[:-1])} or {DTYPES[-1]}. Received: {kind}. Quantised "
            "modules cannot be taken over: use the module as it was before."
        )
    if hasattr(tensor, "detach"):
        try:
            tensor = tensor.detach().cpu().numpy() if kind != "bfloat16" else tensor.detach().cpu().float().numpy()
        except (TypeError, RuntimeError) as error:  # PyTorch's for sparse, meta and other tensors
            first = str(error).partition("\n")[0]
            raise ValueError(f"Tensor {name!r} is no array of numbers: PyTorch says {first!r}.") from error
    array = np.asarray(tensor)
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def read_file(path: Path) -> Mapping[Any, Any]:
    """What a `.safetensors`, `.pt` or `.pth` file maps to tensors; its content decides what it is.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the library that reads it is missing.
        ModelFileError: the file is damaged, of another kind, or holds more than weights.
    """
    start = check_source(path)
    if start.startswith(b"PK\3\4"):
        return _load_pickled(path)
    if len(start) == 8 and int.from_bytes(start, "little") <= path.stat().st_size - 8:
        return read_tensors(path)[0]
    if start.startswith(b"\x80"):  # PyTorch's older format, a pickle without an archive around it
        return _load_pickled(path)
    hint = "Is it Keras'? Then use `load_model`." if start == HDF5_SIGNATURE else "Is it complete?"
    raise ModelFileError(
        f"Expected: a `.safetensors` file, or PyTorch's `.pt` or `.pth`. Received: a file that starts with {start!r}. {hint}"
    )


def check_size(parts: Mapping[str, Any], path: Path) -> None:
    """Refuse tensors that are larger than their file: one number may stand for any shape in a pickle.

    Raises:
        ModelFileError: they are.
    """
    size = sum(math.prod(tensor.shape) * tensor.dtype.itemsize for tensor in parts.values())
    limit = 2 * path.stat().st_size  # widened from bfloat16
    if size > limit:
        raise ModelFileError(
            f"The tensors would take {size} bytes. Expected, for the size of the file: at most {limit}."
        )


def _load_pickled(path: Path) -> Mapping[Any, Any]:
    remedy = (
        "Or save it elsewhere as `safetensors.torch.save_file(model.state_dict(), path)`, which needs no PyTorch here."
    )
    oldest = ".".join(map(str, OLDEST))
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"PyTorch's `.pt` and `.pth` files are read by PyTorch: pip install 'torch>={oldest}'. {remedy}"
        ) from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST:
        raise ImportError(
            f"PyTorch {torch.__version__} can be made to run what a file holds. Expected: {oldest} or later. {remedy}"
        )
    _check_archive(path)
    try:
        with warnings.catch_warnings():  # of archives of programs, which are then refused
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of every kind: what the file is decides which
        # PyTorch's own text advises to load it with all that is in it: not repeated here.
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it names {named[1]}, which is never made" if named else type(error).__name__
        raise ModelFileError(
            f"PyTorch does not read it as weights alone ({reason}). Whole modules and TorchScript programs bring code to run; a "
            "damaged file must be copied or saved again. Expected: what `torch.save(model.state_dict(), path)` writes."
        ) from error
    if not isinstance(loaded, Mapping):
        raise ModelFileError(
            f"Expected: a state dict, which maps names to tensors. Received: {type(loaded).__name__}. Save `model.state_dict()`."
        )
    return loaded


def _check_archive(path: Path) -> None:
    """PyTorch packs nothing: an archive whose members are larger than it is a bomb. Its older files are no archives.

    Raises:
        ModelFileError: it is one, or damaged.
    """
    whole, size = path.stat().st_size, 0
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
    except DAMAGE as error:
        raise ModelFileError(
            f"The archive cannot be read ({type(error).__name__}: {error}). It is damaged or incomplete: copy or save it again."
        ) from error
    if size > whole:
        raise ModelFileError(f"The archive of {whole} bytes would grow to {size} when unpacked. PyTorch packs nothing.")
