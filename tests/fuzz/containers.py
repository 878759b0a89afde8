"""Zip archives, HDF5 files and the like, taken apart, changed inside and put together again, so that the changes are read."""

from __future__ import annotations

import io
import json
import random
import warnings
import zipfile
from typing import Any

import h5py
import numpy as np
from mutators import change_bytes, change_json, change_text

__all__ = ["change_archive", "change_hdf5", "change_onnx", "change_safetensors"]


def change_archive(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A zip archive with one member changed, there twice, renamed, left out or packed."""
    if not data.startswith(b"PK"):  # in Keras 2 a file of this name may be HDF5
        return change_hdf5(rng, data, other)
    members, spare = _members(data), _members(other) if other.startswith(b"PK") else {}
    name = rng.choice(sorted(members))
    kind = rng.randrange(60)
    extra: list[tuple[str, bytes]] = []
    if kind == 0:
        extra = [(name, members[name])]
    elif kind == 1:
        members[rng.choice(["/etc/x", "../../x", change_text(rng, name)])] = members.pop(name)
    elif kind == 2:
        del members[name]
    elif kind == 3:
        members[name] = spare.get(name, b"")
    elif kind == 4:
        members[name] = bytes(rng.choice([1 << 10, 1 << 22]))
    else:
        name = rng.choice(["config.json"] * 6 + ["model.weights.h5"] * 4 + ["metadata.json"])
        if name in members:
            change = change_hdf5 if name.endswith("h5") else change_json
            members[name] = change(rng, members[name], spare.get(name, members[name]))
    memory = io.BytesIO()
    packed = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w", packed) as archive:
        warnings.simplefilter("ignore")
        for one, content in [*members.items(), *extra]:
            archive.writestr(one or "x", content)
    whole = memory.getvalue()
    if rng.random() < 0.03:  # the directory at the end, where sizes and offsets are
        cut = whole.rindex(b"PK\1\2") if b"PK\1\2" in whole else 0
        whole = whole[:cut] + change_bytes(rng, whole[cut:], whole[:100])
    return whole


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def change_hdf5(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """An HDF5 file changed byte by byte where its structure is, or through the library, which keeps it whole."""
    if rng.random() < 0.6:
        return _change_structure(rng, data, other)
    memory = io.BytesIO(data)
    try:
        with h5py.File(memory, "r+") as file:
            for _ in range(rng.choice([1, 1, 2, 4])):
                _change_object(rng, file, other)
    except (ValueError, KeyError, TypeError, RuntimeError, OSError, MemoryError, UnicodeError):
        return change_bytes(rng, data, other)
    return memory.getvalue()


def _change_structure(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Bytes within a few of the signatures that begin HDF5's structures, where a change is not just another weight."""
    marks = (
        b"\x89HDF",
        b"TREE",
        b"HEAP",
        b"SNOD",
        b"GCOL",
        b"OHDR",
        b"layer",
        b"vars",
        b"\x10\0\x10\0\0\0",
        b"\x11\0\x10\0\0\0",
    )
    marks += (b"\x03\0\x18\0", b"\x01\0\x18\0", b"\x08\0\x18\0", b"\x0c\0", b"\x15\0", b"\x01\0\x01\0")
    out = data
    for _ in range(rng.choice([1, 1, 2, 4])):
        places: list[int] = []
        mark, at = rng.choice(marks), -1
        while (at := out.find(mark, at + 1)) >= 0 and len(places) < 2000:
            places.append(at)
        if not places:
            continue
        start = max(0, rng.choice(places) - 16)
        end = start + rng.choice([32, 64, 256, 1024])
        out = out[:start] + change_bytes(rng, out[start:end], other) + out[end:]
        out = out[: len(data)] + bytes(max(0, len(data) - len(out))) if rng.random() < 0.7 else out
    return out


def _change_object(rng: random.Random, file: h5py.File, other: bytes) -> None:
    found: list[Any] = [file]
    file.visititems(lambda _, thing: found.append(thing))
    thing = rng.choice(found)
    group = thing if isinstance(thing, h5py.Group) else thing.parent
    kind = rng.randrange(10)
    if kind <= 3:
        _change_attribute(rng, rng.choice([thing, file]))
    elif kind == 4 and len(group):
        del group[rng.choice(sorted(group))]
    elif kind == 5 and thing is not file:
        group.move(thing.name.rsplit("/", 1)[1], change_text(rng, thing.name.rsplit("/", 1)[1]))
    elif kind == 6:
        group[f"l{rng.randrange(9)}"] = rng.choice(
            [
                h5py.SoftLink("/"),
                h5py.SoftLink("../x"),
                h5py.ExternalLink("/etc/passwd", "/"),
                file["/"],
                rng.choice(found),
            ]
        )
    elif kind == 7:
        if "vars" not in group:
            group = group.create_group("vars")
        group[str(rng.randrange(4))] = rng.choice(
            [np.ones(3), np.ones((2, 2), "i4"), np.zeros((), "f4"), np.bytes_(b"abc")]
        )
    elif isinstance(thing, h5py.Dataset):
        name, shape, parent = thing.name, thing.shape, thing.parent
        kept = thing[()]
        del parent[name]
        _replace(rng, file, name, shape, kept)


def _replace(rng: random.Random, file: h5py.File, name: str, shape: tuple[int, ...], kept: Any) -> None:
    """Another dataset in the place of one: of another type, shape, layout or size."""
    kind = rng.randrange(9)
    if kind == 0:
        dtype = rng.choice(["f2", "f8", ">f4", "i1", "i8", "c8", "S5", "?", "V2", "f4,i4", "(1000,1000)f4"])
        file.create_dataset(name, shape, dtype)
    elif kind == 1:
        file.create_dataset(name, shape, h5py.string_dtype())
    elif kind == 2:
        file.create_dataset(name, shape, rng.choice([h5py.vlen_dtype(np.float32), h5py.ref_dtype]))
    elif kind == 3:
        file.create_dataset(
            name, (rng.choice([0, 1, 1 << 20, 1 << 40]), *shape[1:]), "f4", chunks=(1, *shape[1:]) if shape else None
        )
    elif kind == 4:
        file.create_dataset(name, shape, "f4", external=[("/etc/passwd", 0, 1 << 20)])
    elif kind == 5 and shape:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
        file.create_virtual_dataset(name, layout)
    elif kind == 6 and shape and 0 not in shape:
        file.create_dataset(
            name, data=kept, chunks=True, compression=rng.choice(["gzip", "lzf"]), shuffle=True, fletcher32=True
        )
    elif kind == 7 and shape and 0 not in shape:
        file.create_dataset(name, data=kept, chunks=shape, maxshape=(None,) * len(shape), scaleoffset=3)
    else:
        file[name] = h5py.Empty("f4")


def _change_attribute(rng: random.Random, thing: Any) -> None:
    names = sorted(thing.attrs)
    name = rng.choice([*names, *names, "name", "model_config", "weight_names", "layer_names0"])
    value = thing.attrs.get(name)
    kind = rng.randrange(5)
    if kind == 0 and value is not None:
        del thing.attrs[name]
    elif kind == 1 and isinstance(value, np.ndarray):
        thing.attrs[name] = rng.choice([value[:-1], value[::-1], np.concatenate([value, value])])
    elif isinstance(value, (str, bytes)) and value[:1] in ("{", b"{") and kind:
        raw = value.encode() if isinstance(value, str) else value
        changed = change_json(rng, raw, raw)
        if rng.random() < 0.3:  # of one length, as Keras 2 wrote it
            thing.attrs[name] = np.bytes_(changed[:60_000])
        else:
            thing.attrs[name] = changed.decode("utf-8", "replace").replace("\0", "")
    else:
        thing.attrs[name] = rng.choice(
            [
                "",
                "x",
                3,
                1.5,
                [1, 2],
                np.zeros((3, 3)),
                b"\xff",
                ["a", "../b"],
                h5py.Empty("S1"),
                np.zeros(5000),
                [b"a"] * 3,
                "3.15",
                "2.4.0",
            ]
        )


def change_safetensors(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A safetensors file whose header is changed as JSON, or its length, or any byte."""
    if rng.random() < 0.3:
        return change_bytes(rng, data, other)
    head, body = _header(data)
    spare, _ = _header(other)
    if rng.random() < 0.4:  # the model's config, which is JSON in JSON
        parsed = json.loads(head)
        metadata = parsed.get("__metadata__", {})
        if config := [key for key, value in metadata.items() if value.startswith("{")]:
            key = rng.choice(config)
            metadata[key] = change_json(rng, metadata[key].encode(), metadata[key].encode()).decode("utf-8", "replace")
        head = json.dumps(parsed).encode()
    else:
        head = change_json(rng, head, spare)
    size = len(head) if rng.random() < 0.95 else rng.choice([0, 1, 1 << 24, 1 << 40, 1 << 63, len(head) + 1, len(data)])
    return size.to_bytes(8, "little") + head + body


def _header(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:8], "little")
    return data[8 : 8 + size], data[8 + size :]


def change_onnx(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """An ONNX model changed as bytes, or field by field, which keeps it a message."""
    if rng.random() < 0.4:
        return change_bytes(rng, data, other)
    import onnx

    model = onnx.load_from_string(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        _change_node(rng, model.graph)
    return bytes(model.SerializeToString())


def _change_node(rng: random.Random, graph: Any) -> None:
    node = rng.choice(graph.node)
    tensor = rng.choice(graph.initializer) if graph.initializer else None
    kind = rng.randrange(9)
    if kind == 0:
        node.op_type = rng.choice(OPERATORS)
    elif kind == 1 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i, attribute.f = (
            rng.choice([0, 1, -1, 1 << 40, (1 << 63) - 1, -(1 << 63)]),
            rng.choice([0.0, -1.0, 1e30]),
        )
        attribute.ints[:] = [rng.choice([0, 1, -1, 2, 1 << 40]) for _ in range(rng.randrange(5))]
        attribute.s = rng.choice([b"", b"Tanh", b"\xff", b"bidirectional", b"x" * 5000])
    elif kind == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(
            ["", "none", *node.input, *node.output, *(t.name for t in graph.initializer)]
        )
    elif kind == 3 and tensor is not None:
        tensor.dims[:] = [rng.choice([0, 1, -1, 3, 1 << 40, *tensor.dims]) for _ in range(rng.randrange(1, 5))]
    elif kind == 4 and tensor is not None:
        tensor.raw_data = change_bytes(rng, tensor.raw_data, b"")
    elif kind == 5 and tensor is not None:
        tensor.data_type = rng.randrange(25)
    elif kind == 6:
        graph.node.append(rng.choice(graph.node))
    elif kind == 7:
        del graph.node[rng.randrange(len(graph.node))]
        if not graph.node:
            graph.node.add(op_type="LSTM")
    elif node.attribute:
        node.attribute.append(rng.choice(node.attribute))


OPERATORS = [
    "LSTM", "GRU", "RNN", "Gemm", "MatMul", "Add", "Mul", "Concat", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Gather",
    "Slice", "Softmax", "Tile", "Pad", "ConstantOfShape", "Constant", "Shape", "Cast", "Split", "Loop", "If", "Scan", "", "Tanh",
]  # fmt: skip
