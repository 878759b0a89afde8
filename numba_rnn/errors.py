"""What goes wrong, in one voice: what was being done, what was expected, what was received, what to do about it."""

from __future__ import annotations

from typing import Any

__all__ = ["DTypeError", "DeviceError", "ModelFileError", "ShapeError", "check_shape"]


class ShapeError(ValueError):
    """An array has the wrong rank or size."""


class DTypeError(ValueError):
    """An array has a data type that cannot be used here."""


class DeviceError(ValueError):
    """The device that was asked for cannot run this."""


class ModelFileError(ValueError):
    """A model file is damaged, unsafe, or holds something this library does not run."""


def check_shape(name: str, array: Any, shape: str, remedy: str = "", **sizes: int | None) -> dict[str, int]:
    """Check an array against a shape in the shape alphabet and return the sizes it binds.

    Args:
        name: what the message calls the array.
        array: anything with a `shape`.
        shape: names and products of names, as in `"D G*H"`; a name that `sizes` lacks is bound by the array.
        remedy: a sentence for the end of the message.
        **sizes: the known sizes; None counts as unknown.

    Returns:
        The sizes, with those that the array bound.

    Raises:
        ShapeError: the rank or a size differs.
    """
    known = {k: v for k, v in sizes.items() if v is not None}
    terms = shape.split()
    actual = tuple(array.shape)
    fits = len(terms) == len(actual)
    if fits:
        for term, size in zip(terms, actual, strict=True):
            want = _product(term, known)
            if want is None:
                known[term] = size
            elif want != size:
                fits = False
                break
    if not fits:
        bound = {k: v for k, v in sizes.items() if v is not None}
        wanted = ", ".join(str(t if (n := _product(t, bound)) is None else n) for t in terms)
        comma = "," if len(terms) == 1 else ""
        letters = "" if wanted == ", ".join(terms) else f" = ({', '.join(terms)}{comma})"
        raise ShapeError(
            f"`{name}` has the wrong shape. Expected: ({wanted}{comma}){letters}. Received: {actual}."
            + (f" {remedy}" if remedy else "")
        )
    return known


def _product(term: str, sizes: dict[str, int]) -> int | None:
    total = 1
    for factor in term.split("*"):
        if factor.isdigit():
            total *= int(factor)
        elif factor in sizes:
            total *= sizes[factor]
        else:
            return None
    return total
