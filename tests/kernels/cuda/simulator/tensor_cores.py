"""What `mma.sync` computes: fragments of 32 lanes in, fragments out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .mathematics import ROUND

__all__ = ["mma_bf16", "mma_tf32", "to_bf16", "to_tf32"]

WORD = ROUND.cast("B").cast("I", ())  # the same four bytes
LANES = np.arange(32)
ROW, PAIR = LANES >> 2, LANES & 3  # "groupID" and "threadID_in_group" of the PTX ISA


def bits(x: Any) -> int:
    """Of a float32."""
    ROUND[()] = x
    return WORD[()]


def to_tf32(x: Any) -> int:
    """Ten bits of mantissa, to nearest, ties away from zero; NaN and infinity stay."""
    word = bits(x)
    return word if word & 0x7F800000 == 0x7F800000 else (word + 0x1000) & 0xFFFFE000


def to_bf16(x: Any) -> int:
    """Seven bits of mantissa, to nearest even, as 16 bits; NaN stays NaN."""
    word = bits(x)
    if word & 0x7F800000 == 0x7F800000 and word & 0x007FFFFF:
        return 0x7FFF
    return ((word + 0x7FFF + ((word >> 16) & 1)) >> 16) & 0xFFFF


def accumulate(a: Any, b: Any, values: Any) -> list[tuple[Any, ...]]:
    """d = a b + c, and its fragments."""
    c = np.zeros((16, 8))
    sums = np.array([v[6:] for v in values], np.float64)
    places = ((ROW, 2 * PAIR), (ROW, 2 * PAIR + 1), (ROW + 8, 2 * PAIR), (ROW + 8, 2 * PAIR + 1))
    for i, place in enumerate(places):
        c[place] = sums[:, i]
    d = (a @ b + c).astype(np.float32)
    return list(zip(*(list(d[place]) for place in places), strict=True))


def mma_tf32(values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """m16n8k8: a (16, 8), b (8, 8); the low 13 bits of an operand are not looked at."""
    words = np.array([[int(word) for word in v[:6]] for v in values], np.uint32) & np.uint32(0xFFFFE000)
    numbers = words.view(np.float32).astype(np.float64)
    a, b = np.zeros((16, 8)), np.zeros((8, 8))
    for i, place in enumerate(((ROW, PAIR), (ROW + 8, PAIR), (ROW, PAIR + 4), (ROW + 8, PAIR + 4))):
        a[place] = numbers[:, i]
    b[PAIR, ROW], b[PAIR + 4, ROW] = numbers[:, 4], numbers[:, 5]
    return accumulate(a, b, values)


def mma_bf16(values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """m16n8k16: a (16, 16), b (16, 8), two numbers a word, the first in its low half."""
    words = np.array([[int(word) for word in v[:6]] for v in values], np.uint32)
    low = (words << np.uint32(16)).view(np.float32).astype(np.float64)
    high = (words & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
    a, b = np.zeros((16, 16)), np.zeros((16, 8))
    for i, (row, k) in enumerate(((ROW, 2 * PAIR), (ROW + 8, 2 * PAIR), (ROW, 2 * PAIR + 8), (ROW + 8, 2 * PAIR + 8))):
        a[row, k], a[row, k + 1] = low[:, i], high[:, i]
    for i, k in ((4, 2 * PAIR), (5, 2 * PAIR + 8)):
        b[k, ROW], b[k + 1, ROW] = low[:, i], high[:, i]
    return accumulate(a, b, values)
