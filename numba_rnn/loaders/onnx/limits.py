"""How many parts a protobuf message has, counted before it is parsed: an empty one is two bytes in a file, hundreds in memory."""

from __future__ import annotations

from typing import Any

from numba_rnn.errors import ModelFileError

__all__ = ["check_parts"]

# The most fields that a file may have, packed numbers being one. A guess: a node takes about 20, and nodes are limited too.
FIELDS = 1 << 19


def check_parts(data: bytes, descriptor: Any) -> None:
    """Walk through all fields of a message and of those within it.

    Args:
        data: the message as protobuf writes it.
        descriptor: protobuf's description of its type.

    Raises:
        ModelFileError: it has too many fields.
        IndexError: it ends within a field.
        ValueError: it is written as protobuf never writes.
    """
    within: dict[str, dict[int, Any]] = {}  # type -> which of its fields are messages
    left, pending = FIELDS, [(0, len(data), descriptor)]
    while pending:
        at, end, kind = pending.pop()
        if kind.full_name not in within:
            within[kind.full_name] = {f.number: f.message_type for f in kind.fields if f.message_type is not None}
        messages = within[kind.full_name]
        while at < end:
            left -= 1
            if left < 0:
                raise ModelFileError(f"The file has too many parts. Expected: at most {FIELDS} fields.")
            key, at = _varint(data, at)
            match key & 7:
                case 0:
                    _, at = _varint(data, at)
                case 1:
                    at += 8
                case 5:
                    at += 4
                case 2:
                    size, at = _varint(data, at)
                    if (inner := messages.get(key >> 3)) is not None:
                        pending.append((at, at + size, inner))
                    at += size
                case other:
                    raise ValueError(f"a field of wire type {other}")
        if at != end:
            raise IndexError("a field goes beyond its message")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while (byte := data[at]) & 128:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise ValueError("a number of more than ten bytes")
    return value | byte << shift, at + 1
