"""A model's outputs, and what is given for each: by place, by key or by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn.ops.naming import snake_case
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["is_binary_or_sparse", "is_nested", "labels", "matched", "name_of", "paths", "stars"]


def is_nested(value: Any) -> bool:
    """Whether it is a structure and no leaf."""
    return isinstance(value, (list, tuple, dict))


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Keys and places that lead to each leaf, in the order of `flatten`."""
    if isinstance(tree, dict):
        return [p for key in sorted(tree) for p in paths(tree[key], (*path, key))]
    if isinstance(tree, (list, tuple)):
        return [p for i, branch in enumerate(tree) for p in paths(branch, (*path, i))]
    return [path]


def matched(given: Any, like: Any, names: list[str] | None) -> list[Any] | None:
    """What is given for each of the outputs `like`, in the order of `flatten`; None where the structures do not match.

    A list goes by place, a dict by the keys of `like` or, where that has none, by the names of the outputs; missing keys give None.
    Below the places of `like` everything may stand.
    """
    if not is_nested(like):
        return [given]
    if isinstance(given, dict):
        if isinstance(like, dict):
            keys = sorted(like)
        elif names is not None and len(names) == len(like) == len(flatten(like)):
            keys = names
        else:
            return None
        if not set(given) <= set(keys):
            return None
        branches = [(given.get(key), like[key] if isinstance(like, dict) else None) for key in keys]
    else:
        if isinstance(like, dict):
            like = [like[key] for key in sorted(like)]
        if not isinstance(given, (list, tuple)) or len(given) != len(like):
            return None
        branches = list(zip(given, like, strict=True))
    found: list[Any] = []
    for branch, part in branches:
        below = [None] * len(flatten(part)) if branch is None else matched(branch, part, None)
        if below is None:
            return None
        found += below
    return found


def stars(tree: Any) -> Any:
    """The structure, with stars for leaves."""
    return map_structure(lambda _: "*", tree)


def labels(outputs: Any, names: list[str] | None) -> list[str | None]:
    """What an output is called in results: its key, or its name."""
    found: list[str | None] = []
    for i, path in enumerate(paths(outputs)):
        name = names[i] if names is not None else None
        if path and isinstance(path[-1], int):
            found.append("/".join(str(p) for p in (*path[:-1], name)) if name else name)
        else:
            found.append("/".join(str(p) for p in path) or name)
    return found


def is_binary_or_sparse(y_true: Any, y_pred: Any) -> tuple[bool, bool]:
    """Whether predictions are of one class, and whether targets are numbers of classes, by the shapes."""
    t, p = np.shape(y_true), y_pred.shape
    return p[-1] == 1, len(t) < len(p) or (t[-1] == 1 and p[-1] > 1)


def name_of(obj: Any) -> str:
    """What an object or a function is called."""
    return str(getattr(obj, "name", None) or snake_case(getattr(obj, "__name__", type(obj).__name__)))
