"""Archives and HDF5 files, damaged or hostile: looked over as a whole first, then read, with no link followed.

The threat model of all loaders. Whoever made the file controls every byte of it, and nothing else: not the program, nor the classes
and functions that the program registered or passes as `custom_objects`, which are trusted with whatever a file gives them.

Promised, for each file:

- Nothing in it is executed, imported or unpickled, and no other file is opened, whatever it names. Classes come from an
  allow-list (`layers.registry`, `ops.base`) or from the program; a module's name is at most compared. No Lambda, marshal, pickle,
  object arrays.
- It is loaded, or refused with a `ModelFileError` that says why; HDF5's own crashes and endless loops are prevented, as far as
  they are known, by `hdf5_bytes`, before HDF5 walks it. A model that was to be filled is untouched unless everything fits.
- Memory stays below four times the file, unpacked, and a constant of some hundred megabytes; unpacked it is at most `RATIO` times
  as large, or `SMALL`. A size that it declares counts only if the bytes are there: weights are compared with the configuration
  before they are read, and none is given initial numbers; shapes that are inferred by running are bounded (`ops.bounds`).
- Time goes with the file's size: a configuration has at most 10,000 objects, calls whose shapes are inferred are counted, nested
  ones included. Small files take less than two seconds.

Refused: links, external and virtual data, other filters and types in HDF5; members of archives that are there twice, encrypted or
packed in odd ways (others, absolute names and `..` among them, are not looked at, and nothing is written to disk); bombs; deep
nesting; loops and unknown names in graphs.

Not promised: what a model does once it runs. It takes the memory and the time that its layers need for the input it is given, and
outputs whatever its author wished. HDF5's newer structures have checksums, which stop damage but not a will; h5py is best kept new.
PyTorch's pickles are read by PyTorch's own weights-only reader, ONNX's messages and safetensors' headers by their libraries.

`tests/fuzz` holds this against files changed at random.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from numba_rnn._typing import Array
from numba_rnn.errors import ModelFileError
from numba_rnn.loaders.hdf5_bytes import check_free_lists, check_heaps, check_texts, check_trees

__all__ = [
    "Contents",
    "attribute",
    "check_source",
    "list_members",
    "look_over",
    "open_hdf5",
    "parse_json",
    "read_array",
    "read_members",
    "text_attribute",
]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Guesses, wide of anything real: Keras stores weights uncompressed, and a config takes about 1 kB a layer.
SMALL = 1 << 26  # bytes that are no bomb, however well they were packed
RATIO = 10  # the most that larger contents may grow when unpacked
JSON_BYTES = 1 << 24
JSON_DEPTH = 256
HDF5_DEPTH = 64
# Deflate, shuffle, checksum and lzf come with h5py; HDF5 would look for any other as a plug-in to load.
FILTERS = {1, 2, 3, 32000}
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError,
    ArithmeticError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Whatever zipfile and h5py raise over bad bytes becomes one error; keep only their calls inside."""
    try:
        yield
    except ModelFileError:
        raise
    except DAMAGE as error:
        raise ModelFileError(
            f"{what} cannot be read ({type(error).__name__}: {error}). The file is damaged or "
            "incomplete: copy or save it again."
        ) from error


def check_source(path: Path) -> bytes:
    """The first bytes of a file, by which its format is known.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: it is a directory, or empty.
    """
    if path.is_dir():
        raise ModelFileError("Expected a file. Received: a directory; save the model as one `.keras` file.")
    with path.open("rb") as file:
        start = file.read(len(HDF5_SIGNATURE))
    if not start:
        raise ModelFileError("Expected a model file. Received: an empty file.")
    return start


def read_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The named members of a zip archive; no other member is looked at and nothing is extracted to disk.

    Raises:
        ModelFileError: not a zip archive, a member is missing, there twice, encrypted, packed in an odd way or a bomb.
    """
    with _damaged("The zip archive"), zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename in names]
        found = [info.filename for info in members]
        if missing := [name for name in names if name not in found]:
            if "model.weights.npz" in archive.namelist():
                raise ModelFileError(
                    "Expected the weights in 'model.weights.h5'. Received: 'model.weights.npz', which can only be "
                    "unpickled. Save the model with `model.save(path)`."
                )
            raise ModelFileError(
                f"The archive has no member {', '.join(map(repr, missing))}. Expected: {', '.join(names)}. Received: "
                f"{', '.join(archive.namelist()[:10]) or 'none'}. Is it a Keras 3 model?"
            )
        if len(found) != len(names):
            raise ModelFileError(f"The archive has a member twice: {', '.join(found)}. Save the model again.")
        return {info.filename: _read_member(archive, info) for info in members}


def list_members(path: Path) -> list[str]:
    """The names of a zip archive's members, whatever they are.

    Raises:
        ModelFileError: not a zip archive.
    """
    with _damaged("The zip archive"), zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelFileError(
            f"Member {info.filename!r} is encrypted or packed in an odd way. Expected: stored or deflated."
        )
    _check_growth(f"Member {info.filename!r}", info.file_size, info.compress_size)
    return archive.read(info)


def _check_growth(what: str, size: int, stored: int) -> None:
    if size > SMALL and size > RATIO * stored:
        raise ModelFileError(
            f"{what} would grow from {stored} bytes to {size}: a bomb, not weights. It is not unpacked."
        )


def parse_json(text: bytes | str, what: str) -> dict[str, Any]:
    """The JSON object in `text`.

    Raises:
        ModelFileError: not JSON, not an object, too large or nested too deeply.
    """
    if len(text) > JSON_BYTES:
        raise ModelFileError(f"{what} is too large. Expected: at most {JSON_BYTES} bytes. Received: {len(text)}.")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelFileError(f"{what} is no JSON: {error}. The file is damaged: copy or save it again.") from error
    except RecursionError:
        raise ModelFileError(f"{what} is nested too deeply. Expected: at most {JSON_DEPTH} levels.") from None
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [
            part for v in level if isinstance(v, (dict, list)) for part in (v.values() if isinstance(v, dict) else v)
        ]
    if level:
        raise ModelFileError(f"{what} is nested too deeply. Expected: at most {JSON_DEPTH} levels.")
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} must be a JSON object. Received: {str(value)[:100]}.")
    return value


@contextlib.contextmanager
def open_hdf5(data: bytes) -> Iterator[h5py.File]:
    """An HDF5 file in memory, closed at the end of the block.

    Raises:
        ModelFileError: it is none.
    """
    with _damaged("The HDF5 file"):
        file = h5py.File(io.BytesIO(data), "r")
    try:
        with _damaged("The HDF5 file"):
            sizes = file.id.get_create_plist().get_sizes()
            if sizes != (8, 8):
                raise ModelFileError(f"The HDF5 file has addresses of odd size. Expected: 8 bytes. Received: {sizes}.")
            check_heaps(data)
            check_free_lists(data)
            check_trees(data)
            number = h5py.h5o.get_info(file.id).fileno
        _images[number] = _Image(data)
        try:
            yield file
        finally:
            del _images[number]
    finally:
        file.close()


@dataclass
class _Image:
    """The bytes of an open file, and the names of the attributes whose text was found to be no longer than they are."""

    data: bytes
    checked: set[str] = field(default_factory=set)


_images: dict[int, _Image] = {}  # by HDF5's own number of an open file


def _image_of(owner: h5py.HLObject) -> _Image | None:
    return _images.get(h5py.h5o.get_info(owner.id).fileno)


@dataclass(frozen=True)
class Contents:
    """Everything in an HDF5 file by its path (`a/b`, the root `""`); whoever reads goes through these, never through paths."""

    groups: dict[str, h5py.Group]
    datasets: dict[str, h5py.Dataset]


def look_over(file: h5py.File) -> Contents:
    """The contents of a whole file, of which no number is read yet.

    Raises:
        ModelFileError: a link or a dataset's numbers lead elsewhere, or something is neither group nor dataset.
    """
    contents = Contents({}, {})
    visited: set[int] = set()
    image, total = _image_of(file), 0
    pending: list[tuple[str, h5py.Group]] = [("", file)]
    with _damaged("The HDF5 file"):
        while pending:
            place, group = pending.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in visited or place.count("/") > HDF5_DEPTH:
                raise ModelFileError(f"The HDF5 group {place!r} is linked twice or lies too deep.")
            visited.add(address)
            contents.groups[place] = group
            for name in group:
                path = f"{place}/{name}".removeprefix("/")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ModelFileError(f"The HDF5 object {path!r} is a soft or external link, which is not followed.")
                kind = group.get(name, getclass=True)
                if kind is h5py.Group:
                    pending.append((path, group[name]))
                elif kind is h5py.Dataset:
                    contents.datasets[path] = group[name]
                else:
                    raise ModelFileError(f"The HDF5 object {path!r} is neither a group nor a dataset.")
        for path, dataset in contents.datasets.items():
            total += _checked_size(path, dataset)
        if image is not None:
            _check_growth("The HDF5 file", total, len(image.data))
    return contents


def _checked_size(path: str, dataset: h5py.Dataset) -> int:
    """The size of a dataset's numbers, none of which is elsewhere or packed by something strange."""
    if dataset.is_virtual or dataset.external:
        raise ModelFileError(f"The HDF5 dataset {path!r} keeps its numbers in another file, which is not opened.")
    plan = dataset.id.get_create_plist()
    used = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    if not used <= FILTERS:
        raise ModelFileError(f"The HDF5 dataset {path!r} needs filters {used - FILTERS}. Expected: none, gzip or lzf.")
    size = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    _check_growth(f"The HDF5 dataset {path!r}", size, dataset.id.get_storage_size())
    return size


def read_array(dataset: h5py.Dataset, wanted: str = "f") -> Array:
    """The numbers of a dataset that was looked over and whose shape was compared; bfloat16 becomes float32.

    Args:
        dataset: from `look_over`.
        wanted: NumPy's letter for the kind of dtype that a weight has: whole numbers are read only into whole numbers.

    Raises:
        ModelFileError: no floating point numbers where they are wanted, or they cannot be read.
    """
    kind = dataset.dtype
    if kind.kind in {"f", wanted} and kind.kind in "fiub":
        with _damaged(f"The HDF5 dataset {dataset.name!r}"):
            return np.asarray(dataset[()])
    if (
        kind.kind == "V"
        and kind.itemsize == 2
        and kind.names is None
        and text_attribute(dataset, "dtype") == "bfloat16"
    ):
        with _damaged(f"The HDF5 dataset {dataset.name!r}"):
            raw = np.ascontiguousarray(dataset[()])
        return (raw.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    raise ModelFileError(
        f"The HDF5 dataset {dataset.name!r} has the wrong dtype. Expected: floating point numbers. Received: {kind}. "
        "Quantised models cannot be loaded: save the model as it was before."
    )


def attribute(owner: h5py.Group | h5py.Dataset, name: str) -> Any:
    """An HDF5 attribute, None where there is none.

    Raises:
        ModelFileError: it cannot be read, or is longer than the file.
    """
    with _damaged(f"The HDF5 attribute {name!r}"):
        if name not in owner.attrs:
            return None
        _check_attribute(owner, name)
        return owner.attrs[name]


def _check_attribute(owner: h5py.Group | h5py.Dataset, name: str) -> None:
    found, image = owner.attrs.get_id(name), _image_of(owner)
    room = SMALL if image is None else len(image.data)
    kind, text = found.dtype, h5py.check_string_dtype(found.dtype)
    if (
        math.prod(found.shape or ()) * kind.itemsize > room
        or found.get_type().committed()
        or (kind.hasobject and text is None)
    ):
        raise ModelFileError(f"The HDF5 attribute {name!r} is neither text nor numbers that fit into the file.")
    if kind.hasobject and image is not None and name not in image.checked:
        check_texts(image.data, name)
        image.checked.add(name)


def text_attribute(owner: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """An HDF5 attribute that must be text, None where there is none."""
    value = attribute(owner, name)
    with _damaged(f"The HDF5 attribute {name!r}"):
        if isinstance(value, bytes):
            value = value.decode()
    if value is not None and not isinstance(value, str):
        raise ModelFileError(f"The HDF5 attribute {name!r} must be text. Received: {type(value).__name__}.")
    return value
