"""Nested lists, tuples and dicts of arrays: flatten them, map over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["as_tuple", "flatten", "map_structure", "pack"]


def flatten(tree: Any) -> list[Any]:
    """The leaves in order, dicts by sorted key as Keras has it; None is a leaf."""
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in flatten(branch)]
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in flatten(tree[key])]
    return [tree]


def map_structure(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` applied to every leaf, and to the leaves of `others` at the same place."""
    if isinstance(tree, dict):
        return {k: map_structure(function, v, *(o[k] for o in others)) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        kind = tuple if isinstance(tree, tuple) else list
        return kind(map_structure(function, *branches) for branches in zip(tree, *others, strict=True))
    return function(tree, *others)


def as_tuple(value: Any) -> Any:
    """A list as a tuple, anything else as it is: a file, or a program, has lists where NumPy wants tuples."""
    return tuple(value) if isinstance(value, list) else value


def pack(like: Any, leaves: Iterable[Any]) -> Any:
    """The structure of `like` with these leaves, in the order of `flatten`."""
    return _pack(like, iter(leaves))


def _pack(like: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(like, dict):
        packed = {key: _pack(like[key], leaves) for key in sorted(like)}
        return {key: packed[key] for key in like}
    if isinstance(like, (list, tuple)):
        return (tuple if isinstance(like, tuple) else list)([_pack(branch, leaves) for branch in like])
    return next(leaves)
