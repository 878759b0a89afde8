"""How the kernels on tensor cores cut their work: plain arithmetic that a kernel and its launch share.

A tile is one operand of a tensor core instruction: rows of weights by terms of a sum. The other operand is columns of sequences.
"""

from __future__ import annotations

__all__ = [
    "COLUMNS", "SLICES", "TERMS", "UNITS", "WORDS", "cluster_shared", "groups_of", "padded_units", "pairs_of", "spans_of",
    "tensor_shared",
]  # fmt: skip

COLUMNS = 8  # sequences that an instruction multiplies
UNITS = 8  # whose gates, two of them, are the rows of a tile
TERMS = 16  # of the sum, of a tile
WORDS = {"tf32": 8, "bf16": 4, "bf16x3": 8}  # registers that a tile takes of each lane, by precision
SLICES = 2  # of the sum, a warp each, in the cluster kernel: as many warps as reduce


def pairs_of(G: int) -> int:
    """Tiles of 8 units with G gates."""
    return -(-G // 2)


def padded_units(H: int) -> int:
    """Units of the tensor kernel with those that fill the last tile, whose h is 0."""
    return -(-H // TERMS) * TERMS


def spans_of(H: int, warps: int) -> int:
    """Of 16 units of h, which each of so many warps of the tensor kernel multiplies."""
    return -(-H // (TERMS * warps))


def groups_of(H: int, blocks: int) -> int:
    """Of 8 units, that each block of a cluster owns; units beyond H have an h of 0."""
    return -(-H // (UNITS * blocks))


def tensor_shared(G: int, groups: int, warps: int) -> int:
    """Bytes of shared memory of the tensor kernel: sums, twice."""
    return 4 * 2 * warps * 2 * groups * 32 * 2 * pairs_of(G)


def cluster_shared(H: int, G: int, blocks: int) -> int:
    """Bytes of shared memory of the cluster kernel: h twice, sums, two barriers."""
    groups = groups_of(H, blocks)
    return 4 * (2 * COLUMNS * (UNITS * blocks * groups + 16) + SLICES * 2 * groups * 32 * 2 * pairs_of(G)) + 2 * 8
