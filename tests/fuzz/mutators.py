"""Bytes and JSON, changed at random: what every kind of file is made of. A mutator takes a `random.Random` and gives new bytes."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

__all__ = ["change_bytes", "change_json", "change_text"]

NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    127,
    128,
    255,
    256,
    1000,
    65535,
    65536,
    10**6,
    10**9,
    10**30,
    *(1 << n for n in (31, 32, 62, 63, 64)),
]
OBJECTS = [
    {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}},
    {"class_name": "__lambda__", "config": {"value": "4wE="}},
    {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}},
    {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "S1000000000"}},
    {"class_name": "__tuple__", "items": [1, 2]},
    {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
]
WORDS = [
    "",
    "a",
    "é\0",
    "../..",
    "/etc/passwd",
    "x" * 5000,
    "float16",
    "bfloat16",
    "int8",
    "object",
    "S1000000000",
    "relu",
    "Lambda",
]
LISTS = [[], [[]], [None], [None, None, 3], [1, 2, 3], [None, 65536, 65536]]
VALUES: list[Any] = [
    None,
    True,
    False,
    -1.5,
    1e308,
    float("nan"),
    float("inf"),
    *NUMBERS,
    *WORDS,
    *LISTS,
    {},
    {"a": 1},
    *OBJECTS,
]
KEYS = [
    "units",
    "shape",
    "batch_shape",
    "dtype",
    "name",
    "config",
    "class_name",
    "stateful",
    "cell",
    "layers",
    "shared_object_id",
]
DULL = (
    "_initializer",
    "_regularizer",
    "_constraint",
    "registered_name",
    "module",
    "compile_config",
)  # often left alone


def change_bytes(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Some of: bits flipped, numbers written over, pieces cut, doubled, zeroed, or taken from `other`."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8, 30])):
        if not out:
            break
        at, size = rng.randrange(len(out)), rng.choice([1, 2, 4, 8, 8, 16, 64, 512])
        kind = rng.randrange(9)
        if kind <= 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif kind <= 4:
            width = rng.choice([2, 4, 8])
            number = rng.choice([*NUMBERS, len(data), len(data) - 1, rng.randrange(len(data) + 1)]) % (1 << 8 * width)
            out[at : at + width] = number.to_bytes(width, "little")
        elif kind == 5:
            del out[at : at + size]
        elif kind == 6:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + size]
        elif kind == 7:
            start = rng.randrange(max(1, len(other)))
            out[at : at + size] = other[start : start + size]
        else:
            out[at : at + size] = bytes(size)
    if rng.random() < 0.08:
        del out[rng.randrange(len(out) + 1) :]
    return bytes(out)


def change_json(rng: random.Random, text: bytes, other: bytes) -> bytes:
    """Values replaced, moved, doubled, removed or taken from `other`, keys added; now and then the text itself."""
    if rng.random() < 0.05:
        return change_bytes(rng, text, other)
    value, spare = json.loads(text), list(_places(json.loads(other)))
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        places = list(_places(value, skip=DULL if rng.random() < 0.7 else ()))
        if not places:
            break
        owner, key = rng.choice(places)
        kind = rng.randrange(10)
        if kind <= 1:
            owner[key] = copy.deepcopy(rng.choice(VALUES))
        elif kind <= 4 and isinstance(owner[key], (int, float)):
            owner[key] = rng.choice(NUMBERS) * rng.choice([1, -1])
        elif kind == 5:
            del owner[key]
        elif kind == 6:
            there, where = rng.choice(places)
            owner[key] = copy.deepcopy(there[where])
        elif kind == 7 and spare:
            there, where = rng.choice(spare)
            owner[key] = copy.deepcopy(there[where])
        elif kind == 8 and isinstance(owner, list):
            owner.extend(copy.deepcopy(owner[key]) for _ in range(rng.choice([1, 1, 2, 50])))
        elif isinstance(owner, dict):
            owner[rng.choice(KEYS)] = copy.deepcopy(rng.choice([owner[key], rng.choice(VALUES)]))
    if rng.random() < 0.005:
        for _ in range(rng.choice([30, 300])):
            value = {"class_name": "Sequential", "config": {"layers": [value], "name": "s"}}
    try:
        return json.dumps(value).encode()
    except (RecursionError, ValueError):
        return b"[" * 100_000


def change_text(rng: random.Random, text: str) -> str:
    """A name, changed."""
    return rng.choice(["", ".", "..", "/", text + "/x", text[1:], text.upper(), text + "_1", "vars", "é" * 300, "a\0b"])


def _places(value: Any, skip: tuple[str, ...] = ()) -> Any:
    """Each (owner, key) in a JSON value, but for what lies under keys that end so."""
    pending = [value]
    while pending:
        owner = pending.pop()
        keys = owner if isinstance(owner, dict) else range(len(owner)) if isinstance(owner, list) else ()
        for key in keys:
            if not (skip and isinstance(key, str) and key.endswith(skip)):
                yield owner, key
                pending.append(owner[key])
