"""The `.keras` and `.weights.h5` of Keras 2.12 to 2.15: what lay where, under the paths of Keras 3.

Until 2.14 a model's layers lay in `_layer_checkpoint_dependencies`. Until 2.13 they were met there twice, and the second time
left a gap in the numbers of a class: `lstm`, `lstm_2`, `lstm_4`. Later none was counted twice; Keras 3 does that.

Source: keras 2.12.0, 2.13.1, 2.14.0 and 2.15.0, `saving/saving_lib.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

__all__ = ["is_old_layout", "orders_of", "renumbered"]

OLD = "_layer_checkpoint_dependencies"
CONTAINERS = {OLD: "layers", "layers": "layers", "cells": "cells"}
NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


def is_old_layout(paths: Iterable[str]) -> bool:
    """Whether these groups are those of a file by Keras 2.12 to 2.14."""
    return any(OLD in path.split("/") for path in paths)


def renumbered(groups: Iterable[str]) -> dict[str, str]:
    """The path that each group would have in a file of Keras 3, where every layer of a class has the next number."""
    inside: dict[str, set[str]] = {}
    for path in groups:
        parts = path.split("/")
        for n in range(1, len(parts)):
            inside.setdefault("/".join(parts[:n]), set()).add(parts[n])
    made = {"": ""}
    pending = [path for path in sorted({path.split("/")[0] for path in groups}) if path]
    made.update({path: CONTAINERS.get(path, path) for path in pending})
    while pending:
        path = pending.pop()
        children = sorted(inside.get(path, ()), key=_place)
        used: Counter[str] = Counter()
        for child in children:
            name = CONTAINERS.get(child, child)
            if path.split("/")[-1] in CONTAINERS:
                base = _place(child)[0]
                name = f"{base}_{used[base]}" if used[base] else base
                used[base] += 1
            made[f"{path}/{child}"] = f"{made[path]}/{name}"
            pending.append(f"{path}/{child}")
    return made


def _place(name: str) -> tuple[str, int]:
    """A layer's class and its number."""
    match = NUMBERED.fullmatch(name)
    assert match is not None  # it matches everything
    return match[1], int(match[2] or 0)


def orders_of(config: Any) -> dict[str, list[str]]:
    """The layers' names of each model in a config, in the order in which its file counts them."""
    found: dict[str, list[str]] = {}
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            inner = value.get("config")
            if isinstance(inner, dict) and isinstance(layers := inner.get("layers"), list):
                names = [
                    one["config"].get("name")
                    for one in layers
                    if isinstance(one, dict) and isinstance(one.get("config"), dict)
                ]
                found[str(inner.get("name"))] = [str(name) for name in names]
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return found
