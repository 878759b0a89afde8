"""Safetensors files: named arrays after a header of JSON, nothing in them to execute.

The library of that name reads the header and checks it: sizes, offsets, nothing overlapping, nothing left over.

Source: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.safety import check_source

__all__ = ["read_tensors"]

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a safetensors file by name, sorted, and its metadata, {} where there is none.

    Dtypes are the file's; bfloat16, which NumPy lacks, becomes float32 without loss.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the library `safetensors` is missing.
        ModelFileError: the file is damaged, or holds a dtype that this library does not read.
    """
    check_source(path)
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "Reading `.safetensors` files needs the library safetensors: pip install 'numba_rnn[safetensors]'"
        ) from error
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
        stored = dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
        return {name: _array(name, stored.pop(name)) for name in sorted(stored)}, metadata
    except (safetensors.SafetensorError, OSError, ValueError, MemoryError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"The safetensors file cannot be read ({type(error).__name__}: {error}). It is damaged or incomplete: copy or "
            "save it again."
        ) from error


def _array(name: str, stored: dict[str, object]) -> Array:
    kind, shape, data = stored["dtype"], stored["shape"], stored["data"]
    assert isinstance(kind, str)
    assert isinstance(shape, list)
    assert isinstance(data, bytearray)
    if kind == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4").reshape(shape)
    if kind not in DTYPES:
        raise ModelFileError(
            f"Tensor {name!r} has a dtype that this library does not read. Expected: BF16 or one of {', '.join(DTYPES)}. "
            f"Received: {kind}."
        )
    return np.frombuffer(data, DTYPES[kind]).reshape(shape)
